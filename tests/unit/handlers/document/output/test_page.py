from __future__ import annotations

import pytest

from handlers.document.engine import Quad
from handlers.document.output.page import PlacedPage, Turn, clean
from tests.support.printed import box, piece, with_words
from tests.support.records import UNUSUAL, printed_page, record, unusual_page


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\ud800b", "ab"),
        ("a\x00b\x1b", "ab"),
        ("a\tb\nc\x0cd\u2029e\x85f", "a b c d e f"),
        ("\ufffe\uffff\ufdd0x", "x"),
        ("\u202eabc\u202c\u2066d\u2069", "abcd"),
        ("  kept inside  ", "kept inside"),
        ("\u200f\u05d0\u00ad", "\u200f\u05d0\u00ad"),
        ("\U0001f600", "\U0001f600"),
        ("\x01", ""),
    ],
)
def test_text_is_left_as_it_is_but_for_what_formats_cannot_hold(text: str, expected: str) -> None:
    assert clean(text) == expected


def test_a_line_without_text_that_can_be_written_is_left_out() -> None:
    assert len(PlacedPage(unusual_page(1)).lines) == len(UNUSUAL) - 1


def test_words_are_found_where_they_stand_in_the_text() -> None:
    for line in PlacedPage(printed_page(3)).lines:
        assert [word.text for word in line.words] == line.text.split()
        assert all(line.text[word.start : word.end] == word.text for word in line.words)


def test_words_of_text_without_spaces_follow_each_other() -> None:
    line = with_words(piece("\u7b2c \u4e00", 0, 0, width=90))
    (placed,) = PlacedPage(record(1, [type(line)("\u7b2c\u4e00", 1.0, line.polygon, line.words)])).lines

    assert [(word.text, word.start) for word in placed.words] == [("\u7b2c", 0), ("\u4e00", 1)]


def test_words_that_are_not_known_have_their_share_of_the_line() -> None:
    (line,) = PlacedPage(record(1, [piece("ab cdef g", 100, 50, width=900)])).lines

    assert [(word.text, word.polygon[0][0], word.polygon[1][0]) for word in line.words] == [
        ("ab", 100, pytest.approx(300)),
        ("cdef", pytest.approx(400), pytest.approx(800)),
        ("g", pytest.approx(900), 1_000),
    ]
    assert {word.confidence for word in line.words} == {0.95}


def test_words_that_do_not_make_up_the_text_are_not_taken() -> None:
    line = with_words(piece("some words here", 0, 0))
    cut = type(line)(line.text, line.confidence, line.polygon, (line.words or ())[:2])

    assert [word.text for word in PlacedPage(record(1, [cut])).lines[0].words] == ["some", "words", "here"]


@pytest.mark.parametrize("degrees", [0, 90, 180, -90, 1.5, 88.0, -179.5])
def test_what_is_turned_upright_is_turned_back(degrees: float) -> None:
    turn = Turn(degrees, 300, 200)
    polygon = box(10, 20, 50, 15)

    assert near(turn.back(turn.upright(polygon)), polygon)


def near(found: Quad, expected: Quad) -> bool:
    return all(a == pytest.approx(b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize(
    ("degrees", "expected"),
    [
        (0, (10, 20)),
        (90, (20, 290)),
        (180, (290, 180)),
        (-90, (180, 10)),
    ],
)
def test_a_corner_of_a_page_on_its_side_goes_where_it_belongs(degrees: float, expected: tuple[float, float]) -> None:
    """The page is 300 x 200; content that is turned clockwise by 90 degrees stands upright after the opposite turn."""
    turn = Turn(degrees, 300, 200)

    assert turn.upright(box(10, 20, 1, 1))[0] == pytest.approx(expected)
    assert (turn.width, turn.height) == ((300, 200) if degrees in {0, 180} else (200, 300))


@pytest.mark.parametrize("degrees", [90, 180, -90, 3])
def test_blocks_of_a_turned_page_are_those_of_the_upright_one(degrees: float) -> None:
    upright = printed_page(4)
    turn = Turn(degrees, upright.width, upright.height)
    placed = PlacedPage(upright)
    sideways = Turn(-degrees, turn.width, turn.height)
    lines = [
        line.model_copy(update={"polygon": [v for p in sideways.upright(found.polygon) for v in p]})
        for line, found in zip(upright.lines, placed.lines, strict=True)
    ]
    size = {"width": turn.width, "height": turn.height}

    turned = PlacedPage(upright.model_copy(update={"lines": lines, "angle": float(degrees), **size}))

    assert turned.blocks == placed.blocks
    for block in placed.blocks:
        assert near(sideways.upright(placed.around(block.lines)), turned.around(block.lines))
