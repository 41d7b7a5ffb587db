from pathlib import Path

import pytest

from benchmarks.document_pages.truth import Truth, TruthPage, TruthWord, write_truth
from benchmarks.ocr_cases import NothingMeasured, cases_in, limited
from benchmarks.ocr_measure import drift, file_score
from benchmarks.ocr_process import Answer
from benchmarks.ocr_scores import Found, boxes_found, normalised, score, total, words_found


def word(text: str, left: float, top: float = 0.0, width: float = 10.0) -> TruthWord:
    right, bottom = left + width, top + 10.0
    return TruthWord(text, ((left, top), (right, top), (right, bottom), (left, bottom)))


def test_texts_are_compared_by_their_characters_and_not_their_spacing() -> None:
    assert normalised("cafe\u0301  au\nlait, sa\u00ac\n") == "caf\u00e9 au lait, sa-"
    assert score("abcd", "abxd").cer_percent == 25.0
    assert score("", "ab").cer_percent == 200.0


def test_words_count_as_often_as_they_are_there_in_any_order() -> None:
    found = words_found("one two two three", "three two\none one")

    assert found == Found(hits=3, wanted=4, given=4)
    assert found.f1_percent == 75.0
    assert Found().f1_percent == 100.0


def test_a_word_is_found_in_its_place_and_once() -> None:
    truth = [word("total", 0), word("total", 100), word("date", 200)]

    assert boxes_found(truth, [word("total", 2), word("total", 103), word("date", 195, width=30)]).hits == 3
    assert boxes_found(truth, [word("total", 2), word("total", 3), word("date", 200, top=50)]) == Found(1, 3, 3)
    assert boxes_found(truth, [word("totals", 0)]).hits == 0


def test_pages_weigh_by_their_characters() -> None:
    whole = total([score("abcdefgh", "abcdefgh"), score("ab", "xy")])

    assert whole.cer_percent == 20.0
    assert whole.boxes is None


def test_a_file_without_boxes_read_is_not_scored_by_boxes(tmp_path: Path) -> None:
    write_truth(
        Truth("form", "clean", (TruthPage(10, 10, "pixel", "a b", (word("a", 0), word("b", 20))),)), tmp_path / "x"
    )
    (tmp_path / "x.png").write_bytes(b"")
    (case,) = cases_in(tmp_path)

    assert file_score(case, [Answer("b a", (), 1.0, 2.0)]).score.boxes is None
    scored = file_score(case, [Answer("a b", (word("b", 21), word("a", 100)), 1.0, 2.0)])
    assert scored.score.boxes == Found(1, 2, 2)
    assert (scored.kind, scored.condition, scored.score.errors) == ("x", "clean", 0)


def test_a_kind_is_a_folder_or_how_a_name_starts(tmp_path: Path) -> None:
    (tmp_path / "receipts").mkdir()
    for name in ("receipts/a_1", "letter_blur_3", "en12"):
        (tmp_path / f"{name}.png").write_bytes(b"")
        (tmp_path / f"{name}.txt").write_text("text", encoding="utf-8")
    (tmp_path / "without.png").write_bytes(b"")

    cases = cases_in(tmp_path)

    assert sorted(case.kind for case in cases) == ["en", "letter", "receipts"]
    assert [case.name for case in limited(cases, ["letter"])] == ["letter_blur_3"]
    with pytest.raises(NothingMeasured, match="invoice"):
        limited(cases, ["invoice"])


def test_boxes_that_are_none_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "a.json").write_text('{"pages": [{"words": [{"text": "x"}]}]}', encoding="utf-8")

    with pytest.raises(NothingMeasured, match=r"a\.json"):
        cases_in(tmp_path)


def test_drift_is_told_only_of_enough_pages() -> None:
    assert drift([100.0] * 39) is None
    assert drift([500.0] * 10 + [100.0] * 20 + [103.0] * 10) == pytest.approx(3.0)
