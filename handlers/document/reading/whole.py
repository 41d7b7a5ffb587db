"""A page's pixels in, its text out: straightened, turned upright, read, and put back where it stood."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from handlers.document.engine import PageText, read_page, sure_characters
from handlers.document.layout import ordered
from handlers.document.reading.calibration import calibrated, points_for
from handlers.document.reading.cautions import cautions
from handlers.document.reading.coverage import missed_share
from handlers.document.reading.enhance import changes_for, enhanced
from handlers.document.reading.gate import UNREADABLE_FROM, Evidence, badness, doubt_of
from handlers.document.reading.ink import Ink, ink_of
from handlers.document.reading.orientation import Orientation, orientation_of
from handlers.document.reading.page_edges import Sheet, flattened, sheet_of
from handlers.document.reading.plane import Plane, angle_of, given, line_back, rotated_back
from handlers.document.reading.punctuation import closed_up
from handlers.document.reading.quality import quality_of
from handlers.document.reading.records import PageQuality, PageReading, ReadingOptions
from handlers.document.reading.skew import Skew, skew_of
from handlers.document.reading.upright import Reading, read_turned, read_upright
from handlers.document.warnings import PageWarning, WarningCode

if TYPE_CHECKING:
    from handlers.document.engine import OcrEngine, Page

LEAST_SKEW = 0.3
"""Degrees from which a page is straightened. Less is measured, told, and left: it changes nothing that is read."""

NO_SKEW = 0.04
"""Degrees below which a page is straight: it cannot be measured more exactly."""

LOW_CONFIDENCE = 0.85
"""The mean confidence of words below which a reader is warned, and a page is worth a second try."""

PARTLY_READ = 0.35
"""The share of what looks like letters that may be left unread."""

LEAST_PRINT = 30
"""Marks like letters, in rows, from which a page on which nothing was read has print. Fewer are specks."""


@dataclass(frozen=True, slots=True)
class _Sight:
    """A page before it is read. ``flat`` is the page or the sheet that it shows, ``straight`` that without its skew."""

    flat: Plane
    ink: Ink
    sheet: Sheet | None
    skew: Skew | None
    straight: Plane


def read_whole(engine: OcrEngine, pixels: Page, options: ReadingOptions, dpi: float | None = None) -> PageReading:
    """Read a page, HxWx3 uint8 BGR, that may stand in any way, be askew or photographed.

    ``dpi`` is that of ``pixels``, where it is known. Raises as :class:`handlers.document.engine.OcrEngine` does.
    """
    return read_with_evidence(engine, pixels, options, dpi)[0]


def read_with_evidence(
    engine: OcrEngine, pixels: Page, options: ReadingOptions, dpi: float | None = None
) -> tuple[PageReading, Evidence]:
    """As :func:`read_whole`, with what its verdict on the page rests on."""
    sight = _seen(pixels, options)
    orientation = orientation_of(engine, sight.ink, sight.skew) if options.orient else Orientation(0, True, None)
    if options.orient:
        reading = read_upright(engine, sight.straight, orientation)
    else:
        reading = read_turned(engine, sight.straight, 0)
    quality = quality_of(sight.flat.pixels, sight.ink, runs_down=reading.quarters % 2 == 1)
    unread = not reading.text.lines and (reading.text.pieces > 0 or _has_print(sight))
    reading, enhancement = _second_try(engine, reading, quality, options, unread)
    text = _on_given_page(reading, sight, pixels)
    evidence = Evidence(doubt_of(text.lines), missed_share(sight.ink, sight.flat, text.lines))
    warnings = [
        *_outcome(text, evidence, unread),
        *_changes(reading, sight, text),
        *enhancement,
        *cautions(quality, dpi),
    ]
    return PageReading(text, quality, tuple(sorted(warnings, key=_place))), evidence


def _has_print(sight: _Sight) -> bool:
    """Whether the page shows print, whatever is read of it: texture and pictures have no rows."""
    return len(sight.ink.boxes) >= LEAST_PRINT and missed_share(sight.ink, sight.flat, ()) > PARTLY_READ


def _place(warning: PageWarning) -> int:
    return list(WarningCode).index(WarningCode(warning.code))


def _seen(pixels: Page, options: ReadingOptions) -> _Sight:
    flat = given(pixels)
    ink = ink_of(pixels)
    sheet = sheet_of(ink) if options.straighten else None
    if sheet is not None:
        flat = flattened(flat, sheet)
        ink = ink_of(flat.pixels)
    skew = skew_of(ink)
    turned = options.straighten and skew is not None and abs(skew.degrees) >= LEAST_SKEW
    straight = rotated_back(flat, skew.degrees) if turned and skew is not None else flat
    return _Sight(flat, ink, sheet, skew, straight)


def _second_try(
    engine: OcrEngine, reading: Reading, quality: PageQuality, options: ReadingOptions, unread: bool
) -> tuple[Reading, Sequence[PageWarning]]:
    """The better of a bad reading and one of the page enhanced, and what was done. ``unread``: the page has print, or
    the engine saw some, and nothing of it was read."""
    points = points_for(reading.text.models)
    before = tuple(calibrated(line, points) for line in reading.text.lines)
    if not options.enhance or not (unread or (before and 1 - doubt_of(before) < LOW_CONFIDENCE)):
        return reading, ()
    changes = changes_for(quality)
    if not changes:
        return reading, ()
    plane = enhanced(reading.plane, changes, quality)
    again = replace(reading, plane=plane, text=read_page(engine, plane.pixels))
    after = tuple(calibrated(line, points) for line in again.text.lines)
    better = sure_characters(after) > sure_characters(before)
    code = WarningCode.ENHANCED if better else WarningCode.ENHANCEMENT_REVERTED
    return (again if better else reading), [PageWarning(code, ", ".join(changes))]


def _on_given_page(reading: Reading, sight: _Sight, pixels: Page) -> PageText:
    height, width = int(pixels.shape[0]), int(pixels.shape[1])
    plane, text = reading.plane, reading.text
    points = points_for(text.models)
    lines = ordered(closed_up([calibrated(line, points) for line in text.lines]), plane.width, plane.height)
    return replace(
        text,
        lines=tuple(line_back(line, plane.back, width, height) for line in lines),
        width=width,
        height=height,
        angle=_angle(reading, sight) if lines else 0.0,
        orientation_unsure=reading.unsure and bool(lines),
    )


def _angle(reading: Reading, sight: _Sight) -> float:
    """That of the plane that was read, and what skew was left in it."""
    plane = reading.plane
    angle = angle_of(plane.back, plane.width, plane.height)
    if sight.skew is not None and sight.straight is sight.flat and abs(sight.skew.degrees) >= NO_SKEW:
        angle += sight.skew.degrees
    return round(angle + 360.0 if angle <= -180.0 else angle - 360.0 if angle > 180.0 else angle, 3)


def _outcome(text: PageText, evidence: Evidence, unread: bool) -> Iterator[PageWarning]:
    """``unread`` as in :func:`_second_try`: then what gave nothing cannot be read, whatever it looks like."""
    if not text.lines and not unread:
        yield PageWarning(WarningCode.NO_TEXT)
        return
    bad = badness(evidence)
    if not text.lines or bad >= UNREADABLE_FROM:
        yield PageWarning(WarningCode.UNREADABLE, round(bad, 3) if text.lines else 1.0)
    if 1 - evidence.doubt < LOW_CONFIDENCE:
        yield PageWarning(WarningCode.LOW_CONFIDENCE, round(1 - evidence.doubt, 3))
    if evidence.missed > PARTLY_READ:
        yield PageWarning(WarningCode.PARTLY_READ, round(evidence.missed, 3))


def _changes(reading: Reading, sight: _Sight, text: PageText) -> Iterator[PageWarning]:
    if text.orientation_unsure:
        yield PageWarning(WarningCode.ORIENTATION_UNSURE, 90.0 * reading.quarters)
    if sight.straight is not sight.flat and sight.skew is not None:
        yield PageWarning(WarningCode.SKEW_CORRECTED, round(sight.skew.degrees, 2))
    if sight.sheet is not None:
        yield PageWarning(WarningCode.PERSPECTIVE_CORRECTED, round(sight.sheet.tilt, 1))
