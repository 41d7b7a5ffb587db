"""PDFs made for tests, records of their pages, and what another library than the product's finds in a PDF."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pikepdf
from pdfminer.converter import PDFPageAggregator
from pdfminer.layout import LTChar, LTContainer, LTItem
from pdfminer.pdfdocument import PDFDocument
from pdfminer.pdfinterp import PDFPageInterpreter, PDFResourceManager
from pdfminer.pdfpage import PDFPage
from pdfminer.pdfparser import PDFParser
from pikepdf import Array, Dictionary, Name
from PIL import Image

from handlers.document.engine import Point, Quad
from handlers.document.files import PagePixels, Unit
from handlers.document.records import LineRecord, PageRecord, WordRecord


@dataclass(frozen=True)
class PageSpec:
    """A page with ``content`` in PDF's operators; ``/F1`` is Helvetica, ``/I1`` is ``image``."""

    content: bytes = b""
    box: tuple[float, float, float, float] = (0, 0, 300, 400)
    crop: tuple[float, float, float, float] | None = None
    rotate: int = 0
    user_unit: float | None = None
    image: Image.Image | None = None


def make_pdf(*specs: PageSpec, **save: object) -> bytes:
    """``save`` goes to pikepdf."""
    with pikepdf.new() as pdf:
        font = pdf.make_indirect(Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Helvetica))
        for spec in specs:
            _add_page(pdf, spec, font)
        return saved(pdf, **save)


def saved(pdf: pikepdf.Pdf, **save: object) -> bytes:
    out = io.BytesIO()
    pdf.save(out, deterministic_id="encryption" not in save, **save)  # type: ignore[arg-type]
    return out.getvalue()


def _add_page(pdf: pikepdf.Pdf, spec: PageSpec, font: pikepdf.Object) -> None:
    pdf.add_blank_page(page_size=(10, 10))
    page = pdf.pages[-1]
    page.obj.MediaBox = Array(spec.box)
    if spec.crop is not None:
        page.obj.CropBox = Array(spec.crop)
    if spec.rotate:
        page.obj.Rotate = spec.rotate
    if spec.user_unit is not None:
        page.obj.UserUnit = spec.user_unit
    resources = Dictionary(Font=Dictionary(F1=font)) if b"/F1" in spec.content else Dictionary()
    if spec.image is not None:
        resources.XObject = Dictionary(I1=image_object(pdf, spec.image))
    page.obj.Resources = resources
    page.obj.Contents = pdf.make_stream(spec.content)


def image_object(pdf: pikepdf.Pdf, image: Image.Image) -> pikepdf.Object:
    assert image.mode in ("L", "RGB")
    stream = pdf.make_stream(image.tobytes())
    stream.Type, stream.Subtype = Name.XObject, Name.Image
    stream.Width, stream.Height, stream.BitsPerComponent = image.width, image.height, 8
    stream.ColorSpace = Name.DeviceGray if image.mode == "L" else Name.DeviceRGB
    return stream


def shown(text: str, x: float, y: float, size: float = 12, mode: int = 0) -> bytes:
    return f"BT {mode} Tr /F1 {size} Tf {x} {y} Td ({text}) Tj ET\n".encode("latin-1")


@dataclass(frozen=True)
class Mark:
    """A rectangle filled with a colour of its own, ``corners`` in user space: upper left, upper right, lower right and
    lower left as its text reads."""

    word: str
    corners: Quad
    colour: tuple[int, int, int]

    @property
    def operators(self) -> bytes:
        red, green, blue = (value / 255 for value in self.colour)
        (ax, ay), *others = self.corners
        lines = " ".join(f"{x:.3f} {y:.3f} l" for x, y in others)
        return f"{red:.5f} {green:.5f} {blue:.5f} rg {ax:.3f} {ay:.3f} m {lines} h f\n".encode("ascii")


def marks(words: Sequence[str], *, left: float, top: float, angle: float = 0, height: float = 14) -> list[Mark]:
    """Words one after the other, four a line, turned counterclockwise by ``angle`` around (``left``, ``top``)."""
    made, x, y = [], 0.0, 0.0
    for number, word in enumerate(words):
        if number and number % 4 == 0:
            x, y = 0.0, y - 2 * height
        width = max(10.0, 0.55 * height * len(word))
        corners = [(x, y), (x + width, y), (x + width, y - height), (x, y - height)]
        a, b, c, d = (_turned(point, angle, left, top) for point in corners)
        made.append(Mark(word, (a, b, c, d), (40 + 3 * number % 200, 10 + 7 * number % 200, number % 180)))
        x += width + 0.4 * height
    return made


def _turned(point: Point, angle: float, left: float, top: float) -> Point:
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    return (left + point[0] * cos - point[1] * sin, top + point[0] * sin + point[1] * cos)


def record_of(page: PagePixels, wanted: Sequence[Mark], number: int = 1, turned: float = 0) -> PageRecord:
    """What an engine would give that reads each mark as its word exactly where it sees it: the mark's colour is looked
    for in the pixels. ``turned`` is how far the marks are turned clockwise as the page is looked at."""
    lines = [[_seen(page, mark, turned) for mark in wanted[start : start + 4]] for start in range(0, len(wanted), 4)]
    return make_record(number, page.width, page.height, page.unit, lines)


def make_record(
    number: int,
    width: float,
    height: float,
    unit: Unit,
    lines: Sequence[Sequence[tuple[str, Sequence[float]]]],
    **others: object,
) -> PageRecord:
    return PageRecord.model_validate(
        {
            "page": number,
            "width": width,
            "height": height,
            "unit": unit,
            "angle": 0.0,
            "status": "read" if lines else "no_text",
            "origin": "ocr",
            "engine": "scripted",
            "models": [],
            "lines": [_line(words) for words in lines],
            **others,
        }
    )


def _line(words: Sequence[tuple[str, Sequence[float]]]) -> LineRecord:
    first, last = words[0][1], words[-1][1]
    return LineRecord(
        text=" ".join(word for word, _ in words),
        confidence=1.0,
        polygon=[*first[:2], *last[2:6], *first[6:]],
        words=[WordRecord(text=word, polygon=list(polygon), confidence=1.0) for word, polygon in words],
    )


def _seen(page: PagePixels, mark: Mark, turned: float) -> tuple[str, list[float]]:
    ys, xs = np.nonzero((page.pixels == mark.colour[::-1]).all(axis=2))
    assert len(xs), f"the mark of {mark.word!r} is not on the page"
    cos, sin = math.cos(math.radians(turned)), math.sin(math.radians(turned))
    along, across = (xs + 0.5) * cos + (ys + 0.5) * sin, (ys + 0.5) * cos - (xs + 0.5) * sin
    start, end, top, bottom = along.min() - 0.5, along.max() + 0.5, across.min() - 0.5, across.max() + 0.5
    corners = ((start, top), (end, top), (end, bottom), (start, bottom))
    points = [((u * cos - v * sin) * page.scale, (u * sin + v * cos) * page.scale) for u, v in corners]
    return mark.word, [float(value) for point in points for value in point]


@dataclass(frozen=True)
class Found:
    """A character, and where its middle is in user space."""

    text: str
    x: float
    y: float


def characters(data: bytes, number: int = 1, password: str = "") -> list[Found]:
    """By pdfminer, which shares no code with PDFium and qpdf."""
    document = PDFDocument(PDFParser(io.BytesIO(data)), password=password)
    page = list(PDFPage.create_pages(document))[number - 1]
    resources = PDFResourceManager()
    device = PDFPageAggregator(resources, laparams=None)
    PDFPageInterpreter(resources, device).process_page(page)
    return _characters(device.get_result(), page)


def _characters(item: LTItem, page: PDFPage) -> list[Found]:
    if isinstance(item, LTChar):
        x, y = _in_user_space(page, (item.x0 + item.x1) / 2, (item.y0 + item.y1) / 2)
        return [Found(item.get_text(), x, y)]
    if isinstance(item, LTContainer):
        return [found for child in item for found in _characters(child, page)]
    return []


def _in_user_space(page: PDFPage, x: float, y: float) -> Point:
    """pdfminer turns the page by its rotation and moves its MediaBox to the origin."""
    left, bottom, right, top = page.mediabox
    match page.rotate:
        case 90:
            return right - y, x + bottom
        case 180:
            return right - x, top - y
        case 270:
            return y + left, top - x
        case _:
            return x + left, y + bottom


def selected(found: Sequence[Found], corners: Quad) -> str:
    """The characters whose middle is inside, in their order, without the spaces around them."""
    return "".join(one.text for one in found if _is_inside((one.x, one.y), corners)).strip()


def _is_inside(point: Point, corners: Quad) -> bool:
    sides = zip(corners, (*corners[1:], corners[0]), strict=True)
    turns = [(bx - ax) * (point[1] - ay) - (by - ay) * (point[0] - ax) for (ax, ay), (bx, by) in sides]
    return all(turn <= 0 for turn in turns) or all(turn >= 0 for turn in turns)


def qpdf_findings(data: bytes) -> list[str]:
    """What qpdf's check has to say, all streams decoded."""
    with pikepdf.open(io.BytesIO(data)) as pdf:
        return [str(problem) for problem in (*pdf.check_pdf_syntax(), *pdf.get_warnings())]
