"""PDFs of sheets: scanned (each page one JPEG), with their text, or mixed. The same bytes for the same pages."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import cv2
import pikepdf
from fontTools.ttLib import TTFont
from pikepdf import Array, Dictionary, Name, Pdf, Stream

from benchmarks.document_pages.fonts import Face
from benchmarks.document_pages.sheet import Colour, Mark, Run, Sheet

if TYPE_CHECKING:
    from handlers.document.engine import Page

SCAN_QUALITY = 80


@dataclass(frozen=True, slots=True)
class Scan:
    """A page as pixels, of ``dpi``."""

    pixels: Page
    dpi: float


PdfPage: TypeAlias = Sheet | Scan
"""A sheet becomes text, a scan becomes a picture."""


def pdf_of(pages: Iterable[PdfPage]) -> bytes:
    """Faces have to be TrueType. An OpenType one of another kind raises :class:`ValueError`."""
    document = Pdf.new()
    fonts: dict[Face, _Embedded] = {}
    for page in pages:
        match page:
            case Sheet():
                _add_sheet(document, page, fonts)
            case Scan():
                _add_scan(document, page)
    written = io.BytesIO()
    document.save(written, deterministic_id=True, compress_streams=True)
    return written.getvalue()


class _Embedded:
    """A face as a composite font whose character codes are glyph numbers (PDF 32000-1, 9.7)."""

    def __init__(self, document: Pdf, face: Face) -> None:
        if not face.is_truetype:
            raise ValueError(f"{face.name} is not TrueType")
        font = TTFont(io.BytesIO(face.data))
        self._codes: Mapping[int, str] = font.getBestCmap()
        self._number = font.getReverseGlyphMap()
        self._unit = 1000 / font["head"].unitsPerEm
        self._metrics = font["hmtx"].metrics
        self._used: dict[int, str] = {}
        self._document = document
        self._name = Name("/" + "".join(character for character in face.name if character.isalnum()))
        self._file = Stream(document, face.data)
        head, hhea = font["head"], font["hhea"]
        self._box = [round(value * self._unit) for value in (head.xMin, head.yMin, head.xMax, head.yMax)]
        self._ascent, self._descent = round(hhea.ascent * self._unit), round(hhea.descent * self._unit)
        self.reference = document.make_indirect(Dictionary(Type=Name.Font))

    def encoded(self, text: str) -> bytes:
        numbers = []
        for character in text:
            number = self._number[self._codes.get(ord(character), ".notdef")]
            self._used[number] = character
            numbers.append(number)
        return b"".join(number.to_bytes(2, "big") for number in numbers)

    def finish(self) -> None:
        """Write the font's dictionary, now that it is known which glyphs are used."""
        descriptor = Dictionary(
            Type=Name.FontDescriptor,
            FontName=self._name,
            Flags=4,
            FontBBox=Array(self._box),
            ItalicAngle=0,
            Ascent=self._ascent,
            Descent=self._descent,
            CapHeight=self._ascent,
            StemV=80,
            FontFile2=self._file,
        )
        widths = Array()
        glyphs = {number: name for name, number in self._number.items()}
        for number in sorted(self._used):
            widths.append(number)
            widths.append(Array([round(self._metrics[glyphs[number]][0] * self._unit)]))
        descendant = Dictionary(
            Type=Name.Font,
            Subtype=Name.CIDFontType2,
            BaseFont=self._name,
            CIDSystemInfo=Dictionary(Registry="Adobe", Ordering="Identity", Supplement=0),
            FontDescriptor=self._document.make_indirect(descriptor),
            CIDToGIDMap=Name.Identity,
            DW=500,
            W=widths,
        )
        self.reference.Subtype = Name.Type0
        self.reference.BaseFont = self._name
        self.reference.Encoding = Name("/Identity-H")
        self.reference.DescendantFonts = Array([self._document.make_indirect(descendant)])
        self.reference.ToUnicode = Stream(self._document, self._to_unicode())

    def _to_unicode(self) -> bytes:
        pairs = [
            f"<{number:04x}> <{character.encode('utf-16-be').hex()}>"
            for number, character in sorted(self._used.items())
        ]
        blocks = [pairs[start : start + 100] for start in range(0, len(pairs), 100)]
        body = "\n".join(f"{len(block)} beginbfchar\n" + "\n".join(block) + "\nendbfchar" for block in blocks)
        return (
            "/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n/CMapType 2 def\n"
            "/CMapName /Adobe-Identity-UCS def\n1 begincodespacerange\n<0000> <ffff>\nendcodespacerange\n"
            f"{body}\nendcmap\nCMapName currentdict /CMap defineresource pop\nend\nend"
        ).encode("ascii")


def _add_sheet(document: Pdf, sheet: Sheet, known: dict[Face, _Embedded]) -> None:
    parts = [_rectangle(Mark(0, 0, sheet.width, sheet.height, fill=sheet.paper), sheet.height)]
    parts += [_rectangle(mark, sheet.height) for mark in sheet.marks]
    names: dict[Face, str] = {}
    for run in sheet.runs:
        if run.face not in known:
            known[run.face] = _Embedded(document, run.face)
        name = names.setdefault(run.face, f"/F{len(names)}")
        parts.append(_shown(run, name, known[run.face], sheet.height))
    for face in names:
        known[face].finish()
    _add_page(
        document,
        (sheet.width, sheet.height),
        Dictionary(Font=Dictionary({name: known[face].reference for face, name in names.items()})),
        b"\n".join(parts),
    )


def _add_scan(document: Pdf, scan: Scan) -> None:
    height, width = scan.pixels.shape[:2]
    done, data = cv2.imencode(".jpg", scan.pixels, [cv2.IMWRITE_JPEG_QUALITY, SCAN_QUALITY])
    assert done
    picture = Stream(document, data.tobytes())
    picture.stream_dict = Dictionary(
        Type=Name.XObject,
        Subtype=Name.Image,
        Width=width,
        Height=height,
        ColorSpace=Name.DeviceRGB,
        BitsPerComponent=8,
        Filter=Name.DCTDecode,
    )
    size = (width / scan.dpi * 72, height / scan.dpi * 72)
    content = f"q {size[0]:.3f} 0 0 {size[1]:.3f} 0 0 cm /Im0 Do Q".encode("ascii")
    _add_page(document, size, Dictionary(XObject=Dictionary(Im0=picture)), content)


def _add_page(document: Pdf, size: tuple[float, float], resources: Dictionary, content: bytes) -> None:
    page = Dictionary(
        Type=Name.Page,
        MediaBox=Array([0, 0, round(size[0], 3), round(size[1], 3)]),
        Resources=resources,
        Contents=Stream(document, content),
    )
    document.pages.append(pikepdf.Page(document.make_indirect(page)))


def _shown(run: Run, name: str, font: _Embedded, height: float) -> bytes:
    """The words of a run, each where it stands, with a space behind it as printed text has."""
    lines = [f"BT {name} {run.size:.3f} Tf {_colour(run.ink)} rg"]
    for word, left in run.words():
        lines.append(f"1 0 0 1 {left:.3f} {height - run.baseline:.3f} Tm <{font.encoded(word + ' ').hex()}> Tj")
    return "\n".join([*lines, "ET"]).encode("ascii")


def _rectangle(mark: Mark, height: float) -> bytes:
    box = f"{mark.x:.3f} {height - mark.y - mark.height:.3f} {mark.width:.3f} {mark.height:.3f} re"
    match mark.fill, mark.outline:
        case None, None:
            return b""
        case None, outline if outline is not None:
            return f"{_colour(outline)} RG {mark.stroke} w {box} S".encode("ascii")
        case fill, None if fill is not None:
            return f"{_colour(fill)} rg {box} f".encode("ascii")
        case _:
            assert mark.fill is not None
            assert mark.outline is not None
            return f"{_colour(mark.fill)} rg {_colour(mark.outline)} RG {mark.stroke} w {box} B".encode("ascii")


def _colour(colour: Colour) -> str:
    return " ".join(f"{value / 255:.3f}" for value in colour)
