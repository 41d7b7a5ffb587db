"""Writing ``analyzeResult`` page by page.

The pages go straight into the file. The content, which runs over all of them, and the paragraphs, the tables and our
own part are spooled meanwhile, and follow them: JSON gives the order of keys no meaning.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import chain
from typing import IO, BinaryIO

from handlers.document.engine import Quad
from handlers.document.layout import Block, BlockKind
from handlers.document.output.azure import (
    API_VERSION,
    STRING_INDEX_TYPE,
    BoundingRegion,
    Cell,
    Line,
    Page,
    PageReport,
    Paragraph,
    Role,
    Span,
    Table,
    Word,
)
from handlers.document.output.page import PlacedLine, PlacedPage
from handlers.document.output.spool import append, spooled
from handlers.document.records import PageRecord

JSON_TYPE = "application/json"

DECIMALS = {"pixel": 1, "inch": 4}
"""Of positions that are computed here, by unit; those of lines and words are as they are stored."""

_ROLES: dict[BlockKind, Role] = {
    BlockKind.TITLE: "title",
    BlockKind.HEADING: "sectionHeading",
    BlockKind.HEADER: "pageHeader",
    BlockKind.FOOTER: "pageFooter",
    BlockKind.PAGE_NUMBER: "pageNumber",
}


def write_analyze_result(pages: Iterable[PageRecord], out: BinaryIO, model_id: str) -> None:
    """Write an object as :class:`handlers.document.output.azure.AnalyzeResult`, in UTF-8.

    The content has a line of text a line, without a sign between pages. Offsets count code points.
    """
    with ExitStack() as stack:
        content, paragraphs, tables, reports = (stack.enter_context(spooled()) for _ in range(4))
        writer = _Writer(content, _Array(paragraphs), _Array(tables), _Array(reports))
        head = {"apiVersion": API_VERSION, "modelId": model_id, "stringIndexType": STRING_INDEX_TYPE}
        out.write(_json({**head, "contentFormat": "text"})[:-1] + b',"pages":[')
        own = _Array(out)
        for record in pages:
            own.add(writer.page(PlacedPage(record)).json_bytes())
        for before, part in (
            (b'],"content":"', content),
            (b'","paragraphs":[', paragraphs),
            (b'],"tables":[', tables),
            (b'],"coreMachine":{"pages":[', reports),
        ):
            out.write(before)
            append(part, out)
        out.write(b"]}}")


class _Array:
    """The members of a JSON array, with commas between them. ``count`` is how many there are."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.count = 0

    def add(self, member: bytes) -> None:
        self._file.write(b"," + member if self.count else member)
        self.count += 1


class _Writer:
    """Keeps where in the content the next page begins."""

    def __init__(self, content: IO[bytes], paragraphs: _Array, tables: _Array, reports: _Array) -> None:
        self._content = content
        self._paragraphs = paragraphs
        self._tables = tables
        self._reports = reports
        self._offset = 0

    def page(self, placed: PlacedPage) -> Page:
        """The page, whose text, paragraphs, tables and report have been written."""
        record, lines = placed.record, placed.lines
        starts = self._write_content(lines)
        for block in placed.blocks:
            self._write_block(block, _Places(placed, starts))
        self._reports.add(_report(record).json_bytes())
        offset = starts[0] if starts else self._offset
        return Page(
            page_number=record.page,
            angle=record.angle,
            width=record.width,
            height=record.height,
            unit=record.unit,
            words=list(chain.from_iterable(map(_words, lines, starts))),
            lines=[_line(line, start) for line, start in zip(lines, starts, strict=True)],
            spans=[Span(offset=offset, length=self._offset - offset)],
        )

    def _write_content(self, lines: Sequence[PlacedLine]) -> list[int]:
        """Where each line begins."""
        starts: list[int] = []
        for line in lines:
            text = f"\n{line.text}" if self._offset else line.text
            self._content.write(_json(text)[1:-1])
            self._offset += len(text)
            starts.append(self._offset - len(line.text))
        return starts

    def _write_block(self, block: Block, places: _Places) -> None:
        if block.kind is BlockKind.TABLE:
            cells = [self._cell(cell.row, cell.column, cell.columns, cell.lines, places) for cell in block.cells]
            self._tables.add(
                Table(
                    row_count=block.row_count,
                    column_count=block.column_count,
                    cells=cells,
                    bounding_regions=places.regions(block.lines),
                    spans=places.spans(block.lines),
                ).json_bytes()
            )
        else:
            self._write_paragraph(block.lines, places, _ROLES.get(block.kind))

    def _cell(self, row: int, column: int, columns: int, lines: Sequence[int], places: _Places) -> Cell:
        element = f"/paragraphs/{self._paragraphs.count}"
        paragraph = self._write_paragraph(lines, places, None)
        return Cell(
            row_index=row,
            column_index=column,
            column_span=columns if columns > 1 else None,
            content=paragraph.content,
            bounding_regions=paragraph.bounding_regions,
            spans=paragraph.spans,
            elements=[element],
        )

    def _write_paragraph(self, lines: Sequence[int], places: _Places, role: Role | None) -> Paragraph:
        """``content`` has a space where the document's content has the end of a line."""
        paragraph = Paragraph(
            role=role, content=places.text(lines), bounding_regions=places.regions(lines), spans=places.spans(lines)
        )
        self._paragraphs.add(paragraph.json_bytes())
        return paragraph


class _Places:
    """Where lines of a page are, in the content and on the page."""

    def __init__(self, placed: PlacedPage, starts: Sequence[int]) -> None:
        self._placed = placed
        self._starts = starts

    def text(self, lines: Sequence[int]) -> str:
        return " ".join(self._placed.lines[index].text for index in lines)

    def spans(self, lines: Sequence[int]) -> list[Span]:
        """One for lines that follow each other."""
        spans: list[Span] = []
        for index in lines:
            start, length = self._starts[index], len(self._placed.lines[index].text)
            if spans and spans[-1].offset + spans[-1].length + 1 == start:
                spans[-1] = Span(offset=spans[-1].offset, length=start + length - spans[-1].offset)
            else:
                spans.append(Span(offset=start, length=length))
        return spans

    def regions(self, lines: Sequence[int]) -> list[BoundingRegion]:
        record = self._placed.record
        polygon = [round(value, DECIMALS[record.unit]) for value in _flat(self._placed.around(lines))]
        return [BoundingRegion(page_number=record.page, polygon=polygon)]


def _line(line: PlacedLine, start: int) -> Line:
    return Line(content=line.text, polygon=_flat(line.polygon), spans=[Span(offset=start, length=len(line.text))])


def _words(line: PlacedLine, start: int) -> Iterator[Word]:
    for word in line.words:
        yield Word(
            content=word.text,
            polygon=_flat(word.polygon),
            confidence=word.confidence,
            span=Span(offset=start + word.start, length=len(word.text)),
        )


def _report(record: PageRecord) -> PageReport:
    return PageReport(
        page_number=record.page,
        status=record.status,
        error=record.error,
        origin=record.origin,
        engine=record.engine,
        models=record.models,
        quality=record.quality,
        warnings=record.warnings,
    )


def _flat(polygon: Quad) -> list[float]:
    return [value for point in polygon for value in point]


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
