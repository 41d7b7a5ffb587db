"""What is kept of a page that was read."""

from __future__ import annotations

import numpy as np
import pytest

from handlers.document.engine import Line, PageText, Quad, Word
from handlers.document.files import PagePixels, PageSize, TextLayer, Unit
from handlers.document.reading import PageReading
from handlers.document.records import PageRecord, failed_record, layer_record, lines_of, page_record
from handlers.document.warnings import PageWarning, WarningCode
from tests.support.scripted_pages import QUALITY

BOX: Quad = ((10.06, 20.0), (110.0, 20.0), (110.0, 40.0), (10.0, 40.0))
LINE = Line("two words", 0.912345678, BOX, (Word("two", BOX, 0.9), Word("words", BOX, None)))


def reading(*warnings: PageWarning) -> PageReading:
    return PageReading(PageText((LINE,), 400, 600, 1.23456, "engine 1", ("a", "b")), QUALITY, warnings)


def pixels(unit: Unit, scale: float, *warnings: PageWarning) -> PagePixels:
    page = np.zeros((600, 400, 3), np.uint8)
    return PagePixels(page, 400 * scale, 600 * scale, unit, scale, None, warnings=warnings)


@pytest.mark.parametrize(
    ("unit", "scale", "first"),
    [("pixel", 1.0, [10.1, 20.0]), ("pixel", 2.0, [20.1, 40.0]), ("inch", 0.005, [0.0503, 0.1])],
)
def test_positions_are_in_the_pages_unit(unit: Unit, scale: float, first: list[float]) -> None:
    record = page_record(7, reading(), pixels(unit, scale))

    assert (record.page, record.unit, record.angle) == (7, unit, 1.23)
    assert (record.width, record.height) == (400 * scale, 600 * scale)
    assert record.lines[0].polygon[:2] == first
    assert record.lines[0].words[1].confidence is None
    assert (record.engine, record.models, record.origin) == ("engine 1", ["a", "b"], "ocr")


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (WarningCode.NO_TEXT, "no_text"),
        (WarningCode.UNREADABLE, "unreadable"),
        (WarningCode.LOW_CONFIDENCE, "read"),
    ],
)
def test_the_status_follows_from_what_was_found(code: WarningCode, status: str) -> None:
    shrunk = PageWarning(WarningCode.SHRUNK, 2.0)
    record = page_record(1, reading(PageWarning(code, 0.123456)), pixels("pixel", 1.0, shrunk))

    assert record.status == status
    assert [(warning.code, warning.value) for warning in record.warnings] == [("SHRUNK", 2.0), (code, 0.1235)]


def test_a_record_that_was_stored_is_the_same() -> None:
    record = page_record(1, reading(), pixels("inch", 0.005))

    assert PageRecord.model_validate_json(record.model_dump_json()) == record
    assert lines_of(record)[0].words == (
        Word("two", lines_of(record)[0].polygon, 0.9),
        Word("words", lines_of(record)[0].polygon, None),
    )


def test_the_mean_confidence_counts_characters() -> None:
    sure, unsure = LINE, Line("x", 0.1, BOX)
    record = layer_record(1, TextLayer((sure, unsure), 3.0, 4.0), "reader 2")

    assert record.mean_confidence == round((0.9123 * 9 + 0.1) / 10, 4)
    assert (record.status, record.origin, record.engine, record.quality) == ("read", "text_layer", "reader 2", None)


def test_a_page_that_failed_has_its_size_and_its_error() -> None:
    record = failed_record(PageSize(3, 8.26772, 11.69, "inch"), "DECODE_FAILED", "page 3 is damaged")

    assert (record.page, record.width, record.status, record.lines) == (3, 8.2677, "failed", [])
    assert record.error is not None
    assert record.error.code == "DECODE_FAILED"
    assert record.mean_confidence is None


def test_a_page_in_a_script_that_nothing_reads_is_unreadable_and_keeps_what_is_sure() -> None:
    lines = tuple(Line(text, confidence, BOX) for text, confidence in (("npuBeT", 0.55), ("2024", 0.97)))
    text = PageText(lines, 400, 600, 0.0, "scripted 1", (), unread_script="Cyrillic")
    found = PageReading(text, QUALITY, (PageWarning("NO_TEXT"), PageWarning("BLURRED", 2.0)))

    record = page_record(1, found, pixels("pixel", 1.0))

    assert record.status == "unreadable"
    assert record.text == "2024"
    assert [(one.code, one.value) for one in record.warnings] == [
        ("SCRIPT_NOT_SUPPORTED", "Cyrillic"),
        ("BLURRED", 2.0),
    ]
