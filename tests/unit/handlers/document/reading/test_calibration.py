"""Confidences that are probabilities."""

from __future__ import annotations

from itertools import pairwise

import pytest

from handlers.document.engine import Line, Word
from handlers.document.reading.calibration import CALIBRATIONS, at, calibrated, points_for
from handlers.document.reading.gate import UNREADABLE_FROM, Evidence, badness, doubt_of

BOX = ((0.0, 0.0), (10.0, 0.0), (10.0, 5.0), (0.0, 5.0))
POINTS = ((0.5, 0.1), (0.8, 0.4), (0.9, 0.9))


@pytest.mark.parametrize(
    ("raw", "probability"), [(0.0, 0.1), (0.5, 0.1), (0.65, 0.25), (0.8, 0.4), (0.85, 0.65), (0.9, 0.9), (1.0, 0.9)]
)
def test_points_are_joined_by_straight_lines_and_held_at_the_ends(raw: float, probability: float) -> None:
    assert at(raw, POINTS) == pytest.approx(probability)


@pytest.mark.parametrize("model", CALIBRATIONS)
def test_a_map_never_falls_and_gives_probabilities(model: str) -> None:
    points = CALIBRATIONS[model]
    assert len(points) >= 3
    assert all(a[0] < b[0] and a[1] <= b[1] for a, b in pairwise(points))
    assert all(0 <= raw <= 1 and 0 <= probability <= 1 for raw, probability in points)


def test_the_map_is_that_of_the_recogniser_among_the_models() -> None:
    name = next(iter(CALIBRATIONS))
    assert points_for(("some detector", name, "a classifier")) is CALIBRATIONS[name]
    assert points_for(("a model that nobody measured",)) is None


def test_a_lines_confidence_is_that_of_its_words_by_their_length() -> None:
    line = calibrated(Line("abc d", 0.3, BOX, (Word("abc", BOX, 0.9), Word("d", BOX, 0.5))), POINTS)
    assert line.words is not None
    assert [word.confidence for word in line.words] == [pytest.approx(0.9), pytest.approx(0.1)]
    assert line.confidence == pytest.approx((3 * 0.9 + 0.1) / 4)


def test_a_word_without_a_confidence_has_its_lines() -> None:
    line = calibrated(Line("abc", 0.8, BOX, (Word("abc", BOX),)), POINTS)
    assert line.confidence == pytest.approx(0.4)
    assert calibrated(Line("abc", 0.8, BOX, ()), POINTS).confidence == pytest.approx(0.4)


def test_without_a_map_confidences_stay() -> None:
    line = Line("abc d", 0.7, BOX, (Word("abc", BOX, 0.7), Word("d", BOX, 0.7)))
    assert calibrated(line, None) == line


def test_doubt_counts_words_and_not_characters() -> None:
    words = (Word("a", BOX, 0.5), Word("very-long-word", BOX, 1.0))
    assert doubt_of([Line("a very-long-word", 0.9, BOX, words)]) == pytest.approx(0.25)
    assert doubt_of([Line("no words", 0.6, BOX, ())]) == pytest.approx(0.4)
    assert doubt_of([]) == 0.0


def test_a_page_is_the_worse_the_more_speaks_against_it() -> None:
    good = badness(Evidence(doubt=0.01, missed=0.0))
    assert good < 0.1
    assert badness(Evidence(doubt=0.5, missed=0.6)) > 0.9
    assert badness(Evidence(doubt=0.2, missed=0.0)) > good
    assert badness(Evidence(doubt=0.01, missed=0.8)) >= good


@pytest.mark.parametrize(
    ("doubt", "missed", "unreadable"), [(0.03, 0.0, False), (0.05, 0.4, False), (0.02, 1.0, True), (0.2, 0.0, True)]
)
def test_a_page_is_unreadable_by_what_was_read_of_it(doubt: float, missed: float, unreadable: bool) -> None:
    assert (badness(Evidence(doubt, missed)) >= UNREADABLE_FROM) == unreadable
