from __future__ import annotations

import io
import re
from collections.abc import Iterable
from xml.etree import ElementTree as ET

import pytest

from handlers.document.output import write_hocr
from handlers.document.output.page import PlacedPage
from handlers.document.records import PageRecord
from tests.support.printed import box, piece, with_words
from tests.support.records import failed_page, printed_page, record, unusual_page

HTML = "{http://www.w3.org/1999/xhtml}"


def written(pages: Iterable[PageRecord], title: str = "") -> bytes:
    out = io.BytesIO()
    write_hocr(iter(pages), out, title)
    return out.getvalue()


def parsed(*pages: PageRecord, title: str = "") -> ET.Element:
    return ET.fromstring(written(pages, title))


def of(kind: str, document: ET.Element) -> list[ET.Element]:
    return [element for element in document.iter() if element.get("class") == kind]


def title_of(element: ET.Element, name: str) -> list[float]:
    found = re.search(rf"(?:^|; ){name} ([-0-9. ]+)", element.get("title", ""))
    return [float(number) for number in found.group(1).split()] if found else []


def test_a_document_is_pages_areas_paragraphs_lines_and_words() -> None:
    document = parsed(printed_page(1), printed_page(2))

    for outer, inner in (
        ("ocr_page", "ocr_carea"),
        ("ocr_carea", "ocr_par"),
        ("ocr_par", "ocr_line"),
        ("ocr_line", "ocrx_word"),
    ):
        children = [child.get("class") for element in of(outer, document) for child in element]
        assert set(children) == {inner}
    capabilities = document.find(f".//{HTML}meta[@name='ocr-capabilities']")
    assert capabilities is not None
    assert {"ocr_page", "ocr_carea", "ocr_par", "ocr_line", "ocrx_word"} <= set(capabilities.get("content", "").split())
    system = document.find(f".//{HTML}meta[@name='ocr-system']")
    assert system is not None
    assert system.get("content") == "an engine 1.0 <&>"


def test_all_text_is_there_in_order_whatever_it_holds() -> None:
    pages = [printed_page(1), unusual_page(2)]

    lines = ["".join(line.itertext()) for line in of("ocr_line", parsed(*pages))]

    assert lines == [line.text for page in pages for line in PlacedPage(page).lines]


def test_ids_are_there_once_and_boxes_lie_in_those_around_them() -> None:
    document = parsed(printed_page(1), unusual_page(2), failed_page(3))

    ids = [element.get("id") for element in document.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    for outer in (element for element in document.iter() if element.get("id")):
        left, top, right, bottom = title_of(outer, "bbox")
        for inner in (child for child in outer if child.get("id")):
            x0, y0, x1, y1 = title_of(inner, "bbox")
            assert left <= x0 <= x1 <= right
            assert top <= y0 <= y1 <= bottom


def test_words_have_their_box_and_their_confidence() -> None:
    document = parsed(record(1, [with_words(piece("one word", 100, 200, 50, 400))]))

    first, second = of("ocrx_word", document)
    assert (title_of(first, "bbox"), title_of(second, "bbox")) == ([100, 200, 250, 250], [300, 200, 500, 250])
    assert title_of(first, "x_wconf") == [90]


def test_pages_in_inches_are_in_pixels_of_which_300_are_one() -> None:
    (page,) = of("ocr_page", parsed(printed_page(1, "inch")))

    assert title_of(page, "bbox") == [0, 0, 2_550, 3_300]
    assert title_of(page, "scan_res") == [300, 300]
    assert title_of(page, "ppageno") == [0]


def test_the_baseline_is_that_of_the_line() -> None:
    """It falls by 10 over 400, and lies a fifth of the height over the lower edge."""
    line = piece("sloping", 0, 0)
    sloping = type(line)("sloping", 1.0, ((100, 200), (500, 210), (500, 260), (100, 250)))
    (found,) = of("ocr_line", parsed(record(1, [sloping])))

    slope, offset = title_of(found, "baseline")
    bottom = title_of(found, "bbox")[3]
    assert slope == pytest.approx(0.025)
    assert bottom + offset == pytest.approx(240)


def test_a_line_that_runs_downwards_has_an_angle_and_no_baseline() -> None:
    down = piece("downwards", 0, 0)
    a, b, c, d = box(100, 100, 30, 400)
    (found,) = of("ocr_line", parsed(record(1, [type(down)("downwards", 1.0, (b, c, d, a))])))

    assert title_of(found, "textangle") == [270]
    assert title_of(found, "baseline") == []


def test_the_title_is_escaped() -> None:
    document = parsed(printed_page(1), title="</title><script>\x00")

    title = document.find(f".//{HTML}title")
    assert title is not None
    assert title.text == "</title><script>"


def test_the_same_records_give_the_same_bytes() -> None:
    pages = [printed_page(1), unusual_page(2), failed_page(3)]

    assert written(pages) == written(pages)
