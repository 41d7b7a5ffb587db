"""The formats on the allow-list, told apart by content and never by name."""

from __future__ import annotations

from enum import StrEnum

from handlers.document.errors import UnsupportedFormat

FIRST_BYTES = 16
"""Enough for every signature."""


class Format(StrEnum):
    """The value is the media type."""

    JPEG = "image/jpeg"
    PNG = "image/png"
    TIFF = "image/tiff"
    PDF = "application/pdf"


_SIGNATURES: tuple[tuple[bytes, Format], ...] = (
    (b"\xff\xd8\xff", Format.JPEG),
    (b"\x89PNG\r\n\x1a\n", Format.PNG),
    (b"II\x2a\x00", Format.TIFF),
    (b"MM\x00\x2a", Format.TIFF),
    (b"II\x2b\x00", Format.TIFF),
    (b"MM\x00\x2b", Format.TIFF),
)
"""First bytes: JPEG's start of image (ITU-T T.81), the PNG signature (W3C PNG), and the two byte orders of TIFF
6.0 (42) and BigTIFF (43)."""


def sniff(data: bytes) -> Format:
    """The format by content, never by name. Raises :class:`UnsupportedFormat`."""
    for signature, form in _SIGNATURES:
        if data.startswith(signature):
            return form
    what = "the document is empty" if not data else "the document is not a JPEG, PNG or TIFF image"
    raise UnsupportedFormat(what)
