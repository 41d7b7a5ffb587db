"""Whatever a page holds, every format is written whole, and read again."""

from __future__ import annotations

import importlib
import io
from collections.abc import Callable, Iterable
from typing import Any, BinaryIO
from xml.etree import ElementTree as ET

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.markdown import Markdown

from handlers.document.output import (
    draw_overlay,
    page_text,
    write_alto,
    write_analyze_result,
    write_hocr,
    write_markdown,
    write_text,
)
from handlers.document.output.azure import AnalyzeResult, Cell, Paragraph, Span
from handlers.document.output.page import PlacedPage
from handlers.document.records import LineRecord, PageRecord, WordRecord
from tests.support.alto_schema import ALTO

etree: Any = importlib.import_module("lxml.etree")  # comes with pikepdf, and has no types
SCHEMA = etree.XMLSchema(etree.fromstring(ALTO))

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30) | st.sampled_from(
    ["a-", "b", "1. x", "12", "]]>", "-", "--", " ", "\x00", "\u202e", "|", "\f"]
)
polygons = st.lists(st.floats(-2, 302, width=16), min_size=8, max_size=8)
shares = st.floats(0, 1, width=16)


@st.composite
def line_records(draw: st.DrawFn) -> LineRecord:
    text = draw(texts)
    words = text.split() if draw(st.booleans()) else draw(st.lists(texts, max_size=3))
    return LineRecord(
        text=text,
        confidence=draw(shares),
        polygon=draw(polygons),
        words=[
            WordRecord(text=word, polygon=draw(polygons), confidence=draw(shares | st.none())) for word in words if word
        ],
    )


@st.composite
def page_records(draw: st.DrawFn) -> PageRecord:
    return PageRecord(
        page=1,
        width=300,
        height=draw(st.sampled_from([200, 300])),
        unit=draw(st.sampled_from(["pixel", "inch"])),
        angle=draw(st.sampled_from([0.0, 90.0, 180.0, -90.0, 0.3, -179.9, 45.0])),
        status="read",
        origin="ocr",
        engine=draw(texts),
        models=draw(st.lists(texts, max_size=2)),
        lines=draw(st.lists(line_records(), max_size=12)),
    )


def written(write: Callable[[Iterable[PageRecord], BinaryIO], None], *pages: PageRecord) -> bytes:
    out = io.BytesIO()
    write(iter(pages), out)
    return out.getvalue()


def assert_spans_are_their_text(result: AnalyzeResult) -> None:
    def at(span: Span) -> str:
        return result.content[span.offset : span.offset + span.length]

    for page in result.pages:
        assert [at(word.span) for word in page.words] == [word.content for word in page.words]
        assert [[at(span) for span in line.spans] for line in page.lines] == [[line.content] for line in page.lines]
        assert [at(span) for span in page.spans] == ["\n".join(line.content for line in page.lines)]
        ends = [word.span.offset + word.span.length for word in page.words]
        assert all(end <= word.span.offset for end, word in zip(ends, page.words[1:], strict=False))
    cells = [cell for table in result.tables for cell in table.cells]
    parts: list[Paragraph | Cell] = [*result.paragraphs, *cells]
    for part in parts:
        assert " ".join(at(span).replace("\n", " ") for span in part.spans) == part.content


@given(page_records())
@settings(max_examples=80, deadline=None)
def test_any_page_is_written_and_read_again(page: PageRecord) -> None:
    lines = [line.text for line in PlacedPage(page).lines]
    following = page.model_copy(update={"page": 2})

    result = AnalyzeResult.model_validate_json(
        written(lambda pages, out: write_analyze_result(pages, out, "m"), page, following)
    )
    hocr = ET.fromstring(written(write_hocr, page, following))
    alto = etree.fromstring(written(write_alto, page, following))
    Markdown(written(write_markdown, page, following).decode())

    assert result.content == "\n".join(lines * 2)
    assert [line.content for found in result.pages for line in found.lines] == lines * 2
    assert_spans_are_their_text(result)
    assert sorted(
        "".join(element.itertext()) for element in hocr.iter() if element.get("class") == "ocr_line"
    ) == sorted(lines * 2)
    SCHEMA.assertValid(alto)
    assert written(write_text, page).decode() == page_text(page) == "\n".join(lines)


@given(page_records())
@settings(max_examples=20, deadline=None)
def test_any_page_is_drawn(page: PageRecord) -> None:
    assert draw_overlay(np.full((40, 60, 3), 255, np.uint8), page, 60).startswith(b"\xff\xd8")
