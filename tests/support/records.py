"""Records of pages, seeded, as they are stored."""

from __future__ import annotations

from collections.abc import Sequence

from handlers.document.engine import Line
from handlers.document.files import Unit
from handlers.document.records import (
    LineRecord,
    PageRecord,
    QualityRecord,
    WarningRecord,
    WordRecord,
)
from handlers.document.warnings import WarningCode
from tests.support.printed import HEIGHT, PITCH, SIZE, WIDTH, Printer, piece, with_words

UNUSUAL = (
    "a\u0000b \u0007bell",
    "]]> <b>&amp;</b> \"quoted\" 'single' --> <!--",
    "form\ffeed and\u2028line separator",
    "\u202egnp.exe\u202c and \u2066isolated\u2069",
    "\u05e9\u05dc\u05d5\u05dd \u0633\u0644\u0627\u0645",
    "\ufffe \U0001ffff \U0001f600 a\u0301e\u0301",
    "# *not* a _heading_ | `code` [link](x) ~~gone~~ $x$ \\",
    "1. not a list",
    "+ neither",
    "x" * 5_000,
    "\u7b2c\u4e00\u884c \u4e8c",
    "\u0001\u0002",
)
"""Texts that have spoiled some format or other. One has nothing that can be written."""


def record(number: int, lines: Sequence[Line], unit: Unit = "pixel", angle: float = 0.0) -> PageRecord:
    """A page of 1,700 x 2,200 pixels, or in inches at 200 pixels each."""
    scale = 1.0 if unit == "pixel" else 1 / 200
    return PageRecord(
        page=number,
        width=WIDTH * scale,
        height=HEIGHT * scale,
        unit=unit,
        angle=angle,
        status="read" if lines else "no_text",
        origin="ocr",
        engine="an engine 1.0 <&>",
        models=["detects", "recognises"],
        lines=[_line(line, scale) for line in lines],
        quality=QualityRecord(score=0.9, measures={"blur": 0.6}),
        warnings=[] if lines else [WarningRecord(code=WarningCode.NO_TEXT)],
    )


def printed_page(number: int, unit: Unit = "pixel") -> PageRecord:
    """A title, two paragraphs, of which a word is parted, a table, a list and a page number, all with words."""
    printer = Printer(number)
    step = SIZE * PITCH
    lines = [
        piece(f"The {printer.word()}", 600, 300, 60),
        *printer.paragraphs(200, 450, 1_300, 6),
        piece("and here is a bro-", 200, 450 + 8 * step),
        piece("ken word in the end", 200, 450 + 9 * step),
        *[
            piece(text, left, 450 + (12 + 1.5 * row) * step)
            for row in range(4)
            for left, text in ((200, printer.word()), (700, printer.word()), (1_100, f"{row}.50"))
        ],
        piece("1. one item", 200, 450 + 20 * step),
        piece("2. another item", 200, 450 + 21 * step),
        piece(str(number), 840, 2_120),
    ]
    return record(number, [with_words(line) for line in lines], unit)


def unusual_page(number: int) -> PageRecord:
    """A line each of :data:`UNUSUAL`, its words known as far as the text can be parted."""
    lines = [piece(text, 100, 200 + 60 * index, width=1_000) for index, text in enumerate(UNUSUAL)]
    return record(number, [with_words(line) if index % 2 else line for index, line in enumerate(lines)])


def failed_page(number: int) -> PageRecord:
    return PageRecord.model_validate(
        {
            **record(number, []).model_dump(),
            "status": "failed",
            "error": {"code": "DECODE_FAILED", "message": "the content is damaged"},
            "engine": "",
            "models": [],
            "quality": None,
            "warnings": [],
        }
    )


def _line(line: Line, scale: float) -> LineRecord:
    return LineRecord(
        text=line.text,
        confidence=line.confidence,
        polygon=[round(value * scale, 4) for point in line.polygon for value in point],
        words=[
            WordRecord(
                text=word.text,
                polygon=[round(value * scale, 4) for point in word.polygon for value in point],
                confidence=word.confidence,
            )
            for word in line.words or ()
        ],
    )
