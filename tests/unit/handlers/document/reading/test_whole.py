"""A page from pixels to text: positions on the page as it was given, what was done to it, and what to beware of."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from handlers.document.engine import PageText, Turn
from handlers.document.reading.enhance import changes_for, enhanced
from handlers.document.reading.ink import ink_of
from handlers.document.reading.plane import given
from handlers.document.reading.quality import quality_of
from handlers.document.reading.records import PageReading, ReadingOptions
from handlers.document.reading.whole import read_whole
from handlers.document.warnings import WarningCode
from testing.ocr_engines import ReadsNothing, ReadsText, Upright, scripted
from tests.unit.handlers.document.reading.scripted import BLUE, ReadsWhatStands, marked
from tests.unit.handlers.document.reading.synthetic import letter, photographed, texture, turned

if TYPE_CHECKING:
    from handlers.document.engine import Page

LINES = ("a first line", "the second one", "and a third")


def codes(reading: PageReading) -> dict[str, float | str | None]:
    return {warning.code: warning.value for warning in reading.warnings}


class ReadsBlue(Upright):
    """Reads one word, where the page is blue."""

    def read(self, page: Page) -> PageText:
        blue = ((page.astype(np.int16) @ np.array([1, -1, -1])) > 100).astype(np.uint8)
        x, y, width, height = cv2.boundingRect(blue)
        read = scripted(page, ("blue",))
        corners = ((x, y), (x + width, y), (x + width, y + height), (x, y + height))
        box = tuple((float(a), float(b)) for a, b in corners)
        line = replace(read.lines[0], polygon=box)  # type: ignore[arg-type]
        return replace(read, lines=(line,))


def with_blue(page: Page) -> tuple[Page, tuple[float, float]]:
    """A blue box on the page, and its middle."""
    page = page.copy()
    page[1600:1640, 500:700] = BLUE
    return page, (600.0, 1620.0)


@pytest.mark.parametrize("degrees", [0.0, 0.2, 4.0, -13.0])
def test_positions_are_those_of_the_given_page(degrees: float) -> None:
    page, _ = with_blue(letter(1))
    page = turned(page, degrees)
    reading = read_whole(ReadsBlue(), page, ReadingOptions())
    middle = np.array(reading.text.lines[0].polygon).mean(axis=0)
    blue = np.argwhere((page.astype(np.int16) @ np.array([1, -1, -1])) > 100)[:, ::-1].mean(axis=0) + 0.5
    assert np.abs(middle - blue).max() < 1.5
    assert reading.text.angle == pytest.approx(degrees, abs=0.1)
    assert (WarningCode.SKEW_CORRECTED in codes(reading)) == (abs(degrees) > 0.3)
    assert (reading.text.width, reading.text.height) == (page.shape[1], page.shape[0])


def test_positions_on_a_photographed_sheet_are_those_of_the_photo() -> None:
    page, (x, y) = with_blue(letter(1))
    height, width = page.shape[:2]
    photo, corners = photographed(page, 1)
    flat = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    expected = cv2.perspectiveTransform(np.array([[[x, y]]]), cv2.getPerspectiveTransform(flat, corners))[0, 0]
    reading = read_whole(ReadsBlue(), photo, ReadingOptions())
    assert np.abs(np.array(reading.text.lines[0].polygon).mean(axis=0) - expected).max() < 4
    assert WarningCode.PERSPECTIVE_CORRECTED in codes(reading)


def test_lines_come_in_reading_order_of_the_straightened_page() -> None:
    class Shuffled(ReadsText):
        def read(self, page: Page) -> PageText:
            read = super().read(page)
            return replace(read, lines=read.lines[::-1])

    reading = read_whole(Shuffled(LINES), turned(letter(2), 9.0), ReadingOptions())
    assert tuple(line.text for line in reading.text.lines) == LINES


@pytest.mark.parametrize("page", [np.full((900, 700, 3), 230, np.uint8), texture(1)], ids=["blank", "texture"])
def test_a_page_without_text_says_so_and_has_no_angle(page: Page) -> None:
    reading = read_whole(ReadsNothing(), page, ReadingOptions())
    assert WarningCode.NO_TEXT in codes(reading)
    assert reading.text.angle == 0.0
    assert not {WarningCode.LOW_CONFIDENCE, WarningCode.UNREADABLE} & set(codes(reading))


def test_print_of_which_nothing_is_read_is_unreadable() -> None:
    reading = read_whole(ReadsNothing(), turned(letter(1), 5.0), ReadingOptions())
    assert {WarningCode.UNREADABLE, WarningCode.PARTLY_READ} <= set(codes(reading))
    assert WarningCode.NO_TEXT not in codes(reading)
    assert reading.text.angle == 0.0


def test_text_that_the_engine_saw_and_could_not_read_is_unreadable() -> None:
    class SeesSome(Upright):
        def read(self, page: Page) -> PageText:
            return replace(scripted(page, ()), pieces=1)

    found = codes(read_whole(SeesSome(), texture(1), ReadingOptions()))

    assert found[WarningCode.UNREADABLE] == 1.0
    assert WarningCode.NO_TEXT not in found


def test_print_of_which_nothing_is_read_is_tried_again_enhanced() -> None:
    class ReadsStrongPrint(ReadsText):
        def read(self, page: Page) -> PageText:
            strong = int(page.max()) - int(page.min()) > 128
            return super().read(page) if strong else scripted(page, ())

    faint = np.asarray(255 - (255 - letter(1)) * 0.2, np.uint8)
    reading = read_whole(ReadsStrongPrint(LINES), faint, ReadingOptions())
    assert codes(reading)[WarningCode.ENHANCED] == "light"
    assert tuple(line.text for line in reading.text.lines) == LINES


def test_without_straighten_skew_stays_and_is_measured() -> None:
    page = turned(letter(1), 5.0)
    engine = ReadsText(LINES)
    reading = read_whole(engine, page, ReadingOptions(straighten=False))
    assert engine.pages == [page.shape]
    assert reading.text.angle == pytest.approx(5.0, abs=0.1)


def test_warnings_come_in_the_lists_order_and_once_each() -> None:
    soft = np.asarray(cv2.GaussianBlur(turned(letter(1), 7.0), (0, 0), 4) * 0.3, np.uint8)
    reading = read_whole(ReadsText(LINES, confidence=0.4), soft, ReadingOptions())
    places = [list(WarningCode).index(WarningCode(warning.code)) for warning in reading.warnings]
    assert places == sorted(set(places))
    assert {WarningCode.UNREADABLE, WarningCode.SKEW_CORRECTED, WarningCode.BLURRED} <= set(codes(reading))


def test_a_good_reading_is_the_only_one() -> None:
    engine = ReadsText(LINES, confidence=0.95)
    faint = np.asarray(255 - (255 - letter(1)) * 0.2, np.uint8)
    read_whole(engine, faint, ReadingOptions())
    assert len(engine.pages) == 1


class ReadsByContrast(Upright):
    """Sure of itself as the page's contrast is, or the less so the more there is."""

    def __init__(self, likes_contrast: bool) -> None:
        self._likes_contrast = likes_contrast
        self.calls = 0

    def read(self, page: Page) -> PageText:
        self.calls += 1
        strong = int(page.max()) - int(page.min()) > 128
        return scripted(page, LINES, 0.8 if strong == self._likes_contrast else 0.5)


@pytest.mark.parametrize(("likes", "code"), [(True, "ENHANCED"), (False, "ENHANCEMENT_REVERTED")])
def test_a_change_that_lowers_confidence_is_reverted_and_told(likes: bool, code: str) -> None:
    faint = np.asarray(255 - (255 - letter(1)) * 0.2, np.uint8)
    reading = read_whole(ReadsByContrast(likes), faint, ReadingOptions(orient=False))
    assert codes(reading)[code] == "light"
    assert reading.text.lines[0].confidence == 0.8


def test_without_enhance_a_bad_page_is_read_once() -> None:
    engine = ReadsByContrast(likes_contrast=True)
    faint = np.asarray(255 - (255 - letter(1)) * 0.2, np.uint8)
    read_whole(engine, faint, ReadingOptions(orient=False, enhance=False))
    assert engine.calls == 1


def test_each_change_does_what_it_is_for() -> None:
    shadow = letter(1) * np.linspace(1.0, 0.3, 1240)[None, :, None]
    spoilt = {
        "light": np.asarray(shadow, np.uint8),
        "noise": np.asarray(
            np.clip(letter(1) * 0.6 + np.random.default_rng(1).normal(50, 25, (1754, 1240, 1)), 0, 255), np.uint8
        ),
        "size": np.asarray(cv2.resize(letter(1), None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA), np.uint8),
        "sharpness": np.asarray(cv2.GaussianBlur(letter(1), (0, 0), 3.5), np.uint8),
    }
    for change, page in spoilt.items():
        before = quality_of(page, ink_of(page), runs_down=False)
        assert change in changes_for(before)
        better = enhanced(given(page), (change,), before).pixels
        after = quality_of(better, ink_of(better), runs_down=False)
        gained = {
            "light": before.shading - after.shading,
            "noise": before.noise - after.noise,
            "size": (after.text_height or 0) - (before.text_height or 0),
            "sharpness": (before.blur or 0) - (after.blur or 0),
        }
        assert gained[change] > 0, change
    good = letter(1)
    assert changes_for(quality_of(good, ink_of(good), runs_down=False)) == ()


def test_the_same_page_gives_the_same_reading_and_is_not_changed() -> None:
    page = turned(marked(letter(3)), 2.0)
    copy = page.copy()
    first = read_whole(ReadsWhatStands(Turn(0, 0.95)), page, ReadingOptions())
    assert first == read_whole(ReadsWhatStands(Turn(0, 0.95)), page, ReadingOptions())
    assert (page == copy).all()


@pytest.mark.parametrize("shape", [(1, 1), (2, 700), (30, 30), (3, 5000)])
def test_any_shape_can_be_read(shape: tuple[int, int]) -> None:
    reading = read_whole(ReadsText(("ab",)), np.full((*shape, 3), 200, np.uint8), ReadingOptions())
    assert reading.text.text == "ab"


def test_the_records_need_no_numpy() -> None:
    program = "import sys; import handlers.document.reading; sys.exit({'numpy', 'cv2'} & set(sys.modules) != set())"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
