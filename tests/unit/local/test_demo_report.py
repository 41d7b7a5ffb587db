from __future__ import annotations

import base64
from typing import Any

import pytest

from local.demo_report import Picture, differing_characters, failure, pictures, report


def answer(**result: Any) -> dict[str, Any]:
    return {
        "success": True,
        "elapsed_seconds": 1.5,
        "stages": [{"name": "inspect", "elapsed_seconds": 0.25}, {"name": "recognise", "elapsed_seconds": 1.2}],
        "result": {"text": "Dear reader", "text_truncated": False, "mean_confidence": 0.987, "artifacts": [], **result},
    }


def test_the_report_has_the_text_the_confidence_and_the_times() -> None:
    lines = report(answer()).splitlines()
    assert lines[1:2] + lines[3:] == [
        "Dear reader",
        "Confidence  98.7% on average",
        "Time        inspect 0.25 s, recognise 1.20 s; 1.50 s in all",
    ]


def test_the_report_says_how_much_differs_from_a_known_text() -> None:
    text = report(answer(text="Dear read3r"), "Dear\nreader")
    assert "Accuracy    1 of 11 characters differ from what is printed (9.09%)" in text


def test_the_time_of_reading_is_told_apart_from_that_of_loading() -> None:
    text = report(answer(recognise_seconds=0.756))
    assert "Reading     0.76 s of that, without loading the engine" in text


def test_pages_without_a_picture_are_counted() -> None:
    assert "Pictures    of 0 of the 2 pages" in report(answer(pages=[{}, {}]))
    assert "Pictures" not in report(answer(pages=[]))


def test_a_page_without_text_says_so() -> None:
    text = report(answer(text="", mean_confidence=None))
    assert "(no text was found)" in text
    assert "Confidence  none" in text


def test_a_cut_text_says_so() -> None:
    assert "Cut " in report(answer(text_truncated=True))


@pytest.mark.parametrize(
    ("read", "known", "distance"),
    [("", "", 0), ("", "abc", 3), ("abc", "", 3), ("kitten", "sitting", 3), ("a  b\nc", "a b c", 0), ("ab", "ba", 2)],
)
def test_differing_characters(read: str, known: str, distance: int) -> None:
    assert differing_characters(read, known) == distance
    assert differing_characters(known, read) == distance


def test_pictures_are_the_previews_that_the_answer_carries() -> None:
    given = answer(
        artifacts=[
            {"kind": "text", "name": "documents/j/text.txt", "page": None},
            {"kind": "preview", "name": "documents/j/1.jpg", "page": 1},
            {"kind": "preview", "name": "documents/j/2.jpg", "page": 2},
        ]
    )
    given["artifacts"] = {
        "documents/j/1.jpg": {"content_type": "image/jpeg", "content_base64": base64.b64encode(b"one").decode()}
    }
    assert list(pictures(given)) == [Picture(1, ".jpg", b"one")]
    assert list(pictures(answer())) == []


def test_a_failure_is_its_code_and_message() -> None:
    assert failure({"error": {"code": "SOURCE_NOT_FOUND", "message": "there is no such file"}}) == (
        "SOURCE_NOT_FOUND: there is no such file"
    )
    assert failure({}) == "the host answered with something that is not a result"
