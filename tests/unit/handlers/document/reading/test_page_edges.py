"""A sheet in a photo is found and made flat; a scan is left as it is."""

from __future__ import annotations

import numpy as np
import pytest

from handlers.document.reading.ink import ink_of
from handlers.document.reading.page_edges import flattened, sheet_of
from handlers.document.reading.plane import given
from handlers.document.reading.skew import skew_of
from tests.unit.handlers.document.reading.synthetic import KINDS, letter, photographed, texture


@pytest.mark.parametrize("seed", range(4))
def test_a_photographed_sheet_becomes_a_straight_rectangle(seed: int) -> None:
    photo, corners = photographed(letter(seed), seed)
    sheet = sheet_of(ink_of(photo))
    assert sheet is not None
    assert np.abs(sheet.corners - corners).max() < 10
    flat = flattened(given(photo), sheet)
    skew = skew_of(ink_of(flat.pixels))
    assert skew is not None
    assert abs(skew.degrees) < 0.3


@pytest.mark.parametrize("kind", KINDS)
def test_a_scan_is_no_photo_of_a_sheet(kind: str) -> None:
    assert sheet_of(ink_of(KINDS[kind](5))) is None


def test_a_sheet_that_lies_straight_needs_no_new_drawing() -> None:
    photo, _ = photographed(letter(1), 1, spread=0.0)
    assert sheet_of(ink_of(photo)) is None


def test_texture_has_no_sheet() -> None:
    assert sheet_of(ink_of(texture(1))) is None


def test_a_slanted_figure_on_a_page_is_not_taken_for_the_page() -> None:
    page = letter(2)
    figure, _ = photographed(np.full((700, 900, 3), 250, np.uint8), 3)
    page[500 : 500 + 1100, 10 : 10 + 1220] = figure[:, :1220]
    assert sheet_of(ink_of(page)) is None
