from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from docker_worker.ocr.characters import Character
from docker_worker.ocr.words import extents, ink_columns, line_of, spaced
from handlers.document.engine import Line
from tests.support.networks import paper

BOX = np.array([[100, 50], [300, 50], [300, 70], [100, 70]], np.float32)


def characters(text: str, confidence: float = 0.9) -> list[Character]:
    return [Character(letter, (place + 0.5) / len(text), confidence) for place, letter in enumerate(text)]


def line(text: str, confidence: float = 0.9) -> Line:
    found = line_of(characters(text, confidence), paper(48, 200), BOX)
    assert found is not None
    return found


def words(text: str) -> list[str]:
    return [word.text for word in line(text).words or ()]


@pytest.mark.parametrize("text", ["", " ", "   "])
def test_blanks_alone_are_no_line(text: str) -> None:
    assert line_of(characters(text), paper(48, 200), BOX) is None


def test_words_part_at_blanks_and_the_text_keeps_one() -> None:
    read = line(" two  words, ")

    assert read.text == "two words,"
    assert [word.text for word in read.words or ()] == ["two", "words,"]


def test_hyphens_and_apostrophes_are_of_their_word() -> None:
    assert words("well-known don't re- lleg-") == ["well-known", "don't", "re-", "lleg-"]


def test_an_ideograph_or_kana_is_a_word_and_no_blank_is_put_between() -> None:
    read = line("第2章テスト ABC")

    assert read.text == "第2章テスト ABC"
    assert [word.text for word in read.words or ()] == ["第", "2", "章", "テ", "ス", "ト", "ABC"]


def test_ligatures_are_their_letters() -> None:
    assert line("e\ufb03cient \ufb01re").text == "efficient fire"


def test_full_width_forms_are_usual_ones_where_nothing_is_chinese() -> None:
    assert line("Total\uff1a 5\uff05").text == "Total: 5%"
    assert line("合計\uff1a5").text == "合計\uff1a5"


def test_a_word_is_as_sure_as_the_geometric_mean_of_its_characters() -> None:
    read = line_of([Character("a", 0.1, 1.0), Character("b", 0.3, 0.25), Character("c", 0.9, 0.7)], paper(48, 200), BOX)

    assert read is not None
    assert [word.confidence for word in read.words or ()] == [pytest.approx((0.25 * 0.7) ** (1 / 3))]
    assert read.confidence == pytest.approx((1.0 + 0.25 + 0.7) / 3)


def placed(*letters: tuple[str, int]) -> tuple[list[Character], np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """Characters of eight columns that begin at those of a crop of 200, and where their ink is."""
    ink = np.zeros(200, bool)
    for _, start in letters:
        ink[start : start + 8] = True
    return [Character(text, (start + 4) / 200, 0.9) for text, start in letters], ink


@pytest.mark.parametrize(
    ("letters", "text"),
    [
        ([("N", 0), ("o", 10), (".", 20), ("4", 40), ("5", 50)], "No. 45"),
        ([("I", 0), ("a", 20), ("m", 30), ("o", 40)], "I amo"),
        ([("w", 0), ("i", 20), ("d", 40), ("e", 60)], "wide"),
        ([("2", 0), ("1", 12), ("1", 26), ("7", 38)], "2117"),
        ([("a", 0), ("b", 15), ("c", 25)], "abc"),
        ([("第", 0), ("2", 40), ("章", 60)], "第2章"),
        ([("a", 0), (" ", 20), ("b", 40)], "a b"),
        ([("a", 0)], "a"),
        ([], ""),
    ],
)
def test_a_blank_is_put_where_the_ink_has_a_gap_as_between_words(letters: list[tuple[str, int]], text: str) -> None:
    characters, ink = placed(*letters)

    assert "".join(c.text for c in spaced(characters, ink)) == text


@pytest.mark.parametrize(
    ("start", "blank", "text"),
    [(14, 0.03, "abcde"), (14, 0.3, "abcd e"), (18, 0.03, "abcd e"), (18, 0.001, "abcde"), (26, 0.001, "abcd e")],
)
def test_the_surer_a_blank_is_the_narrower_its_gap_may_be(start: int, blank: float, text: str) -> None:
    characters, ink = placed(("a", 0), ("b", 10), ("c", 20), ("d", 30), ("e", 30 + start))
    characters[3] = replace(characters[3], blank=blank)

    assert "".join(c.text for c in spaced(characters, ink)) == text


def test_words_reach_as_far_as_their_ink() -> None:
    ink = np.zeros(100, bool)
    ink[5:40], ink[52:95] = True, True
    ink[20] = False

    assert extents([(0.1, 0.3), (0.6, 0.9)], ink) == [(0.05, 0.40), (0.52, 0.95)]


def test_words_without_a_gap_part_halfway() -> None:
    assert extents([(0.1, 0.3), (0.5, 0.9)], np.ones(100, bool)) == [(0.0, 0.4), (0.4, 1.0)]


def test_words_where_there_is_no_ink_are_where_they_were_read() -> None:
    assert extents([(0.1, 0.3)], np.zeros(100, bool)) == [(0.10, 0.31)]


@pytest.mark.parametrize(("ground", "print_"), [(255, 0), (0, 255), (200, 120)])
def test_ink_is_what_is_not_the_papers_grey(ground: int, print_: int) -> None:
    crop = np.full((48, 100, 3), ground, np.uint8)
    crop[10:40, 20:30] = print_
    crop[:3, 60:70] = print_

    assert np.flatnonzero(ink_columns(crop)).tolist() == list(range(20, 30))


def test_a_words_polygon_is_on_the_page_where_its_ink_is() -> None:
    crop = paper(48, 200)
    crop[20:30, 20:90] = 0
    crop[20:30, 110:180] = 0
    read = line_of([Character("a", 0.3, 0.9), Character(" ", 0.5, 0.9), Character("b", 0.7, 0.9)], crop, BOX)

    assert read is not None
    first, second = (word.polygon for word in read.words or ())
    assert np.array(first) == pytest.approx(np.array([[120, 50], [190, 50], [190, 70], [120, 70]]))
    assert np.array(second) == pytest.approx(np.array([[210, 50], [280, 50], [280, 70], [210, 70]]))
