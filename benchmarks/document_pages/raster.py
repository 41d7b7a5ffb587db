"""A sheet as pixels, and where its words then are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from benchmarks.document_pages.sheet import Mark, Run, Sheet
from benchmarks.document_pages.truth import Quad, TruthWord

if TYPE_CHECKING:
    from handlers.document.engine import Page

POINTS_AN_INCH = 72


def drawn(sheet: Sheet, dpi: float) -> Page:
    """HxWx3 uint8 BGR."""
    scale = dpi / POINTS_AN_INCH
    image = Image.new("RGB", (round(sheet.width * scale), round(sheet.height * scale)), sheet.paper)
    draw = ImageDraw.Draw(image)
    for mark in sheet.marks:
        _draw_mark(draw, mark, scale)
    for run in sheet.runs:
        _draw_run(draw, run, scale)
    return np.ascontiguousarray(np.asarray(image)[:, :, ::-1])


def word_boxes(sheet: Sheet, unit_per_point: float) -> tuple[TruthWord, ...]:
    """The words in reading order, each with the box of its ink, positions in points times ``unit_per_point``."""
    return tuple(
        TruthWord(word, _ink_box(run, word, left, unit_per_point)) for run in sheet.runs for word, left in run.words()
    )


def _draw_mark(draw: ImageDraw.ImageDraw, mark: Mark, scale: float) -> None:
    box = (mark.x * scale, mark.y * scale, (mark.x + mark.width) * scale, (mark.y + mark.height) * scale)
    thin = min(box[2] - box[0], box[3] - box[1]) < 1
    if thin:
        draw.line(
            box if box[2] - box[0] > box[3] - box[1] else (box[0], box[1], box[0], box[3]), fill=mark.fill, width=1
        )
    else:
        draw.rectangle(box, fill=mark.fill, outline=mark.outline, width=max(1, round(mark.stroke * scale)))


def _draw_run(draw: ImageDraw.ImageDraw, run: Run, scale: float) -> None:
    """Word by word, so that each stands where :func:`word_boxes` says, whatever the hinting of the line."""
    font = run.face.at(max(4, round(run.size * scale)))
    for word, left in run.words():
        draw.text((left * scale, run.baseline * scale), word, fill=run.ink, font=font, anchor="ls")


def _ink_box(run: Run, word: str, left: float, unit: float) -> Quad:
    large = 200
    x1, y1, x2, y2 = run.face.at(large).getbbox(word, anchor="ls")
    shrink = run.size / large
    left_x, right_x = (left + x1 * shrink) * unit, (left + x2 * shrink) * unit
    top, bottom = (run.baseline + y1 * shrink) * unit, (run.baseline + y2 * shrink) * unit
    return ((left_x, top), (right_x, top), (right_x, bottom), (left_x, bottom))
