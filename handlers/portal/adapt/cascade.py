"""Faces, by a cascade of three networks: one proposes, one refines, one looks closely and finds eyes and mouth.

Zhang, Zhang, Li and Qiao, "Joint face detection and alignment using multi-task cascaded convolutional networks",
2016. The networks take RGB in -1..1 with x before y.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from handlers.portal.adapt.records import Box, Face
from handlers.portal.adapt.weights import network_files

if TYPE_CHECKING:
    from handlers.document.engine import Page

Rows: TypeAlias = npt.NDArray[np.float32]
"""Nx5: left, top, right, bottom and how sure."""

LONGEST_SIDE = 320
"""Pixels that a picture is made smaller to: on more, what is found is the same, and takes longer."""

_LEAST_FACE = 0.1
"""Of the shorter side. A smaller one has too few pixels for any portal."""

_FIELD, _STRIDE = 12, 2
_STEP = 0.709
"""The proposing network sees 12 pixels, at every second; each picture that it is shown has half the last one's area."""

_SURE = (0.6, 0.7, 0.9)
"""The paper's code's, but for the last, 0.7 there: faces that a portal takes have 0.98 and more."""


class CascadeDetector:
    """A :class:`handlers.portal.adapt.FaceDetector`; threads wait in turn. The networks are loaded when the first
    picture comes, which raises :class:`core.errors.DependencyMissing` where they are not there."""

    def __init__(self) -> None:
        self._turn = Lock()

    @cached_property
    def _networks(self) -> tuple[cv2.dnn.Net, cv2.dnn.Net, cv2.dnn.Net]:
        proposing, refining, output = (cv2.dnn.readNetFromONNX(str(file)) for file in network_files())
        return proposing, refining, output

    def __call__(self, page: Page, /) -> tuple[Face, ...]:
        height, width = page.shape[:2]
        scale = min(1.0, LONGEST_SIDE / max(height, width))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        rgb = cv2.cvtColor(cv2.resize(page, size, interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2RGB)
        picture: Rows = ((rgb.astype(np.float32) - np.float32(127.5)) / np.float32(128)).transpose(1, 0, 2)
        with self._turn:
            found = self._found(picture)
        return tuple(_enlarged(face, width / size[0], height / size[1]) for face in found)

    def _found(self, picture: Rows) -> list[Face]:
        boxes = self._proposed(picture)
        if len(boxes):
            boxes = self._refined(picture, boxes)
        return self._looked_at(picture, boxes) if len(boxes) else []

    def _proposed(self, picture: Rows) -> Rows:
        scale = _FIELD / max(_FIELD, _LEAST_FACE * min(picture.shape[:2]))
        found = [np.empty((0, 5), np.float32)]
        while min(picture.shape[:2]) * scale >= _FIELD:
            found.append(self._proposed_at(picture, scale))
            scale *= _STEP
        boxes = np.concatenate(found)
        return _squared(boxes[_apart(boxes, 0.7)])

    def _proposed_at(self, picture: Rows, scale: float) -> Rows:
        across, down = (int(np.ceil(side * scale)) for side in picture.shape[:2])
        small = np.asarray(cv2.resize(picture, (down, across), interpolation=cv2.INTER_AREA), np.float32)
        moves, sure = _forward(self._networks[0], small[None], ("conv2d_4", "softmax"))
        x, y = np.nonzero(sure[0, :, :, 1] >= _SURE[0])
        corner = np.stack([x, y], axis=1).astype(np.float32) * _STRIDE
        places = np.concatenate([corner, corner + _FIELD], axis=1) / np.float32(scale)
        boxes = _moved(np.concatenate([places, sure[0, x, y, 1:]], axis=1), moves[0, x, y])
        return boxes[_apart(boxes, 0.5)]

    def _refined(self, picture: Rows, boxes: Rows) -> Rows:
        moves, sure = _forward(self._networks[1], _cut(picture, boxes, 24), ("dense_2", "softmax_1"))
        chosen = np.nonzero(sure[:, 1] > _SURE[1])[0]
        kept = np.concatenate([boxes[chosen, :4], sure[chosen, 1:]], axis=1)
        apart = _apart(kept, 0.7)
        return _squared(_moved(kept[apart], moves[chosen][apart]))

    def _looked_at(self, picture: Rows, boxes: Rows) -> list[Face]:
        moves, marks, sure = _forward(self._networks[2], _cut(picture, boxes, 48), ("dense_5", "dense_6", "softmax_2"))
        chosen = np.nonzero(sure[:, 1] > _SURE[2])[0]
        squares = boxes[chosen, :4]
        sides = squares[:, 2:] - squares[:, :2]
        points = marks[chosen].reshape(-1, 2, 5).transpose(0, 2, 1) * sides[:, None] + squares[:, None, :2]
        faces = _moved(np.concatenate([squares, sure[chosen, 1:]], axis=1), moves[chosen])
        return [_face(faces[at], points[at]) for at in _apart(faces, 0.7, within=True)]


def _forward(network: cv2.dnn.Net, pictures: Rows, names: Sequence[str]) -> list[Rows]:
    network.setInput(np.ascontiguousarray(pictures, np.float32))
    return [np.asarray(one, np.float32) for one in network.forward(names)]


def _moved(boxes: Rows, moves: Rows) -> Rows:
    """By shares of their sides."""
    sides = boxes[:, 2:4] - boxes[:, :2]
    return np.asarray(np.concatenate([boxes[:, :4] + moves * np.tile(sides, 2), boxes[:, 4:]], axis=1), np.float32)


def _squared(boxes: Rows) -> Rows:
    middle = (boxes[:, :2] + boxes[:, 2:4]) / 2
    half = (boxes[:, 2:4] - boxes[:, :2]).max(axis=1, keepdims=True) / 2
    return np.asarray(np.concatenate([middle - half, middle + half, boxes[:, 4:]], axis=1), np.float32)


def _cut(picture: Rows, boxes: Rows, side: int) -> Rows:
    """Each box's part of the picture, mid-grey beyond its edges."""
    cuts = []
    for box in boxes:
        left, top, right, bottom = (round(float(value)) for value in box[:4])
        right, bottom = max(right, left + 1), max(bottom, top + 1)
        inner = picture[max(left, 0) : max(right, 0), max(top, 0) : max(bottom, 0)]
        part = np.zeros((right - left, bottom - top, 3), np.float32)
        at = max(-left, 0), max(-top, 0)
        part[at[0] : at[0] + inner.shape[0], at[1] : at[1] + inner.shape[1]] = inner
        cuts.append(cv2.resize(part, (side, side), interpolation=cv2.INTER_AREA))
    return np.stack(cuts).astype(np.float32)


def _apart(boxes: Rows, most: float, *, within: bool = False) -> list[int]:
    """The surest boxes that overlap by no more than a share of both, or with ``within`` of the smaller one."""
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    order = np.argsort(-boxes[:, 4], kind="stable")
    kept: list[int] = []
    while len(order):
        best, rest = int(order[0]), order[1:]
        sides = np.minimum(boxes[best, 2:4], boxes[rest, 2:4]) - np.maximum(boxes[best, :2], boxes[rest, :2])
        shared = np.maximum(sides, 0).prod(axis=1)
        whole = np.minimum(areas[best], areas[rest]) if within else areas[best] + areas[rest] - shared
        order = rest[shared <= most * whole]
        kept.append(best)
    return kept


def _face(row: Rows, points: Rows) -> Face:
    left, top, right, bottom, sure = (float(value) for value in row)
    eyes, mouth = points[:2].mean(axis=0), points[3:].mean(axis=0)
    return Face(
        Box(left, top, right - left, bottom - top),
        (float(eyes[0]), float(eyes[1])),
        (float(mouth[0]), float(mouth[1])),
        sure,
    )


def _enlarged(face: Face, across: float, down: float) -> Face:
    box = face.box
    return Face(
        Box(box.left * across, box.top * down, box.width * across, box.height * down),
        (face.eyes[0] * across, face.eyes[1] * down),
        (face.mouth[0] * across, face.mouth[1] * down),
        face.confidence,
    )
