"""What EXIF says of a picture: which way up it stands, and its resolution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from handlers.document.errors import DecodeFailed, DecodeTooCostly
from handlers.document.images.directory import Directory, read_directory, read_layout
from handlers.document.limits import DocumentLimits

Resolution: TypeAlias = tuple[float, float]
"""Pixels an inch, across and down."""

ORIENTATION, X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 0x0112, 0x011A, 0x011B, 0x0128

_PER_INCH = {2: 1.0, 3: 2.54}
"""By the tag's value: inch and centimetre."""


@dataclass(frozen=True, slots=True)
class Exif:
    """``orientation`` is 1 to 8 (EXIF 2.32, tag 0x0112)."""

    orientation: int = 1
    resolution: Resolution | None = None


def read_exif(data: bytes, limits: DocumentLimits) -> Exif:
    """``data`` with or without the name that JPEG puts before it. Damaged metadata says nothing: it spoils no page."""
    data = data.removeprefix(b"Exif\0\0")
    try:
        layout, first = read_layout(data)
        directory = read_directory(data, layout, first, limits)
    except (DecodeFailed, DecodeTooCostly):
        return Exif()
    return Exif(orientation_of(directory), resolution_of(directory))


def orientation_of(directory: Directory) -> int:
    """1 where there is none, or a value that means nothing."""
    value = directory.integer(ORIENTATION, 1)
    return value if 1 <= value <= 8 else 1


def resolution_of(directory: Directory) -> Resolution | None:
    across, down = directory.rational(X_RESOLUTION), directory.rational(Y_RESOLUTION)
    scale = _PER_INCH.get(directory.integer(RESOLUTION_UNIT, 2))
    return None if across is None or down is None or scale is None else (across * scale, down * scale)
