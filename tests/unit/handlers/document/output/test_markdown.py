from __future__ import annotations

import io
import random
import re
from collections.abc import Iterable
from typing import Any

import pytest
from rich.markdown import Markdown

from handlers.document.output import write_markdown
from handlers.document.output.page import clean
from handlers.document.records import PageRecord
from tests.support.printed import HEIGHT, SIZE, piece
from tests.support.records import UNUSUAL, failed_page, printed_page, record, unusual_page


def written(pages: Iterable[PageRecord]) -> str:
    out = io.BytesIO()
    write_markdown(iter(pages), out)
    return out.getvalue().decode()


def tokens(*pages: PageRecord) -> list[Any]:
    """What a parser of CommonMark with tables and strikethrough makes of the pages."""
    return list(Markdown(written(pages)).parsed)


def shown(found: Iterable[Any]) -> list[str]:
    """What a reader sees of each block of text; only text, or the test fails."""
    blocks = []
    for token in found:
        if token.type == "inline":
            assert {child.type for child in token.children or []} <= {"text", "text_special"}, token.content
            blocks.append("".join(child.content for child in token.children or []))
    return blocks


def kinds(found: Iterable[Any]) -> list[str]:
    return [token.type.removesuffix("_open") for token in found if token.nesting == 1 or token.type == "html_block"]


def test_a_page_has_its_headings_paragraphs_table_list_and_number() -> None:
    found = tokens(printed_page(1))

    assert kinds(found)[:2] == ["heading", "paragraph"]
    assert {"table", "ordered_list", "html_block"} <= set(kinds(found))
    assert kinds(found).count("tr") == 4
    assert '<!-- PageNumber="1" -->' in written([printed_page(1)])
    assert [token.tag for token in found if token.type == "heading_open"] == ["h1"]


def test_a_word_that_a_line_end_parted_is_whole() -> None:
    assert any("here is a broken word" in text for text in shown(tokens(printed_page(1))))


def test_pages_are_parted_by_a_comment() -> None:
    assert written([printed_page(1), failed_page(2), printed_page(3)]).count("<!-- PageBreak -->") == 2


@pytest.mark.parametrize("text", [text for text in UNUSUAL if clean(text)])
def test_a_reader_sees_the_text_and_no_markup_of_it(text: str) -> None:
    page = record(1, [piece(text, 200, 400, width=800)])

    assert " ".join(shown(tokens(page))).split() == clean(text).removeprefix("1. ").split()


@pytest.mark.parametrize("seed", range(30))
def test_no_text_of_signs_becomes_markup(seed: int) -> None:
    chooser = random.Random(seed)
    signs = "\\`*_{}[]()<>#+-.!|~&;:=\"'$^%@/ ab1"
    lines = ["".join(chooser.choices(signs, k=chooser.randint(1, 30))).strip() or "x" for _ in range(9)]
    lines = [text.replace(" ", "", 1) if is_list_item(text) else text for text in lines]
    page = record(1, [piece(text, 200, 300 + 180 * n, width=600) for n, text in enumerate(lines)])

    assert [text.split() for text in shown(tokens(page))] == [text.split() for text in lines]


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("a) Berlin \u2013 the capital", "- a) Berlin \u2013 the capital"),
        ("a. 10 - 4 = 6", "- a. 10 - 4 = 6"),
        ("\u2022 a \u2013 b", "- a \u2013 b"),
        ("(12) twelve", "12) twelve"),
        ("3. three - four", "3. three - four"),
    ],
)
def test_an_item_loses_its_marker_alone(printed: str, expected: str) -> None:
    assert written([record(1, [piece(printed, 200, 400, width=800)])]).strip() == expected


def is_list_item(text: str) -> bool:
    return re.match(r"([*-]|\(?\d+[.)]|\(?[a-z][.)])\s", text) is not None


@pytest.mark.parametrize("text", ['quoted " and --> over', "a -- b", "<script>", "--"])
def test_a_comment_ends_where_it_should(text: str) -> None:
    body = [piece(f"some text of the page {n}", 200, 400 + 1.4 * SIZE * n) for n in range(8)]
    page = record(1, [*body, piece(text, 700, HEIGHT - 80)])

    found = tokens(page)

    assert [token.type for token in found if token.type == "html_block"] == ["html_block"]
    (comment,) = (token.content.strip() for token in found if token.type == "html_block")
    assert comment.startswith('<!-- PageFooter="')
    assert comment.count("--") == 2


def test_cells_are_escaped_and_empty_ones_are_there() -> None:
    rows = [("a|b", "c", "d"), ("e", "", "f"), ("g", "h", "i")]
    lines = [
        piece(text, 200 + 400 * column, 400 + 45 * row)
        for row, cells in enumerate(rows)
        for column, text in enumerate(cells)
        if text
    ]

    assert [text for text in shown(tokens(record(1, lines))) if text] == [text for row in rows for text in row if text]
    assert kinds(tokens(record(1, lines))).count("td") == 6


def test_the_same_records_give_the_same_bytes() -> None:
    pages = [printed_page(1), unusual_page(2), failed_page(3)]

    assert written(pages) == written(pages)
