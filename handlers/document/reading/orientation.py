"""Which way up a page stands: what the engine's classifier says, held against the direction of the lines.

The classifier sees the page straightened, reduced and grey: on generated and scanned pages of all kinds and skews it
is then surer than of the page itself. Where it is unsure, or says that lines run up or down that run across, it is
asked again of the page in all four positions and of the print alone, and the answers are added up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from handlers.document.reading.plane import given, rotated_back

if TYPE_CHECKING:
    import numpy.typing as npt

    from handlers.document.engine import OcrEngine, Page
    from handlers.document.reading.ink import Ink
    from handlers.document.reading.skew import Skew

SURE = 0.9
"""The classifier's confidence from which it is believed: no page of some 400 was wrong with more, and 2 with less."""

PLAIN_LINES = 0.25
"""Below this share of letters with a neighbour beside them lines run up or down, above the rest of it across."""

_LEAST_VIEW = 32
_MOST_ASPECT = 20
_STRAIGHTENED_FROM = 0.5


@dataclass(frozen=True, slots=True)
class Orientation:
    """``quarters`` is how many quarters of a circle the page is turned clockwise, to be turned back; ``sure`` that the
    classifier had no doubt. ``across`` says whether lines run across the page as it is (``False``: up or down),
    ``None`` where the print does not tell."""

    quarters: int
    sure: bool
    across: bool | None


def orientation_of(engine: OcrEngine, ink: Ink, skew: Skew | None) -> Orientation:
    """Raises as :meth:`handlers.document.engine.OcrEngine.turn` does."""
    across = _across(skew)
    view = _straight_view(ink, skew)
    if not _can_be_seen(view):
        return Orientation(int(across is False), sure=False, across=across)
    turn = engine.turn(view)
    quarters = turn.degrees // 90
    if turn.confidence >= SURE and _agree(quarters, across):
        return Orientation(quarters, sure=True, across=across)
    votes = np.zeros(4)
    for shown in (view, _print_alone(view, ink)):
        votes += _asked_all_round(engine, shown)
    votes[[not _agree(quarters, across) for quarters in range(4)]] = -1.0
    return Orientation(int(np.argmax(votes)), sure=False, across=across)


def _across(skew: Skew | None) -> bool | None:
    if skew is None or PLAIN_LINES <= skew.beside <= 1 - PLAIN_LINES:
        return None
    return skew.beside > 0.5


def _agree(quarters: int, across: bool | None) -> bool:
    return across is None or (quarters % 2 == 0) == across


def _straight_view(ink: Ink, skew: Skew | None) -> Page:
    view = np.asarray(cv2.cvtColor(ink.grey, cv2.COLOR_GRAY2BGR), np.uint8)
    if skew is None or abs(skew.degrees) < _STRAIGHTENED_FROM:
        return view
    return rotated_back(given(view), skew.degrees).pixels


def _can_be_seen(view: Page) -> bool:
    """A classifier scales the shorter side to its own, so a long strip would become gigabytes."""
    shorter, longer = sorted(view.shape[:2])
    return bool(shorter >= _LEAST_VIEW and longer <= _MOST_ASPECT * shorter)


def _print_alone(view: Page, ink: Ink) -> Page:
    """The middle part of the view, as large as what holds the letters: a page of one line is mostly white."""
    if not len(ink.boxes):
        return view
    low, high = ink.boxes[:, :2].min(axis=0), (ink.boxes[:, :2] + ink.boxes[:, 2:4]).max(axis=0)
    offset = (np.array(view.shape[1::-1]) - np.array(ink.grey.shape[::-1])) // 2
    room = max(_LEAST_VIEW, round(2 * ink.size))
    left, top = np.maximum(low + offset - room, 0)
    right, bottom = high + offset + room
    part = np.ascontiguousarray(view[top:bottom, left:right])
    return part if _can_be_seen(part) else view


def _asked_all_round(engine: OcrEngine, view: Page) -> npt.NDArray[np.float64]:
    """How sure the classifier is of each number of quarters, added up over the page's four positions."""
    votes = np.zeros(4)
    for turned in range(4):
        turn = engine.turn(np.ascontiguousarray(np.rot90(view, turned)))
        votes[(turn.degrees // 90 + turned) % 4] += turn.confidence
    return votes
