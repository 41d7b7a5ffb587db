from __future__ import annotations

import io

from handlers.document.output import page_text, write_text
from handlers.document.records import PageRecord
from tests.support.printed import piece
from tests.support.records import printed_page, record, unusual_page


def written(*pages: PageRecord) -> str:
    out = io.BytesIO()
    write_text(iter(pages), out)
    return out.getvalue().decode()


def one(number: int, *texts: str) -> PageRecord:
    return record(number, [piece(text, 0, 40 * index, width=100) for index, text in enumerate(texts)])


def test_a_line_of_print_is_a_line_and_a_form_feed_parts_pages() -> None:
    assert written(one(1, "a", "b"), one(2, "c")) == "a\nb\n\fc"


def test_a_page_without_text_has_its_place() -> None:
    assert written(one(1), one(2, "b"), one(3), one(4)) == "\n\fb\n\f\n\f"


def test_a_document_without_text_is_empty() -> None:
    assert written(one(1), one(2)) == ""
    assert written() == ""


def test_text_brings_no_page_of_its_own() -> None:
    text = written(unusual_page(1), printed_page(2))

    assert text.count("\f") == 1
    assert text.split("\n\f") == [page_text(unusual_page(1)), page_text(printed_page(2))]
