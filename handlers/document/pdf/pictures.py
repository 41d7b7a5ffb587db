"""The pictures on a page: where they are, and at what resolution."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

from handlers.document.pdf.geometry import Rectangle
from handlers.document.pdf.pdfium import PdfiumPage

Matrix: TypeAlias = tuple[float, float, float, float, float, float]

IDENTITY: Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)

MAX_OBJECTS = 20_000
"""What of a page is looked at; a drawing may have a million objects, and a scan has a few hundred at most."""

MAX_DEPTH = 4
"""Forms within forms that are looked into."""


class Picture(NamedTuple):
    """``share`` of the page that it covers, 0..1, its pixels for a unit of user space, the finer of both ways, and the
    ``box`` of it that is on the page, in user space."""

    share: float
    density: float
    box: Rectangle


class PageContent(NamedTuple):
    """``is_empty`` says that nothing at all is drawn on the page."""

    pictures: tuple[Picture, ...]
    paths: int
    is_empty: bool


def read_content(page: PdfiumPage) -> PageContent:
    found = _Content(page)
    found.read()
    lib, handle = page.lib, page.handle
    is_empty = lib.FPDFPage_CountObjects(handle) <= 0 and lib.FPDFPage_GetAnnotCount(handle) <= 0
    return PageContent(tuple(found.pictures), found.paths, is_empty)


def covered(pictures: Sequence[Picture]) -> float:
    """The share of the page under pictures, 0..1: strips and tiles add up, and layers count once too often."""
    return min(1.0, sum(picture.share for picture in pictures))


def scan_density(pictures: Sequence[Picture]) -> float:
    """The finest density that at least half of what is covered has, in pixels for a unit of user space; 0 for none.

    Where a scan is split in a coarse background and a fine mask, it is the mask's.
    """
    half = covered(pictures) / 2
    area = 0.0
    for picture in sorted(pictures, key=lambda picture: -picture.density):
        area += picture.share
        if area >= half:
            return picture.density
    return 0.0


class _Content:
    def __init__(self, page: PdfiumPage) -> None:
        self.pictures: list[Picture] = []
        self.paths = 0
        self._page = page
        self._lib = page.lib
        self._left = MAX_OBJECTS

    def read(self) -> None:
        lib, handle = self._lib, self._page.handle
        count = lib.FPDFPage_CountObjects(handle)
        self._look_at((lib.FPDFPage_GetObject(handle, n) for n in range(count)), IDENTITY, 0)

    def _look_at(self, objects: Iterator[Any], outer: Matrix, depth: int) -> None:
        lib = self._lib
        for handle in objects:
            if self._left <= 0:
                return
            self._left -= 1
            kind = lib.FPDFPageObj_GetType(handle)
            if kind == lib.FPDF_PAGEOBJ_PATH:
                self.paths += 1
            elif kind == lib.FPDF_PAGEOBJ_IMAGE:
                self._picture(handle, multiplied(self._matrix(handle), outer))
            elif kind == lib.FPDF_PAGEOBJ_FORM and depth < MAX_DEPTH:
                count = lib.FPDFFormObj_CountObjects(handle)
                inner = (lib.FPDFFormObj_GetObject(handle, n) for n in range(count))
                self._look_at(inner, multiplied(self._matrix(handle), outer), depth + 1)

    def _matrix(self, handle: Any) -> Matrix:
        values = self._lib.FS_MATRIX()
        self._lib.FPDFPageObj_GetMatrix(handle, ctypes.byref(values))
        return (values.a, values.b, values.c, values.d, values.e, values.f)

    def _picture(self, handle: Any, matrix: Matrix) -> None:
        columns, rows = ctypes.c_uint(), ctypes.c_uint()
        if not self._lib.FPDFImageObj_GetImagePixelSize(handle, ctypes.byref(columns), ctypes.byref(rows)):
            return
        picture = _measured(matrix, columns.value, rows.value, self._page.geometry.box)
        if picture is not None:
            self.pictures.append(picture)


def multiplied(first: Matrix, then: Matrix) -> Matrix:
    """``first`` and ``then`` one after the other, each a, b, c, d, e, f (ISO 32000-1, 8.3.4)."""
    a, b, c, d, e, f = first
    p, q, r, s, t, u = then
    return (a * p + b * r, a * q + b * s, c * p + d * r, c * q + d * s, e * p + f * r + t, e * q + f * s + u)


def _measured(matrix: Matrix, columns: int, rows: int, page: Rectangle) -> Picture | None:
    """The unit square under ``matrix``; ``None`` where nothing of it is on the page."""
    a, b, c, d, e, f = matrix
    wide, tall = math.hypot(a, b), math.hypot(c, d)
    if not all(map(math.isfinite, matrix)) or wide <= 0 or tall <= 0 or page.width <= 0 or page.height <= 0:
        return None
    xs, ys = (e, e + a, e + c, e + a + c), (f, f + b, f + d, f + b + d)
    seen = Rectangle(min(xs), min(ys), max(xs), max(ys)).common(page)
    share = seen.width * seen.height / (page.width * page.height)
    return Picture(share, max(columns / wide, rows / tall), seen) if share > 0 else None
