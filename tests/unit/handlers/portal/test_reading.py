"""What is told of a document's text: of a page with text all of it, of a portrait nothing that is of no use."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image

from handlers.document.limits import DocumentLimits
from handlers.portal.answer import Success
from handlers.portal.pipeline import Ended, process
from testing.documents import sample_page, tiff_of
from testing.ocr_engines import ReadsNothing, ReadsText
from tests.support.pdfs import PageSpec, make_pdf, shown
from tests.support.portal import LINES, Desk, encoded, envelope, payload, photo

PDF = {"input": {**payload()["input"], "mime_type": "application/pdf", "original_filename": "form.pdf"}}
OF_TEXT = {"NO_TEXT", "UNREADABLE", "LOW_CONFIDENCE", "PARTLY_READ"}


def answer(desk: Desk, **changes: Any) -> Success:
    ended = process(envelope(**changes), desk.context(), desk.around)
    assert isinstance(ended, Ended)
    assert isinstance(ended.answer, Success), ended.answer
    return ended.answer


def codes(found: Success) -> set[str]:
    return {one.code for one in found.warnings}


def form(pages: int = 1) -> bytes:
    lines = b"".join(shown(line, 40, 340 - 40 * row) for row, line in enumerate(LINES))
    return make_pdf(*[PageSpec(lines)] * pages)


def letter() -> Image.Image:
    return sample_page().image.convert("RGB")


@pytest.mark.parametrize("engine", [ReadsNothing(), ReadsText(["il|l"], confidence=0.4)], ids=["nothing", "a pattern"])
def test_a_portrait_has_no_notes_of_text(engine: Any) -> None:
    """What was taken for print on it was none; the fields say that they were not found."""
    found = answer(Desk(answer=encoded(letter()), engine=engine))

    assert not codes(found) & OF_TEXT
    assert [one.status for one in found.fields] == ["missing"] * 3
    assert [one.value for one in found.warnings if one.code == "FIELD_MISSING"] == ["name", "date_of_birth", "state"]


def test_who_asks_for_the_text_is_told_that_there_is_none() -> None:
    assert codes(answer(Desk(answer=encoded(letter()), engine=ReadsNothing()), options={"text": True})) & OF_TEXT


def test_of_a_document_it_is_told() -> None:
    """Nobody sends a portrait as a PDF or as one of several pages."""
    two = tiff_of([letter(), letter()])
    found = answer(Desk(answer=two, engine=ReadsNothing()))

    assert codes(found) & OF_TEXT
    assert [one.value for one in found.warnings if one.code == "FIRST_PAGE_ONLY"] == [2]


def test_of_a_page_with_text_it_is_told_how_sure_it_is() -> None:
    unsure = ReadsText(LINES, confidence=0.81)

    assert codes(answer(Desk(answer=encoded(letter()), engine=unsure))) & OF_TEXT


def test_what_was_done_to_the_picture_is_told_where_nothing_is_read() -> None:
    desk = Desk(answer=photo(1_200, 1_000), limits=DocumentLimits(max_page_pixels=600_000))

    assert "SHRUNK" in codes(answer(desk, definition={"fields": []}))


def test_a_pdf_is_taken_by_its_own_text() -> None:
    engine = ReadsText(["Name: Somebody Else"])

    found = answer(Desk(answer=form(), engine=engine), options={"text": True}, **PDF)

    assert engine.pages == []
    assert [(one.name, one.value) for one in found.fields if one.status == "found"] == [
        ("name", "RAVI KUMAR"),
        ("date_of_birth", "12/03/2001"),
    ]
    assert found.text is not None
    assert found.text.split() == " ".join(LINES).split()
    assert found.metrics.ocr_confidence == 1.0


def test_where_its_text_stands_is_told_in_inches() -> None:
    name = answer(Desk(answer=form()), **PDF).fields[0]

    assert name.polygon is not None
    assert all(0 < value < 5.6 for value in name.polygon)


def test_a_pdf_without_text_is_read() -> None:
    engine = ReadsText(LINES)
    scan = make_pdf(PageSpec(b"q 300 0 0 400 0 0 cm /I1 Do Q", image=letter()))

    found = answer(Desk(answer=scan, engine=engine), **PDF)

    assert len(engine.pages) >= 1
    assert found.fields[0].value == "RAVI KUMAR"


def test_of_several_pages_the_first_is_taken() -> None:
    found = answer(Desk(answer=form(pages=3)), **PDF)

    assert [one.value for one in found.warnings if one.code == "FIRST_PAGE_ONLY"] == [3]


def test_the_text_of_a_pdf_is_not_looked_at_where_nobody_wants_it() -> None:
    found = answer(Desk(answer=form()), definition={"fields": []}, **PDF)

    assert (found.text, found.metrics.ocr_confidence) == (None, None)
