"""What is behind the person: measured along the edges where no body is, and made white where that can be done well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from handlers.portal.adapt.records import Head
from handlers.portal.adapt.resize import WHITE, Colour
from handlers.portal.errors import SchemaFailed

if TYPE_CHECKING:
    from handlers.document.engine import Page

    Mask: TypeAlias = npt.NDArray[np.bool_]

Level = TypeVar("Level", np.uint8, np.int16)

_TOP, _SIDE, _DOWN = 0.06, 0.06, 0.45
"""The edges that are looked at, in shares of the height and the width: a strip at the top, and at both sides as far
down as shoulders do not reach."""

WHITE_FROM, GREYISH = 200, 30
"""Levels: the least of a white pixel's channels, and how much they may differ. Walls in good light have 215."""

WHITE_SHARE = 0.85
"""Of the edge's pixels: hair that hangs down may reach it."""

EVEN_BELOW = 22.0
"""Levels by which a background deviates from its own colour at most, to be told from a person by it."""

_HAIR = (0.62, 0.72)
"""Half of an ellipse's width and height, in shares of the head's height: nearly all hair is within it."""

_WORKED_ON = 320
_ROUNDS = 4
_KEPT = (0.12, 0.85)
"""The share of a picture that is a person: with less or more, what was found is something else."""

_AT_EDGE = 0.1
"""Of the top, and of either side as far down as the chin: where more of it is found to be the person, that is furniture
or a curtain. Hair that hangs down is not so far out."""


@dataclass(frozen=True, slots=True)
class BackgroundMeasure:
    """``white_share`` is 0..1, ``deviation`` in levels, ``colour`` B, G, R."""

    white_share: float
    deviation: float
    colour: Colour

    @property
    def is_white(self) -> bool:
        return self.white_share >= WHITE_SHARE

    @property
    def is_even(self) -> bool:
        return self.deviation <= EVEN_BELOW


def background_of(page: Page, head: Head | None = None) -> BackgroundMeasure:
    """``page`` is HxWx3 uint8 BGR; ``head``, with its hair, is left out. The colour is the edge's median, the deviation
    the quadratic mean of the distance from it, over all but the fifth of the pixels that is farthest from it.
    """
    pixels = page[_edge(page) & ~_hair(page, head)]
    if not len(pixels):
        return BackgroundMeasure(0.0, 255.0, WHITE)
    darkest, lightest = _extremes(pixels)
    white = (darkest >= WHITE_FROM) & (lightest - darkest <= GREYISH)
    blue, green, red = (round(float(value)) for value in np.median(pixels, axis=0))
    _, distance = _extremes(np.abs(pixels.astype(np.int16) - np.array([blue, green, red], np.int16)))
    nearest = max(1, len(distance) * 4 // 5)
    near = np.partition(distance, nearest - 1)[:nearest].astype(np.float64)
    return BackgroundMeasure(float(white.mean()), float(np.sqrt((near**2).mean())), (blue, green, red))


def _extremes(pixels: npt.NDArray[Level]) -> tuple[npt.NDArray[Level], npt.NDArray[Level]]:
    """The least and the most of each Nx3 pixel's channels: by columns, as rows of three cost ten times as much."""
    first, second, third = pixels.T
    return np.minimum(np.minimum(first, second), third), np.maximum(np.maximum(first, second), third)


def on_white(page: Page, head: Head | None) -> Page:
    """The picture with white behind the person.

    Raises :class:`handlers.portal.errors.SchemaFailed` where the background is not even enough to be told from the
    person, or there is nobody.
    """
    measured = background_of(page, head)
    if head is None or not measured.is_even:
        raise _refused("the background cannot be told from what is before it", measured)
    person = _person(page, head)
    if not _KEPT[0] <= float(person.mean()) <= _KEPT[1] or _reaches_edge(person, head):
        raise _refused("the background cannot be cut out", measured)
    return _blended(page, person, measured.colour)


def _reaches_edge(person: Mask, head: Head) -> bool:
    above = person[: max(1, round(head.chin))]
    return max(float(edge.mean()) for edge in (person[0], above[:, 0], above[:, -1])) > _AT_EDGE


def refusal(page: Page, head: Head | None) -> SchemaFailed:
    return _refused("the background is not white", background_of(page, head))


def _refused(why: str, measured: BackgroundMeasure) -> SchemaFailed:
    return SchemaFailed(
        f"{why}: {measured.white_share:.0%} of the edge is white",
        rule="background",
        white_share=round(measured.white_share, 3),
        required=WHITE_SHARE,
        deviation=round(measured.deviation, 1),
        even_below=EVEN_BELOW,
    )


def _edge(page: Page) -> Mask:
    height, width = page.shape[:2]
    across, down = max(1, round(width * _SIDE)), max(1, round(height * _DOWN))
    edge = np.zeros((height, width), np.bool_)
    edge[: max(1, round(height * _TOP))] = True
    edge[:down, :across] = True
    edge[:down, -across:] = True
    return edge


def _hair(page: Page, head: Head | None) -> Mask:
    """Where the head is, and its hair may be."""
    hidden = np.zeros(page.shape[:2], np.uint8)
    if head is not None:
        middle = round(head.middle), round((head.crown + head.chin) / 2)
        axes = max(1, round(_HAIR[0] * head.height)), max(1, round(_HAIR[1] * head.height))
        cv2.ellipse(hidden, middle, axes, 0, 0, 360, 1, -1)
    return np.asarray(hidden > 0, np.bool_)


def _person(page: Page, head: Head) -> Mask:
    """By cuts of a graph (Rother, Kolmogorov and Blake, "GrabCut", 2004), from where head and shoulders are and the
    edge's colours, on a smaller picture."""
    height, width = page.shape[:2]
    scale = min(1.0, _WORKED_ON / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = np.asarray(cv2.resize(page, size, interpolation=cv2.INTER_AREA), np.uint8)
    marks = _marks(small, Head(head.crown * scale, head.chin * scale, head.middle * scale))
    cv2.setRNGSeed(0)
    cv2.grabCut(small, marks, (0, 0, 1, 1), np.zeros((1, 65)), np.zeros((1, 65)), _ROUNDS, cv2.GC_INIT_WITH_MASK)
    found = np.isin(marks, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    smooth = cv2.resize(_largest(found).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(smooth > 0.5, np.bool_)


def _marks(small: Page, head: Head) -> npt.NDArray[np.uint8]:
    height, width = small.shape[:2]
    background = background_of(small, head)
    far = np.abs(small.astype(np.int32) - np.array(background.colour)).max(axis=2)
    marks = np.where(far > 2 * max(background.deviation, 6.0), cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    side = max(1, round(width * _SIDE))
    outer = _edge(small)
    outer[:, :side] = outer[:, -side:] = True
    marks[outer & (far <= 3 * max(background.deviation, 6.0))] = cv2.GC_BGD
    middle = round(head.middle), round((head.crown + head.chin) / 2)
    axes = max(1, round(0.3 * head.height)), max(1, round(0.42 * head.height))
    cv2.ellipse(marks, middle, axes, 0, 0, 360, cv2.GC_FGD, -1)
    body = head.chin + 0.3 * head.height, 0.5 * head.height
    corners = [(head.middle - body[1], height), (head.middle, body[0]), (head.middle + body[1], height)]
    cv2.fillConvexPoly(marks, np.round(np.array(corners)).astype(np.int32), cv2.GC_FGD)
    return marks


def _largest(found: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """The largest thing found, without holes."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(found)
    if len(stats) < 2:
        return np.zeros(found.shape, np.bool_)
    person = (labels == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())).astype(np.uint8)
    around = cv2.copyMakeBorder(1 - person, 1, 0, 1, 1, cv2.BORDER_CONSTANT, value=1)
    _, outside = cv2.connectedComponents(around)
    return np.asarray(outside[1:, 1:-1] != outside[0, 0], np.bool_)


def _blended(page: Page, person: Mask, colour: Colour) -> Page:
    """Along the outline each pixel loses as much of the old background as it had, and gets white for it."""
    soft = cv2.GaussianBlur(person.astype(np.float32), (0, 0), 0.003 * max(page.shape[:2]) + 0.8)
    share = np.clip((soft - 0.35) / 0.5, 0, 1)[:, :, None]
    old, white = np.array(colour, np.float32), np.array(WHITE, np.float32)
    mixed = np.where(share > 0, page + (1 - share) * (white - old), 255)
    return np.clip(mixed, 0, 255).astype(np.uint8)
