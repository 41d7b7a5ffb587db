"""Reading the pieces of text that were found: cut out, gathered by width, and read some at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from docker_worker.ocr.characters import decode
from docker_worker.ocr.crops import LINE_HEIGHT, cut, lengthened, sides, turned, without_rules
from docker_worker.ocr.words import line_of
from handlers.document.engine import DOUBTFUL_BELOW, Line, mean_confidence

if TYPE_CHECKING:
    from docker_worker.ocr.detection import Box
    from docker_worker.ocr.networks import Map, Networks, Tensor
    from handlers.document.engine import Page

SQUEEZE = 0.8
"""The width of a crop over that which keeps its proportions."""

CROWDED, ROOMY = 13.0, 18.0
"""Pixels of a crop a character: what has less is read again with more, in letters that are narrower than usual."""

MARGIN = 0.25
"""Of a box's height, at both ends of its text: a full stop that touches the edge of its crop is lost."""

MIN_WIDTH, MAX_WIDTH = 32, 3200
"""Of a crop, in pixels; PP-OCR's own largest is the same."""

BATCH_WIDTH = 1280
"""Of all crops that are read at once together, in pixels, so that what a batch takes is bounded."""

PADDING_SHARE = 0.1
"""Of a crop's width: more is not padded to read it together with a wider one."""

STAIN = 0.5
"""The confidence below which a piece is none of text. On scanned books ornaments are read with 0.1 to 0.5."""

TALL, VERY_TALL = 1.5, 4.0
"""The height of a box over its width from which its text may run downwards or upwards, and from which it does."""


@dataclass(frozen=True, slots=True)
class Crop:
    """A box as its text may run, cut out and ready to be read. ``piece`` is the number of the box."""

    piece: int
    box: Box
    pixels: Page

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])


@dataclass(frozen=True, slots=True)
class Found:
    crop: Crop
    line: Line


def read_boxes(page: Page, boxes: Sequence[Box], networks: Networks, run: Map) -> list[Line]:
    """The lines that were read in ``boxes``, in their order, without those in which nothing was."""
    crops = [crop for piece, box in enumerate(boxes) for crop in _crops(page, piece, box)]
    best = _best(_read_all(crops, networks, run))
    wider = [_again(page, found) for found in best.values() if _is_crowded(found)]
    best = _best([*best.values(), *_read_all(wider, networks, run)])
    return without_stains([best[piece].line for piece in sorted(best)])


def without_stains(lines: Sequence[Line]) -> list[Line]:
    """What is read badly amid text that is read well is an ornament or a stain: detection marks these too.

    Where little is read well, all is kept: then it is the page that is bad.
    """
    mean = mean_confidence(tuple(lines))
    if mean is None or mean < DOUBTFUL_BELOW:
        return list(lines)
    return [line for line in lines if line.confidence >= STAIN]


def _read_all(crops: Sequence[Crop], networks: Networks, run: Map) -> list[Found]:
    """What was read in each of ``crops``, those left out in which nothing was."""
    readings = run(lambda batch: _read(batch, networks), batches(crops))
    return [found for batch in readings for found in batch]


def _best(readings: Iterable[Found]) -> dict[int, Found]:
    """The reading of each piece that is the surest."""
    best: dict[int, Found] = {}
    for found in readings:
        piece = found.crop.piece
        if piece not in best or found.line.confidence > best[piece].line.confidence:
            best[piece] = found
    return best


def _is_crowded(found: Found) -> bool:
    return found.crop.width < len(found.line.text) * CROWDED


def _again(page: Page, found: Found) -> Crop:
    return _crop(page, found.crop.piece, found.crop.box, round(len(found.line.text) * ROOMY))


def batches(crops: Iterable[Crop]) -> Iterator[list[Crop]]:
    """Crops of about one width together, the widest first: the longest work begins first."""
    batch: list[Crop] = []
    for crop in sorted(crops, key=lambda crop: (-crop.width, crop.piece)):
        widest = batch[0].width if batch else 0
        if batch and (widest * (len(batch) + 1) > BATCH_WIDTH or crop.width < widest * (1 - PADDING_SHARE)):
            yield batch
            batch = []
        batch.append(crop)
    if batch:
        yield batch


def _crops(page: Page, piece: int, box: Box) -> Iterator[Crop]:
    for way in _ways(box):
        longer = lengthened(way, MARGIN, page)
        yield _crop(page, piece, longer, _width(longer, SQUEEZE))


def _crop(page: Page, piece: int, box: Box, width: int) -> Crop:
    return Crop(piece, box, without_rules(cut(page, box, min(MAX_WIDTH, max(MIN_WIDTH, width)))))


def _width(box: Box, squeeze: float) -> int:
    long, high = sides(box)
    return round(LINE_HEIGHT * long / high * squeeze)


def _ways(box: Box) -> Iterator[Box]:
    """How the text of a box may run. A tall one may be one narrow letter, or lie on either side."""
    width, height = sides(box)
    if height < VERY_TALL * width:
        yield box
    if height >= TALL * width:
        yield turned(box)
        yield turned(turned(turned(box)))


def _read(batch: Sequence[Crop], networks: Networks) -> list[Found]:
    widest = batch[0].width
    probabilities = networks.recognise(_tensor(batch, widest))
    lines = (
        line_of(decode(found, networks.characters, crop.width / widest), crop.pixels, crop.box)
        for crop, found in zip(batch, probabilities, strict=True)
    )
    return [Found(crop, line) for crop, line in zip(batch, lines, strict=True) if line is not None]


def _tensor(batch: Sequence[Crop], width: int) -> Tensor:
    """-1 is black, 1 white; what pads is grey."""
    tensor = np.zeros((len(batch), 3, LINE_HEIGHT, width), np.float32)
    for row, crop in zip(tensor, batch, strict=True):
        row[:, :, : crop.width] = crop.pixels.transpose(2, 0, 1)
        row[:, :, : crop.width] /= 127.5
        row[:, :, : crop.width] -= 1.0
    return tensor
