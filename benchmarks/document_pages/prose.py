"""Pages of running text: print in one and two columns, letters, and print in Devanagari."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from benchmarks.document_pages import wording
from benchmarks.document_pages.fonts import Family, Fonts, Typeface
from benchmarks.document_pages.sheet import Run, Sheet, justified, wrapped

A4 = (595.0, 842.0)
LETTER = (612.0, 792.0)


@dataclass(frozen=True, slots=True)
class _Column:
    """Where running text goes. ``indent`` is that of a paragraph's first line."""

    x: float
    top: float
    bottom: float
    width: float
    size: float
    leading: float
    indent: float
    even: bool


def one_column(draw: Random, fonts: Fonts) -> Sheet:
    """A book's page: a running head with the page's number, maybe a heading, paragraphs."""
    face = draw.choice(fonts.of(Family.SERIF, Family.SERIF, Family.SANS))
    tongue = draw.choice(wording.TONGUES)
    sheet = Sheet(*draw.choice((A4, LETTER, (420.0, 595.0))))
    margin = sheet.width * draw.uniform(0.09, 0.14)
    size = draw.uniform(9.0, 13.0)
    right = sheet.width - margin
    head = draw.choice(tongue.headings)
    sheet.add(
        Run(head, margin, margin * 0.7, size * 0.85, face.regular),
        Run(str(draw.randint(2, 480)), right, margin * 0.7, size * 0.85, face.regular, "right"),
    )
    top = margin * 1.15
    if draw.random() < 0.6:
        top += size * 2
        sheet.add(Run(draw.choice(tongue.headings), sheet.width / 2, top, size * 1.7, face.bold, "middle"))
        top += size * 2.2
    leading = size * draw.uniform(1.2, 1.5)
    column = _Column(
        margin,
        top,
        sheet.height - margin,
        right - margin,
        size,
        leading,
        size * draw.choice((0, 1.6)),
        draw.random() < 0.7,
    )
    _fill(sheet, column, _paragraphs(draw, tongue), face)
    return sheet


def two_columns(draw: Random, fonts: Fonts) -> Sheet:
    """A journal's page: a title over both columns, then the left column before the right one."""
    face = draw.choice(fonts.of(Family.SERIF, Family.SANS))
    tongue = draw.choice(wording.TONGUES)
    sheet = Sheet(*draw.choice((A4, LETTER)))
    margin, gutter = draw.uniform(45, 62), draw.uniform(16, 30)
    size = draw.uniform(8.5, 10.5)
    width = (sheet.width - 2 * margin - gutter) / 2
    top = margin + 24
    sheet.add(Run(draw.choice(tongue.headings), margin, top, size * 2.1, face.bold))
    top += size * 1.9
    sheet.add(Run(f"{draw.choice(tongue.names)}, {draw.choice(tongue.places)}", margin, top, size * 1.1, face.regular))
    top += size * 2.6
    leading, even = size * draw.uniform(1.2, 1.4), draw.random() < 0.7
    source = _paragraphs(draw, tongue)
    for x in (margin, margin + width + gutter):
        _fill(sheet, _Column(x, top, sheet.height - margin, width, size, leading, size, even), source, face)
    return sheet


def letter(draw: Random, fonts: Fonts) -> Sheet:
    face = draw.choice(fonts.of(Family.SERIF, Family.SANS, Family.MONO))
    tongue = draw.choice(wording.TONGUES)
    sheet = Sheet(*draw.choice((A4, LETTER)))
    margin, size = draw.uniform(55, 80), draw.uniform(10, 12)
    leading, right = size * 1.4, sheet.width - margin
    y = margin + 14
    sheet.add(Run(draw.choice(wording.FIRMS), margin, y, size * 1.7, face.bold))
    for text in (*wording.address(draw, tongue), wording.email(draw)):
        y += leading
        sheet.add(Run(text, margin, y, size, face.regular))
    y += leading * 2
    sheet.rule(margin, y - leading, right - margin)
    sheet.add(
        Run(f"Ref: {wording.code(draw, '@@-####/##')}", margin, y, size, face.regular),
        Run(wording.date(draw), right, y, size, face.regular, "right"),
    )
    y += leading * 2
    sheet.add(Run(f"Dear {draw.choice(tongue.names)},", margin, y, size, face.regular))
    for _ in range(draw.randint(2, 4)):
        y += leading * 0.8
        for line in wrapped(wording.paragraph(draw, tongue, draw.randint(2, 4)), face.regular, size, right - margin):
            y += leading
            sheet.add(Run(line, margin, y, size, face.regular))
    y += leading * 2
    sheet.add(Run("With kind regards,", margin, y, size, face.regular))
    sheet.add(Run(draw.choice(tongue.names), margin, y + leading * 2.5, size, face.bold))
    return sheet


def devanagari(draw: Random, fonts: Fonts) -> Sheet:
    """A page of Hindi; ``fonts`` have to have a typeface for it."""
    face = draw.choice(fonts.of(Family.DEVANAGARI))
    sheet = Sheet(*A4)
    margin, size = draw.uniform(60, 80), draw.uniform(12, 15)
    sheet.add(Run(draw.choice(wording.HINDI.headings), margin, margin + size, size * 1.6, face.bold))
    column = _Column(
        margin, margin + size * 2.5, sheet.height * 0.7, sheet.width - 2 * margin, size, size * 1.7, 0.0, even=False
    )
    _fill(sheet, column, _paragraphs(draw, wording.HINDI), face)
    return sheet


def _paragraphs(draw: Random, tongue: wording.Tongue) -> Iterator[str]:
    while True:
        yield wording.paragraph(draw, tongue, draw.randint(2, 6))


def _fill(sheet: Sheet, column: _Column, source: Iterator[str], face: Typeface) -> None:
    """Set paragraphs from ``source`` until the column is full. The last one is cut where the column ends."""
    baseline = column.top + column.size
    while baseline < column.bottom:
        lines = list(_set(next(source), column, face))
        for number, words in enumerate(lines):
            if baseline >= column.bottom:
                return
            indent = column.indent if number == 0 else 0.0
            x, width = column.x + indent, column.width - indent
            if column.even and number < len(lines) - 1:
                sheet.add(*justified(words, x, width, baseline, column.size, face.regular))
            else:
                sheet.add(Run(" ".join(words), x, baseline, column.size, face.regular))
            baseline += column.leading
        baseline += 0.0 if column.indent else column.leading * 0.5


def _set(text: str, column: _Column, face: Typeface) -> Iterator[list[str]]:
    """The words of each line, the first line shorter by the indent."""
    first = next(wrapped(text, face.regular, column.size, column.width - column.indent))
    yield first.split()
    rest = " ".join(text.split()[len(first.split()) :])
    for line in wrapped(rest, face.regular, column.size, column.width):
        yield line.split()
