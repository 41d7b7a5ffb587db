"""The formats on the allow-list, told apart by content and never by name."""

from __future__ import annotations

import re
from enum import StrEnum

from handlers.document.errors import UnsupportedFormat

FIRST_BYTES = 1_032
"""Enough for every signature: a PDF's may be anywhere within the first 1,024 bytes (ISO 32000-1, note 13 to 7.5.2)."""


class Format(StrEnum):
    """The value is the media type."""

    JPEG = "image/jpeg"
    PNG = "image/png"
    TIFF = "image/tiff"
    WEBP = "image/webp"
    BMP = "image/bmp"
    GIF = "image/gif"
    HEIC = "image/heic"
    PDF = "application/pdf"


_SIGNATURES: tuple[tuple[re.Pattern[bytes], Format], ...] = tuple(
    (re.compile(pattern, re.DOTALL), form)
    for pattern, form in (
        (rb"\xff\xd8\xff", Format.JPEG),
        (rb"\x89PNG\r\n\x1a\n", Format.PNG),
        (rb"II[\x2a\x2b]\0|MM\0[\x2a\x2b]", Format.TIFF),
        (rb"RIFF.{4}WEBPVP8[ LX]", Format.WEBP),
        (rb"BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\0\0\0", Format.BMP),
        (rb"GIF8[79]a", Format.GIF),
        (rb".{4}ftyp(?:hei[cxms]|hev[cxms]|mif1|msf1)", Format.HEIC),
        (rb".{0,1023}%PDF-", Format.PDF),
    )
)
"""First bytes: JPEG's start of image (ITU-T T.81), the PNG signature (W3C PNG), the two byte orders of TIFF 6.0 (42)
and BigTIFF (43), WebP (RFC 9649), a bitmap file's head and the length of the header behind it, GIF 87a and 89a, the
brands of HEIF (ISO/IEC 23008-12), and PDF's version, in front of which readers pass over what is not its own."""


def sniff(data: bytes) -> Format:
    """The format by its first :data:`FIRST_BYTES`, never by name. Raises :class:`UnsupportedFormat`."""
    for signature, form in _SIGNATURES:
        if signature.match(data[:FIRST_BYTES]):
            return form
    names = ", ".join(form.name for form in Format)
    raise UnsupportedFormat("the document is empty" if not data else f"the document is none of {names}")
