from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest

from handlers.document.engine import Line
from handlers.document.pdf.glyphs import Glyph
from handlers.document.pdf.text_layer import span_of, text_lines

SIDE = 1_000.0


def glyph(text: str, x: float, y: float, *, width: float = 6, height: float = 12, **others: Any) -> Glyph:
    """``x`` and ``y`` are the upper left of an upright character."""
    made = Glyph(text, x, y, x + width, y + height, 0.0, 10.0, False, False, False, False)
    return made._replace(**others)


def typed(text: str, x: float = 100, y: float = 100, **others: float) -> Iterator[Glyph]:
    """Characters side by side; a space is 3 wide and generated, a line end goes to the next line."""
    left = x
    for character in text:
        if character == "\n":
            yield glyph("\r", x, y, width=0, generated=True)
            yield glyph("\n", x, y, width=0, generated=True)
            x, y = left, y + 20
        else:
            yield glyph(character, x, y, generated=character == " ", **others)
            x += 3 if character == " " else others.get("width", 6)


def lines(*glyphs: Glyph) -> tuple[Line, ...]:
    return text_lines(glyphs, SIDE, SIDE, 1.0)


def texts(*glyphs: Glyph) -> list[str]:
    return [line.text for line in lines(*glyphs)]


def words(*glyphs: Glyph) -> list[str]:
    return [word.text for line in lines(*glyphs) for word in line.words or ()]


def test_words_end_at_spaces_and_lines_at_line_ends() -> None:
    found = lines(*typed("to be or\nnot to"))

    assert [line.text for line in found] == ["to be or", "not to"]
    of_first = list(found[0].words or ())
    assert [word.text for word in of_first] == ["to", "be", "or"]
    assert list(found[0].polygon) == [(100, 100), (142, 100), (142, 112), (100, 112)]
    assert of_first[1].polygon == ((115, 100), (127, 100), (127, 112), (115, 112))


def test_lines_are_in_the_order_of_reading_and_not_of_the_file() -> None:
    assert texts(*typed("second\n", y=140), *typed("first", y=100)) == ["first", "second"]


def test_a_gap_without_a_space_ends_a_word() -> None:
    assert words(*typed("total", x=100), *typed("12", x=134)) == ["total", "12"]


def test_letters_that_are_set_apart_by_less_are_one_word() -> None:
    assert words(glyph("a", 100, 100), glyph("b", 108, 100), glyph("c", 116, 100)) == ["abc"]


def test_a_superscript_is_of_its_line() -> None:
    assert texts(glyph("m", 100, 100), glyph("2", 106, 97, height=8), glyph("s", 112, 100)) == ["m2s"]


@pytest.mark.parametrize("hyphen", ["\x02", "\ufffe"])
def test_a_hyphen_at_the_end_of_a_line_is_seen(hyphen: str) -> None:
    found = texts(*typed("exam"), glyph(hyphen, 124, 100, hyphen=True), *typed("ple", y=120))

    assert found == ["exam-", "ple"]


def test_a_soft_hyphen_is_seen_at_the_end_alone() -> None:
    assert texts(*typed("in\u00advisi\u00ad")) == ["invisi-"]


def test_ligatures_are_letters() -> None:
    assert texts(*typed("o\ufb03ce \ufb01t")) == ["office fit"]


def test_control_characters_and_halves_of_pairs_are_no_text() -> None:
    assert texts(*typed("a\x07b\ud800c\tc")) == ["a b c c"]


def test_characters_outside_of_the_page_are_left_out() -> None:
    assert texts(*typed("in"), *typed("out", x=1_200), *typed("side", y=-50)) == ["in"]


def test_polygons_stay_on_the_page() -> None:
    (line,) = lines(*typed("edge", x=985, width=8))

    assert all(0 <= x <= SIDE and 0 <= y <= SIDE for x, y in line.polygon)


def test_text_from_right_to_left_is_whole() -> None:
    word = [glyph(character, 200 - 6 * n, 100) for n, character in enumerate("שלום")]

    assert words(*word) == ["שלום"]


@pytest.mark.parametrize("angle", [0, 90, 180, 270, 10, -20, 33, 45, 60, 135, 200, 300])
def test_the_rectangle_of_a_turned_character_is_found_from_the_one_around_it(angle: float) -> None:
    c, s = abs(math.cos(math.radians(angle))), abs(math.sin(math.radians(angle)))
    across, down = 6 * c + 12 * s, 6 * s + 12 * c
    turned = glyph("x", 500 - across / 2, 500 - down / 2, angle=angle % 360)

    span = span_of(turned._replace(right=500 + across / 2, bottom=500 + down / 2))

    assert span.end - span.start == pytest.approx(6, abs=0.01)
    assert span.height == pytest.approx(12, abs=0.01)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_page_whose_text_is_turned_is_read_as_it_stands(turns: int) -> None:
    upright = [*typed("one two\nthree", x=200, y=300)]
    found = lines(*(_turned(one, turns) for one in upright))

    assert [line.text for line in found] == ["one two", "three"]
    (ax, ay), (bx, by), *_ = found[0].polygon
    assert (round(bx - ax), round(by - ay)) == {1: (0, 39), 2: (-39, 0), 3: (0, -39)}[turns]


def _turned(one: Glyph, turns: int) -> Glyph:
    left, top, right, bottom = one.left, one.top, one.right, one.bottom
    for _ in range(turns):
        left, top, right, bottom = SIDE - bottom, left, SIDE - top, right
    return one._replace(left=left, top=top, right=right, bottom=bottom, angle=(one.angle + 90.0 * turns) % 360)
