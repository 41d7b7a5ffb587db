"""The font of invisible text: one glyph without an area, for every character of Unicode.

Text is shown by character ids of two bytes that are given out as characters come (:class:`Codes`). All of them have the
one glyph, whose width is half an em, and a map says which character each is, so that any text comes out as it went in,
beyond the Basic Multilingual Plane too. The font is embedded whole, since PDF/A asks for it.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Iterator

from core.errors import DependencyMissing
from handlers.document.errors import OCR_INSTALL_HINT
from handlers.document.pdf.writer import PdfWriter, Reference

GLYPH_WIDTH = 0.5
ASCENT, DESCENT = 0.8, -0.2
"""In ems. Their difference is 1, so text of a word's height fills the word's box from its lower to its upper edge."""

_EM = 1_000
FONT_NAME = "Glyphless"
_MAX_CODE = 0xFFFF
_UNKNOWN = "\ufffd"
_BLOCK = 100
"""A block of a character map has at most 100 entries (Adobe Technical Note 5014)."""


class Codes:
    """The character ids given out so far, from 1, in the order in which the characters came."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}

    def encoded(self, text: str) -> tuple[str, int]:
        """The operand of ``Tj``, and the number of glyphs that it shows."""
        codes = [self._code(character) for character in text]
        return "<" + "".join(f"{code:04X}" for code in codes) + ">", len(codes)

    def characters(self) -> Iterator[tuple[int, str]]:
        return ((code, character) for character, code in self._codes.items())

    @property
    def count(self) -> int:
        return len(self._codes)

    def _code(self, character: str) -> int:
        if "\ud800" <= character <= "\udfff" or (character not in self._codes and len(self._codes) >= _MAX_CODE - 1):
            character = _UNKNOWN
        return self._codes.setdefault(character, len(self._codes) + 1)


def write_font(writer: PdfWriter, codes: Codes, number: Reference | None = None) -> Reference:
    """Write the font with a map for ``codes``, under a reference that was reserved or a new one."""
    program = font_program()
    embedded = writer.add_stream(f"/Length1 {len(program)}", program, compress=True)
    width, ascent, descent = _units(GLYPH_WIDTH), _units(ASCENT), _units(DESCENT)
    descriptor = writer.add(
        f"<< /Type /FontDescriptor /FontName /{FONT_NAME} /Flags 4 /FontBBox [0 {descent} {width} {ascent}] "
        f"/ItalicAngle 0 /Ascent {ascent} /Descent {descent} /CapHeight {ascent} /StemV 80 /FontFile2 {embedded} >>"
    )
    glyphs = writer.add_stream("", b"\0\1" * (codes.count + 1), compress=True)
    descendant = writer.add(
        f"<< /Type /Font /Subtype /CIDFontType2 /BaseFont /{FONT_NAME} /CIDToGIDMap {glyphs} /DW {width} "
        f"/CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> /FontDescriptor {descriptor} >>"
    )
    to_unicode = writer.add_stream("", _to_unicode(codes), compress=True)
    return writer.add(
        f"<< /Type /Font /Subtype /Type0 /BaseFont /{FONT_NAME} /Encoding /Identity-H /DescendantFonts [{descendant}] "
        f"/ToUnicode {to_unicode} >>",
        number,
    )


def _units(ems: float) -> int:
    return round(ems * _EM)


def _to_unicode(codes: Codes) -> bytes:
    entries = [f"<{code:04X}> <{_utf16(character)}>" for code, character in codes.characters()]
    blocks = [entries[start : start + _BLOCK] for start in range(0, len(entries), _BLOCK)]
    lines = [
        "/CIDInit /ProcSet findresource begin",
        "12 dict begin",
        "begincmap",
        "/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def",
        "/CMapName /Adobe-Identity-UCS def",
        "/CMapType 2 def",
        "1 begincodespacerange",
        "<0000> <FFFF>",
        "endcodespacerange",
        *(line for block in blocks for line in (f"{len(block)} beginbfchar", *block, "endbfchar")),
        "endcmap",
        "CMapName currentdict /CMap defineresource pop",
        "end",
        "end",
    ]
    return ("\n".join(lines) + "\n").encode("ascii")


def _utf16(character: str) -> str:
    return character.encode("utf-16-be").hex().upper()


@functools.cache
def font_program() -> bytes:
    """A TrueType font of two glyphs, the same bytes each time. Raises :class:`core.errors.DependencyMissing`.

    A glyph is one line across its box, there and back: nothing is drawn of it, and it has the box's size, without which
    PDFium takes a character alone, and any that runs upwards, for none.
    """
    try:
        from fontTools.fontBuilder import FontBuilder  # noqa: PLC0415 - the function app has none
        from fontTools.pens.ttGlyphPen import TTGlyphPen  # noqa: PLC0415 - the function app has none
    except ImportError as error:
        raise DependencyMissing(f"fontTools is not installed: {OCR_INSTALL_HINT}") from error
    names = [".notdef", "blank"]
    pen = TTGlyphPen(None)
    pen.moveTo((0, _units(DESCENT)))
    pen.lineTo((_units(GLYPH_WIDTH), _units(ASCENT)))
    pen.closePath()
    line = pen.glyph()
    builder = FontBuilder(_EM, isTTF=True)
    builder.setupGlyphOrder(names)
    builder.setupGlyf(dict.fromkeys(names, line))
    builder.setupHorizontalMetrics({name: (_units(GLYPH_WIDTH), 0) for name in names})
    builder.setupHorizontalHeader(ascent=_units(ASCENT), descent=_units(DESCENT))
    builder.setupMaxp()
    builder.updateHead(created=0, modified=0)
    builder.font.recalcTimestamp = False
    stream = io.BytesIO()
    builder.font.save(stream)
    return stream.getvalue()
