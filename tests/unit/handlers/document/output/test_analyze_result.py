from __future__ import annotations

import io
import json
import tracemalloc
from collections.abc import Iterable

import pytest

from handlers.document.output import write_analyze_result
from handlers.document.output.azure import AnalyzeResult, Span
from handlers.document.records import PageRecord
from tests.support.printed import piece, with_words
from tests.support.records import failed_page, printed_page, record, unusual_page


def written(pages: Iterable[PageRecord]) -> bytes:
    out = io.BytesIO()
    write_analyze_result(iter(pages), out, "a-model")
    return out.getvalue()


def parsed(*pages: PageRecord) -> AnalyzeResult:
    return AnalyzeResult.model_validate_json(written(pages))


def at(result: AnalyzeResult, span: Span) -> str:
    return result.content[span.offset : span.offset + span.length]


def test_the_result_has_the_names_of_the_api() -> None:
    result = json.loads(written([printed_page(1), failed_page(2)]))

    assert {name: result[name] for name in ("apiVersion", "modelId", "stringIndexType", "contentFormat")} == {
        "apiVersion": "2024-11-30",
        "modelId": "a-model",
        "stringIndexType": "unicodeCodePoint",
        "contentFormat": "text",
    }
    page = result["pages"][0]
    assert set(page) == {"pageNumber", "angle", "width", "height", "unit", "words", "lines", "spans"}
    assert set(page["words"][0]) == {"content", "polygon", "confidence", "span"}
    assert set(page["lines"][0]) == {"content", "polygon", "spans"}
    assert set(result["paragraphs"][0]) == {"role", "content", "boundingRegions", "spans"}
    assert set(result["tables"][0]) == {"rowCount", "columnCount", "cells", "boundingRegions", "spans"}
    assert {"rowIndex", "columnIndex", "content", "boundingRegions", "spans"} <= set(result["tables"][0]["cells"][0])
    assert set(result) == {
        *("apiVersion", "modelId", "stringIndexType", "contentFormat", "pages", "content", "paragraphs", "tables"),
        "coreMachine",
    }


@pytest.mark.parametrize("page", [printed_page(1), printed_page(2, "inch"), unusual_page(3)])
def test_every_span_is_its_text_counted_in_code_points(page: PageRecord) -> None:
    result = parsed(unusual_page(1), page, record(4, []), printed_page(5))

    for found in result.pages:
        for line in found.lines:
            assert [at(result, span) for span in line.spans] == [line.content]
        for word in found.words:
            assert at(result, word.span) == word.content
        assert [at(result, span) for span in found.spans] == ["\n".join(line.content for line in found.lines)]
    for paragraph in result.paragraphs:
        assert " ".join(at(result, span) for span in paragraph.spans).replace("\n", " ") == paragraph.content
    for cell in (cell for table in result.tables for cell in table.cells):
        assert " ".join(at(result, span) for span in cell.spans).replace("\n", " ") == cell.content


def test_offsets_behind_characters_outside_of_the_basic_plane_count_these_once() -> None:
    page = unusual_page(1)
    result = parsed(page)

    line = next(line for line in result.pages[0].lines if "\U0001f600" in line.content)
    following = result.pages[0].lines[result.pages[0].lines.index(line) + 1]
    assert following.spans[0].offset == line.spans[0].offset + len(line.content) + 1


def test_words_lines_and_positions_are_those_of_the_record() -> None:
    page = printed_page(1)
    (found,) = parsed(page).pages

    assert [(line.content, line.polygon) for line in found.lines] == [(line.text, line.polygon) for line in page.lines]
    assert [(word.content, word.polygon, word.confidence) for word in found.words] == [
        (word.text, word.polygon, word.confidence) for line in page.lines for word in line.words
    ]
    assert (found.page_number, found.width, found.height, found.unit, found.angle) == (1, 1_700, 2_200, "pixel", 0)


def test_paragraphs_have_roles_and_tables_cells_that_are_paragraphs_too() -> None:
    result = parsed(printed_page(1), printed_page(2))

    roles = [paragraph.role for paragraph in result.paragraphs]
    assert roles.count("title") == roles.count("pageNumber") == 2
    for table in result.tables:
        assert (table.row_count, table.column_count, len(table.cells)) == (4, 3, 12)
        for cell in table.cells:
            (element,) = cell.elements
            assert result.paragraphs[int(element.removeprefix("/paragraphs/"))].content == cell.content
    assert [table.bounding_regions[0].page_number for table in result.tables] == [1, 2]


def test_every_line_is_in_one_paragraph() -> None:
    result = parsed(printed_page(1), unusual_page(2), printed_page(3))

    covered = sorted(
        offset
        for paragraph in result.paragraphs
        for span in paragraph.spans
        for offset in range(span.offset, span.offset + span.length)
    )
    assert len(covered) == len(set(covered))
    assert {offset for offset, character in enumerate(result.content) if not character.isspace()} <= set(covered)


def test_what_came_of_a_page_is_in_our_own_part() -> None:
    result = parsed(printed_page(1), record(2, []), failed_page(3))

    reports = result.core_machine.pages
    assert [(report.page_number, report.status) for report in reports] == [(1, "read"), (2, "no_text"), (3, "failed")]
    assert [warning.code for warning in reports[1].warnings] == ["NO_TEXT"]
    assert reports[2].error is not None
    assert reports[2].error.code == "DECODE_FAILED"
    assert reports[0].models == ["detects", "recognises"]
    assert [page.page_number for page in result.pages] == [1, 2, 3]


def test_a_document_without_pages_or_text_is_a_result_too() -> None:
    assert parsed().pages == []
    assert parsed(failed_page(1), record(2, [])).content == ""
    assert parsed(record(1, []), printed_page(2)).pages[0].spans == [Span(offset=0, length=0)]


def test_the_same_records_give_the_same_bytes() -> None:
    pages = [printed_page(1), unusual_page(2), failed_page(3)]

    assert written(pages) == written(pages)


class _Counted(io.RawIOBase):
    """Counts what is written, and keeps nothing."""

    def __init__(self) -> None:
        self.count = 0

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        size = memoryview(data).nbytes  # type: ignore[arg-type]
        self.count += size
        return size


def test_a_thousand_pages_do_not_live_in_memory() -> None:
    page = record(1, [with_words(piece(f"a line of seven words {n} or so", 200, 300 + 40 * n)) for n in range(4)])
    pages = (PageRecord.model_validate({**page.model_dump(), "page": n + 1}) for n in range(1_000))
    out = io.BufferedWriter(counted := _Counted())
    write_analyze_result([printed_page(1)], io.BytesIO(), "a-model")

    tracemalloc.start()
    try:
        write_analyze_result(pages, out, "a-model")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    out.flush()
    assert counted.count > 4_000_000
    assert peak < 2_000_000
