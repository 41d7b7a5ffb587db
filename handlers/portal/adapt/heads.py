"""The head that a face belongs to, and whether a picture shows one person."""

from __future__ import annotations

from collections.abc import Sequence

from handlers.portal.adapt.records import Face, Head
from handlers.portal.errors import SchemaFailed

EYES_TO_CHIN = 0.5
"""Of the head's height from crown to chin: eyes are at half of it, by the canon of drawing, and by measured heads to
within some hundredths (vertex to gnathion 229 mm, eyes' corners to gnathion 118 mm for men; Farkas, "Anthropometry of
the head and face", 1994)."""

EYES_TO_MOUTH = 0.31
"""Likewise: some 72 of 229 mm."""

_OTHERS = 0.3
"""A face under this share of the largest one's height is a picture on a wall or a mistake."""


def head_of(face: Face) -> Head:
    """The chin is where the face's box ends, and where eyes and mouth say: the mean of both.

    The crown is the skull's: hair may be above it.
    """
    (eyes_x, eyes), (mouth_x, mouth) = face.eyes, face.mouth
    by_mouth = eyes + (mouth - eyes) * EYES_TO_CHIN / EYES_TO_MOUTH
    chin = (by_mouth + face.box.bottom) / 2
    height = (chin - eyes) / EYES_TO_CHIN
    middle = ((eyes_x + mouth_x) / 2 + face.box.left + face.box.width / 2) / 2
    return Head(chin - height, chin, middle)


def only_face(faces: Sequence[Face]) -> Face:
    """Raises :class:`handlers.portal.errors.SchemaFailed` where there is none, or more than one."""
    largest = max((face.box.height for face in faces), default=0.0)
    near = [face for face in faces if face.box.height >= _OTHERS * largest]
    if len(near) == 1 and near[0].mouth[1] > near[0].eyes[1]:
        return near[0]
    found = {0: "no face is found", 1: "the face is not upright"}.get(len(near), f"{len(near)} faces are found")
    raise SchemaFailed(f"{found}, and one is wanted", rule="face", faces=len(near))
