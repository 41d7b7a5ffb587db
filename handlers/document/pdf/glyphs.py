"""The characters of a page as PDFium gives them, each with its box on the page as it is looked at."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from handlers.document.pdf.geometry import PageGeometry
from handlers.document.pdf.pdfium import PdfiumPage

MAX_CHARACTERS = 200_000
"""A page of the smallest print that can be read has some 20,000 characters; what is over this is not looked at."""

_FILLED_MODE, _INVISIBLE_MODE = 0, 3
_PALE = 24
"""Grey levels between white and what is taken for it."""

_SURROGATES = range(0xD800, 0xE000)
_HIGH_SURROGATES = range(0xD800, 0xDC00)


class Glyph(NamedTuple):
    """A character. ``left`` to ``bottom`` is the upright rectangle around it, in units of user space on the page as it
    is looked at, y down; its height is the font's and not the character's where PDFium knows that. ``angle`` is the
    direction of its text, degrees clockwise. ``generated`` marks what PDFium added by position (spaces, line ends),
    ``hyphen`` one that divides a word at the end of a line, ``unmapped`` a character whose Unicode is a guess,
    ``pale`` one in white or nearly so, or so transparent that it cannot be seen on white.
    """

    text: str
    left: float
    top: float
    right: float
    bottom: float
    angle: float
    size: float
    generated: bool
    hyphen: bool
    invisible: bool
    unmapped: bool
    pale: bool = False


def read_glyphs(page: PdfiumPage) -> list[Glyph]:
    """In the order of PDFium, which is that of the page's content. Raises :class:`DecodeFailed`."""
    with page.text() as text:
        return list(_glyphs(page, text, min(page.lib.FPDFText_CountChars(text), MAX_CHARACTERS)))


def _glyphs(page: PdfiumPage, text: Any, count: int) -> Iterator[Glyph]:
    reader = _GlyphReader(page, text)
    index = 0
    while index < count:
        code = page.lib.FPDFText_GetUnicode(text, index)
        step = 1
        if code in _HIGH_SURROGATES and index + 1 < count:
            low = page.lib.FPDFText_GetUnicode(text, index + 1)
            code, step = 0x10000 + ((code - 0xD800) << 10) + ((low - 0xDC00) & 0x3FF), 2
        yield reader.glyph(index, "\ufffd" if code in _SURROGATES or code > 0x10FFFF else chr(code))
        index += step


class _GlyphReader:
    def __init__(self, page: PdfiumPage, text: Any) -> None:
        self._lib = page.lib
        self._text = text
        self._geometry: PageGeometry = page.geometry
        self._turned = 90.0 * page.geometry.turns
        self._loose = page.lib.FS_RECTF()
        self._tight = tuple(ctypes.c_double() for _ in range(4))
        self._colour = tuple(ctypes.c_uint() for _ in range(4))
        self._object = 0
        self._invisible = self._pale = False

    def glyph(self, index: int, character: str) -> Glyph:
        lib, text = self._lib, self._text
        return Glyph(
            character,
            *self._box(index),
            (math.degrees(lib.FPDFText_GetCharAngle(text, index)) + self._turned) % 360,
            lib.FPDFText_GetFontSize(text, index),
            lib.FPDFText_IsGenerated(text, index) == 1,
            lib.FPDFText_IsHyphen(text, index) == 1,
            self._is_invisible(index),
            lib.FPDFText_HasUnicodeMapError(text, index) == 1,
            self._pale,
        )

    def _box(self, index: int) -> tuple[float, float, float, float]:
        """The font's height by the character's width; the ink's box where the font has no height."""
        box = self._loose
        self._lib.FPDFText_GetLooseCharBox(self._text, index, ctypes.byref(box))
        corners = (box.left, box.bottom, box.right, box.top)
        if not all(map(math.isfinite, corners)) or box.right - box.left <= 0 or box.top - box.bottom <= 0:
            corners = self._ink(index)
        ax, ay = self._geometry.seen(corners[0], corners[1])
        bx, by = self._geometry.seen(corners[2], corners[3])
        return (min(ax, bx), min(ay, by), max(ax, bx), max(ay, by))

    def _ink(self, index: int) -> tuple[float, float, float, float]:
        left, right, bottom, top = self._tight
        self._lib.FPDFText_GetCharBox(self._text, index, *map(ctypes.byref, self._tight))
        values = (left.value, bottom.value, right.value, top.value)
        return values if all(map(math.isfinite, values)) else (0.0, 0.0, 0.0, 0.0)

    def _is_invisible(self, index: int) -> bool:
        """By the text object, asked once for all its characters."""
        handle = self._lib.FPDFText_GetTextObject(self._text, index)
        address = ctypes.cast(handle, ctypes.c_void_p).value or 0
        if address != self._object:
            self._object = address
            self._invisible = bool(address) and self._lib.FPDFTextObj_GetTextRenderMode(handle) == _INVISIBLE_MODE
            self._pale = bool(address) and self._is_pale(handle)
        return self._invisible

    def _is_pale(self, handle: Any) -> bool:
        """By the darkest it can make white paper; only the fill's colour is known for what it is."""
        lib = self._lib
        if lib.FPDFTextObj_GetTextRenderMode(handle) != _FILLED_MODE:
            return False
        if not lib.FPDFPageObj_GetFillColor(handle, *map(ctypes.byref, self._colour)):
            return False
        *levels, opacity = (value.value for value in self._colour)
        return (255 - min(levels)) * opacity < 255 * _PALE
