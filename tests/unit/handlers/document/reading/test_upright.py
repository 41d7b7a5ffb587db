"""A page ends up the right way up, whatever its classifier says, with as few readings as will do."""

from __future__ import annotations

import numpy as np
import pytest

from handlers.document.engine import Turn
from handlers.document.reading.records import ReadingOptions
from handlers.document.reading.whole import read_whole
from handlers.document.warnings import WarningCode
from tests.unit.handlers.document.reading.scripted import ReadsWhatStands, marked
from tests.unit.handlers.document.reading.synthetic import letter

ANGLES = {0: 0.0, 1: 90.0, 2: 180.0, 3: -90.0}


@pytest.mark.parametrize("quarters", range(4))
def test_a_page_that_the_classifier_knows_is_read_once(quarters: int) -> None:
    page = np.ascontiguousarray(np.rot90(marked(letter(1)), -quarters))
    engine = ReadsWhatStands(Turn((0, 90, 180, 270)[quarters], 0.99))
    reading = read_whole(engine, page, ReadingOptions())
    assert reading.text.angle == pytest.approx(ANGLES[quarters], abs=0.05)
    assert len(engine.read_pages) == 1
    assert not reading.text.orientation_unsure


@pytest.mark.parametrize("quarters", range(4))
@pytest.mark.parametrize("says", [Turn(0, 0.99), Turn(90, 0.99), Turn(180, 0.99), Turn(270, 0.99), Turn(0, 0.0)])
def test_no_page_is_turned_wrong_by_what_the_classifier_says(quarters: int, says: Turn) -> None:
    page = np.ascontiguousarray(np.rot90(marked(letter(1)[:600, :600]), -quarters))
    reading = read_whole(ReadsWhatStands(says), page, ReadingOptions())
    assert reading.text.angle == pytest.approx(ANGLES[quarters], abs=0.1)


def test_the_other_way_up_is_tried_on_a_band_only() -> None:
    """The band has no blue corner, so nothing is read in it, and the page is not read again."""
    engine = ReadsWhatStands(Turn(0, 0.99), upright=0.7)
    page = marked(letter(1))
    reading = read_whole(engine, page, ReadingOptions(enhance=False))
    whole, band = engine.read_pages
    assert band[0] < 0.25 * whole[0]
    assert reading.text.angle == 0.0


def test_what_nothing_bears_out_is_told() -> None:
    engine = ReadsWhatStands(Turn(0, 0.3), upright=0.6, upside_down=0.59)
    reading = read_whole(engine, marked(letter(1)), ReadingOptions(enhance=False))
    assert reading.text.orientation_unsure
    assert WarningCode.ORIENTATION_UNSURE in {warning.code for warning in reading.warnings}


def test_without_orient_nobody_is_asked() -> None:
    engine = ReadsWhatStands(Turn(180, 0.99))
    reading = read_whole(engine, marked(letter(1)), ReadingOptions(orient=False))
    assert engine.asked == 0
    assert len(engine.read_pages) == 1
    assert reading.text.angle == 0.0
