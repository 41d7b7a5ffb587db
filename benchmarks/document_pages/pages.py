"""Pages by number: the same kind, condition and content for the same seed, number and fonts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import cv2

from benchmarks.document_pages import paperwork, prose
from benchmarks.document_pages.degrade import CONDITIONS, Shot
from benchmarks.document_pages.fonts import Family, Fonts
from benchmarks.document_pages.pdf import PdfPage, Scan, pdf_of
from benchmarks.document_pages.raster import POINTS_AN_INCH, drawn, word_boxes
from benchmarks.document_pages.sheet import Sheet
from benchmarks.document_pages.truth import Truth, TruthPage, write_truth

KINDS: Mapping[str, Callable[[Random, Fonts], Sheet]] = {
    "print": prose.one_column,
    "columns": prose.two_columns,
    "letter": prose.letter,
    "form": paperwork.form,
    "receipt": paperwork.receipt,
    "invoice": paperwork.invoice,
    "card": paperwork.identity_card,
    "hindi": prose.devanagari,
}
PDFS = ("scanned-pdf", "text-pdf", "mixed-pdf")
ALL_CONDITIONS = (*CONDITIONS, *PDFS)
RESOLUTIONS: Mapping[str, Sequence[int]] = {"receipt": (203,), "card": (300,)}
USUAL_RESOLUTIONS = (150, 200, 200, 300)


@dataclass(frozen=True, slots=True)
class MadePage:
    """A file's bytes with what they say. ``name`` is ``KIND_CONDITION_NUMBER``, ``suffix`` with its dot."""

    name: str
    suffix: str
    data: bytes
    truth: Truth

    def write(self, folder: Path) -> Path:
        """The file with its ``.txt`` and ``.json`` beside it; its path."""
        path = folder / f"{self.name}{self.suffix}"
        path.write_bytes(self.data)
        write_truth(self.truth, folder / self.name)
        return path


def made_pages(
    fonts: Fonts,
    seed: int,
    count: int,
    kinds: Sequence[str] = (),
    conditions: Sequence[str] = (),
) -> Iterator[MadePage]:
    """``count`` pages; kinds and conditions go round so that each meets each. Devanagari needs a face for it."""
    kinds = kinds or [kind for kind in KINDS if kind != "hindi"]
    conditions = conditions or ALL_CONDITIONS
    for number in range(count):
        kind = kinds[number % len(kinds)]
        condition = conditions[(number + number // _common(len(kinds), len(conditions))) % len(conditions)]
        yield made_page(fonts, seed, number, kind, condition)


def made_page(fonts: Fonts, seed: int, number: int, kind: str, condition: str) -> MadePage:
    draw = Random(f"{seed}/{number}/{kind}/{condition}")  # noqa: S311 -- seeded on purpose
    name = f"{kind}_{condition}_{number:04d}"
    if condition in PDFS:
        return _document(draw, fonts, name, kind, condition)
    sheet = KINDS[kind](draw, fonts)
    shot = CONDITIONS[condition](_scanned(draw, sheet, kind), draw)
    suffix = ".jpg" if condition in {"jpeg", "photo", "dark", "noise"} else ".png"
    return MadePage(name, suffix, _encoded(shot, suffix), Truth(kind, condition, (_shot_truth(sheet, shot),)))


def _document(draw: Random, fonts: Fonts, name: str, kind: str, condition: str) -> MadePage:
    """One to three pages; in a mixed one, text and scans take turns."""
    embeddable = fonts.truetype()
    pages: list[PdfPage] = []
    truths = []
    for number in range(draw.randint(2 if condition == "mixed-pdf" else 1, 3)):
        sheet = KINDS[kind](draw, embeddable)
        truths.append(_sheet_truth(sheet))
        if condition == "text-pdf" or (condition == "mixed-pdf" and number % 2 == 0):
            pages.append(sheet)
        else:
            shot = _scanned(draw, sheet, kind)
            pages.append(Scan(shot.pixels, shot.dpi))
    return MadePage(name, ".pdf", pdf_of(pages), Truth(kind, condition, tuple(truths)))


def _scanned(draw: Random, sheet: Sheet, kind: str) -> Shot:
    dpi = draw.choice(RESOLUTIONS.get(kind, USUAL_RESOLUTIONS))
    return Shot(drawn(sheet, dpi), word_boxes(sheet, dpi / POINTS_AN_INCH), dpi)


def _shot_truth(sheet: Sheet, shot: Shot) -> TruthPage:
    height, width = shot.pixels.shape[:2]
    return TruthPage(width, height, "pixel", sheet.text, shot.words, shot.angle)


def _sheet_truth(sheet: Sheet) -> TruthPage:
    inch = 1 / POINTS_AN_INCH
    return TruthPage(sheet.width * inch, sheet.height * inch, "inch", sheet.text, word_boxes(sheet, inch))


def _encoded(shot: Shot, suffix: str) -> bytes:
    quality = [cv2.IMWRITE_JPEG_QUALITY, 90] if suffix == ".jpg" else [cv2.IMWRITE_PNG_COMPRESSION, 4]
    done, data = cv2.imencode(suffix, shot.pixels, quality)
    assert done
    return data.tobytes()


def _common(first: int, second: int) -> int:
    """After how many steps both have gone round together."""
    return next(number for number in range(first, first * second + 1, first) if number % second == 0)


def has_devanagari(fonts: Fonts) -> bool:
    return bool(fonts.of(Family.DEVANAGARI))
