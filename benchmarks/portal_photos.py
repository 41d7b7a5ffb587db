"""Photographs for portals with what has to come of them: real ones of a package, and what is made of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from skimage import data

from handlers.portal.adapt.background import on_white
from handlers.portal.adapt.heads import head_of, only_face

if TYPE_CHECKING:
    from handlers.document.engine import Page
    from handlers.portal.adapt import FaceDetector

_PORTRAIT = (5, 217, 121, 330)
"""Rows and columns of the astronaut's picture before an even part of its background."""


@dataclass(frozen=True, slots=True)
class Photo:
    """``refused_for`` is the rule that it cannot meet where the background has to be white, ``None`` where it meets
    all; ``anywhere`` is the same where the background may be any.
    """

    name: str
    pixels: Page
    refused_for: str | None
    anywhere: str | None


def photos(faces: FaceDetector) -> Iterator[Photo]:
    """One face before white in many ways, before a wall and in a room; no face, and several."""
    room = _bgr(data.astronaut())  # type: ignore[no-untyped-call]
    portrait = _portrait(room, faces)
    for name, pixels in _variants(portrait):
        yield Photo(f"white {name}", pixels, None, None)
    yield Photo("in a room", room, "background", None)
    yield Photo("two people", np.concatenate([portrait, portrait[:, ::-1]], axis=1), "face", "face")
    yield Photo("five people", np.concatenate([portrait] * 5, axis=1), "face", "face")
    yield Photo("upside down", np.ascontiguousarray(portrait[::-1]), "face", "face")
    yield Photo("a face alone", _cut(portrait, 0.25, 0.75), "face", "face")
    for name in ("coffee", "chelsea", "rocket"):
        yield Photo(name, _bgr(getattr(data, name)()), "face", "face")
    yield Photo("white", np.full((600, 450, 3), 255, np.uint8), "face", "face")
    yield Photo("one pixel", np.zeros((1, 1, 3), np.uint8), "face", "face")


def pictures(faces: FaceDetector, width: int, height: int) -> Iterator[tuple[str, Page]]:
    """Cut and scaled to the pixels: what encoders are compared on."""
    room = _bgr(data.astronaut())  # type: ignore[no-untyped-call]
    named = [("portrait", _portrait(room, faces)), ("in a room", room)]
    named += [(name, _bgr(getattr(data, name)())) for name in ("coffee", "chelsea", "rocket", "camera")]
    for name, page in named:
        rows, columns = page.shape[:2]
        scale = max(width / columns, height / rows)
        size = max(width, round(columns * scale)), max(height, round(rows * scale))
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        left, top = (size[0] - width) // 2, (size[1] - height) // 2
        made = cv2.resize(page, size, interpolation=method)[top : top + height, left : left + width]
        yield name, np.ascontiguousarray(made, np.uint8)


def _portrait(room: Page, faces: FaceDetector) -> Page:
    """The astronaut before white, 1,254 by 1,272 pixels."""
    top, bottom, left, right = _PORTRAIT
    small = np.ascontiguousarray(room[top:bottom, left:right])
    white = on_white(small, head_of(only_face(faces(small))))
    return np.ascontiguousarray(cv2.resize(white, None, fx=6, fy=6, interpolation=cv2.INTER_CUBIC), np.uint8)


def _variants(page: Page) -> Iterator[tuple[str, Page]]:
    height, width = page.shape[:2]
    yield "as it is", page
    yield "mirrored", np.ascontiguousarray(page[:, ::-1])
    yield "darker", np.ascontiguousarray(page * 0.88, np.uint8)
    yield "softer", np.ascontiguousarray(cv2.GaussianBlur(page, (0, 0), 4), np.uint8)
    yield "grey", np.ascontiguousarray(np.repeat(cv2.cvtColor(page, cv2.COLOR_BGR2GRAY)[:, :, None], 3, axis=2))
    grain = np.random.default_rng(7).normal(0, 8, page.shape)
    yield "grainy", np.clip(page + grain, 0, 255).astype(np.uint8)
    yield "small", np.ascontiguousarray(cv2.resize(page, None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA), np.uint8)
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 3, 1)
    yield (
        "turned",
        np.ascontiguousarray(cv2.warpAffine(page, turn, (width, height), borderMode=cv2.BORDER_REPLICATE), np.uint8),
    )
    yield "to the side", np.ascontiguousarray(page[:, width // 12 :])


def _cut(page: Page, first: float, last: float) -> Page:
    height, width = page.shape[:2]
    return np.ascontiguousarray(
        page[round(first * height) : round(last * height), round(first * width) : round(last * width)]
    )


def _bgr(picture: Page) -> Page:
    colour = picture if picture.ndim == 3 else np.repeat(picture[:, :, None], 3, axis=2)
    return np.ascontiguousarray(colour[:, :, 2::-1])
