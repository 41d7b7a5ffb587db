"""Which values of a JPEG's coefficients are worth their bits: quantisation by rate and distortion.

A block is a path through its coefficients in zigzag order, from one that is kept to the next; what lies between is
zero. Dynamic programming finds the cheapest path, all blocks at a time (Crouse and Ramchandran, "Joint thresholding and
quantizer selection for transform image coding", 1997). A squared error counts by its block's weight, so that bits go
where they are seen.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from handlers.portal.adapt.planes import ZIGZAG, Component, Plane

Levels: TypeAlias = npt.NDArray[np.int32]

_LUMA = (
    "16 11 10 16 24 40 51 61 12 12 14 19 26 58 60 55 14 13 16 24 40 57 69 56 14 17 22 29 51 87 80 62 "
    "18 22 37 56 68 109 103 77 24 35 55 64 81 104 113 92 49 64 78 87 103 121 120 101 72 92 95 98 112 100 103 99"
)
_EVEN = 16.0
LUMA_STEPS: Plane = ((np.array(_LUMA.split(), np.float32)[ZIGZAG] + 2 * _EVEN) / 3).astype(np.float32)
"""Between T.81's table K.1, which spares what is not seen from afar, and one for all, which SSIM likes; measured to
be better than either, in luma's SSIM and the channels'."""

CHROMA_STEPS: Plane = np.full(64, _EVEN, np.float32)

TRADE = 0.025
"""Squared error for a bit, in units of the mean step's square: of 0.01 to 0.1, the one with the highest SSIM at 10 and
20 KB."""

PATHS_FROM = 0.35

SAMPLE = 7
"""Odd, so that it walks through all columns of blocks of most pictures."""

_FARTHEST = 32
"""Zeros in a row that are looked at as one run, beside the run from the block's beginning."""

_END, _SIXTEEN = 0x00, 0xF0
_SIZES = np.array([0, *(int(n).bit_length() for n in range(1, 4_096))], np.int64)


def steps_for(scale: float) -> tuple[Plane, Plane]:
    """Luma's and chroma's tables of whole steps, 1..255."""
    luma, chroma = (np.clip(np.round(table * np.float32(scale)), 1, 255) for table in (LUMA_STEPS, CHROMA_STEPS))
    return luma.astype(np.float32), chroma.astype(np.float32)


def sizes(values: Levels | npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Bits of each magnitude (T.81, F.1.2.1.1)."""
    found: npt.NDArray[np.int64] = _SIZES[np.abs(values)]
    return found


def quantised(component: Component, steps: Plane, scale: float) -> Levels:
    """Nx64 int32. ``scale`` is what ``steps`` were made by: the bits' price grows with its square.

    Under a scale of ``PATHS_FROM`` each coefficient is looked at by itself: nearly all are kept, so that it costs ten
    times as much to compare paths, and gains under a hundredth of the bytes.
    """
    ratio = np.asarray(np.abs(component.coefficients) / steps, np.float32)
    nearest = np.floor(ratio + np.float32(0.5)).astype(np.int32)
    weights = component.weights[:, None] * steps * steps
    costs = np.asarray(_bit_costs(nearest) * np.float32(TRADE * (_EVEN * scale) ** 2), np.float32)
    kept = (_cheapest if scale >= PATHS_FROM else _thinned)(ratio, nearest, weights, costs)
    kept[:, 0] = nearest[:, 0]
    return np.where(component.coefficients < 0, -kept, kept).astype(np.int32)


def ac_counts(levels: Levels) -> npt.NDArray[np.int64]:
    """How often each symbol of T.81, F.1.2.2 comes."""
    block, place = np.nonzero(levels[:, 1:])
    runs = _runs(block, place + 1)
    counts = np.bincount(runs % 16 * 16 + sizes(levels[block, place + 1]), minlength=256)
    counts[_SIXTEEN] += int((runs // 16).sum())
    counts[_END] += int(np.count_nonzero(levels[:, 63] == 0))
    return counts.astype(np.int64)


def _runs(block: npt.NDArray[np.intp], place: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """The zeros before each coefficient that is kept."""
    before = np.zeros_like(place)
    before[1:] = np.where(block[1:] == block[:-1], place[:-1], 0)
    return place - before - 1


def _bit_costs(levels: Levels) -> Plane:
    """Bits of each symbol with the value that follows it, by how often it comes."""
    counts = ac_counts(levels) + 0.3
    return np.asarray(np.log2(counts.sum() / counts) + (np.arange(256) & 15), np.float32)


def _thinned(ratio: Plane, nearest: Levels, weights: Plane, costs: Plane) -> Levels:
    """One less wherever that saves more than it spoils, for what comes without zeros before it."""
    by_size = costs[:16].copy()
    by_size[0] = 0
    at = np.nonzero(nearest)
    magnitude, near = nearest[at], ratio[at]
    saved = by_size[sizes(magnitude)] - by_size[sizes(magnitude - 1)]
    missed, more = near - magnitude, near - magnitude + 1
    kept = nearest.copy()
    kept[at] = magnitude - (np.broadcast_to(weights, ratio.shape)[at] * (more * more - missed * missed) < saved)
    return kept


def expected_bytes(parts: tuple[Component, ...], scale: float) -> float:
    """About what the picture takes, by one in ``SAMPLE`` of its blocks."""
    luma, chroma = steps_for(scale)
    bits = 0.0
    for component, steps in zip(parts, (luma, chroma, chroma), strict=True):
        some = Component(component.coefficients[::SAMPLE], component.weights[::SAMPLE])
        ratio = np.asarray(np.abs(some.coefficients) / steps, np.float32)
        nearest = np.floor(ratio + np.float32(0.5)).astype(np.int32)
        costs = _bit_costs(nearest)
        price = np.float32(TRADE * (_EVEN * scale) ** 2)
        kept = _thinned(
            ratio,
            nearest,
            np.asarray(some.weights[:, None] * steps * steps, np.float32),
            np.asarray(costs * price, np.float32),
        )
        kept[:, 0] = 0
        bits += float((ac_counts(kept) * _bit_costs(kept)).sum()) + 4.0 * len(kept)
    return bits / 8 * SAMPLE


def _cheapest(ratio: Plane, nearest: Levels, weights: Plane, costs: Plane) -> Levels:
    """Magnitudes; ``weights`` are of a squared ratio, ``costs`` of a symbol, in the same units.

    ``ahead[i]`` is the least cost of a path that keeps i, beyond what it costs to keep none: what lies between two that
    are kept adds nothing.
    """
    count = len(ratio)
    lost = weights * ratio * ratio
    by_run = _run_costs(costs)
    ahead = np.full((64, count), np.inf, np.float32)
    ahead[0] = 0
    came_from, value = np.zeros((64, count), np.int8), np.zeros((64, count), np.int32)
    places, blocks = np.nonzero(nearest.T)
    edges = np.searchsorted(places, np.arange(65))
    for place in range(1, 64):
        at = blocks[edges[place] : edges[place + 1]]
        if not len(at):
            continue
        first = max(1, place - _FARTHEST)
        froms = np.array([0, *range(first, place)])
        before = ahead[froms[:, None], at]
        best = np.full(len(at), np.inf, np.float32)
        for magnitude in (nearest[at, place], nearest[at, place] - 1):
            total = before + by_run[(place - 1 - froms)[:, None], sizes(magnitude)]
            chosen = total.argmin(axis=0)
            missed = ratio[at, place] - magnitude
            cost = total[chosen, np.arange(len(at))] + weights[at, place] * missed * missed - lost[at, place]
            better = (magnitude > 0) & (cost < best)
            best = np.where(better, cost, best)
            came_from[place, at] = np.where(better, froms[chosen], came_from[place, at])
            value[place, at] = np.where(better, magnitude, value[place, at])
        ahead[place, at] = best
    return _walked(ahead, came_from, value, float(costs[_END]))


def _run_costs(costs: Plane) -> Plane:
    """64x16: of a run of zeros and the size of what ends it."""
    runs = np.arange(64)
    by_run = costs[runs[:, None] % 16 * 16 + np.arange(16)] + (runs // 16)[:, None] * costs[_SIXTEEN]
    return np.asarray(by_run, np.float32)


def _walked(ahead: Plane, came_from: npt.NDArray[np.int8], value: Levels, end: float) -> Levels:
    """Each block's cheapest path, back from its last coefficient."""
    ahead[:63] += np.float32(end)
    count = ahead.shape[1]
    kept = np.zeros((count, 64), np.int32)
    at, place = np.arange(count), ahead.argmin(axis=0)
    while len(at):
        going = place > 0
        at, place = at[going], place[going]
        kept[at, place] = value[place, at]
        place = came_from[place, at].astype(np.intp)
    return kept
