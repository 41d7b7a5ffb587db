from __future__ import annotations

import random
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.document.engine import Line, Quad, Word
from handlers.document.layout import ordered


def piece(text: str, left: float, top: float, width: float = 100, height: float = 20, confidence: float = 1.0) -> Line:
    return Line(text, confidence, box(left, top, width, height))


def box(left: float, top: float, width: float, height: float) -> Quad:
    return ((left, top), (left + width, top), (left + width, top + height), (left, top + height))


def placed(pieces: Iterable[Line]) -> tuple[Line, ...]:
    return ordered(pieces, 1_000, 1_000)


def texts(*pieces: Line) -> list[str]:
    return [line.text for line in placed(pieces)]


def test_no_pieces_are_no_lines() -> None:
    assert placed([]) == ()


def test_lines_run_from_top_to_bottom() -> None:
    assert texts(piece("b", 0, 30), piece("a", 5, 0), piece("c", 0, 60)) == ["a", "b", "c"]


def test_close_pieces_of_a_row_become_one_line_from_left_to_right() -> None:
    assert texts(piece("line", 110, 0), piece("one", 0, 3), piece("two", 0, 40)) == ["one line", "two"]


def test_pieces_of_a_row_that_are_far_apart_stay_lines_of_their_own() -> None:
    assert texts(piece("41.20", 500, 0), piece("paper", 0, 2), piece("7.00", 500, 30), piece("wax", 0, 32)) == [
        "paper",
        "41.20",
        "wax",
        "7.00",
    ]


def test_a_row_is_kept_where_the_right_piece_is_a_little_higher() -> None:
    assert texts(piece("b", 500, 0), piece("a", 0, 8), piece("c", 0, 40)) == ["a", "b", "c"]


def test_lines_that_overlap_a_little_stay_two_rows() -> None:
    assert texts(piece("below", 0, 16), piece("above", 0, 0)) == ["above", "below"]


def test_pieces_over_each_other_are_never_one_row_however_much_they_overlap() -> None:
    assert texts(piece("a", 0, 0), piece("b", 0, 6)) == ["a", "b"]


def test_a_line_that_climbs_across_the_page_is_one_row() -> None:
    """Each piece is 300 wide and rises by 15, lines are 25 apart: the third of the lower row is above the first
    of the upper one."""

    def climbing(text: str, left: float, top: float) -> Line:
        return Line(text, 1.0, ((left, top), (left + 300, top - 15), (left + 300, top + 5), (left, top + 20)))

    upper = [climbing(f"a{n}", 310 * n, 100 - 15.5 * n) for n in range(3)]
    lower = [climbing(f"b{n}", 310 * n, 125 - 15.5 * n) for n in range(3)]

    assert texts(*lower, *upper) == ["a0 a1 a2", "b0 b1 b2"]


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_the_pieces_does_not_matter(seed: int) -> None:
    pieces = [piece(f"{row}-{column}", 300 * column, 30 * row) for row in range(6) for column in range(3)]
    shuffled = random.Random(seed).sample(pieces, len(pieces))

    assert placed(shuffled) == placed(pieces)
    assert [line.text for line in placed(shuffled)] == [line.text for line in pieces]


def test_a_joined_line_spans_its_pieces_and_weighs_their_confidence() -> None:
    left, right = piece("abc", 0, 0, confidence=1.0), piece("d", 110, 2, confidence=0.6)

    (line,) = placed([left, right])

    assert line.confidence == pytest.approx(0.9)
    assert line.polygon == ((0, 0), (210, 2), (210, 22), (0, 20))


def test_a_joined_line_knows_its_words_where_both_pieces_do() -> None:
    words = (Word("abc", box(0, 0, 100, 20)),)
    left, right = piece("abc", 0, 0), piece("d", 110, 2)
    both = (Line("abc", 1.0, left.polygon, words), Line("d", 0.6, right.polygon, words))

    assert placed(both)[0].words == words + words
    assert placed([both[0], right])[0].words is None


def test_a_piece_of_no_height_breaks_nothing() -> None:
    assert sorted(texts(piece("a", 0, 0, height=0), piece("b", 120, 0, width=0), piece("c", 0, 0, 0, 0))) == [
        "a",
        "b",
        "c",
    ]


places = st.floats(-5, 300, allow_nan=False, width=16)
pieces = st.builds(
    lambda text, x, y, width, height, lean: Line(
        text, 0.5, ((x, y), (x + width, y + lean), (x + width, y + lean + height), (x, y + height))
    ),
    st.text("ab1. ", min_size=1, max_size=8).filter(lambda text: bool(text.strip())),
    places,
    places,
    st.floats(0, 120, width=16),
    st.floats(0, 30, width=16),
    st.floats(-4, 4, width=16),
)


@given(st.lists(pieces, max_size=40), st.randoms(use_true_random=False))
@settings(max_examples=80, deadline=None)
def test_pieces_wherever_they_stand_give_the_same_in_any_order_and_each_is_there_once(
    given_pieces: list[Line], chooser: random.Random
) -> None:
    shuffled = chooser.sample(given_pieces, len(given_pieces))

    found = ordered(given_pieces, 300, 300)

    assert ordered(shuffled, 300, 300) == found
    assert sorted(" ".join(line.text for line in found).split()) == sorted(
        " ".join(line.text for line in given_pieces).split()
    )
