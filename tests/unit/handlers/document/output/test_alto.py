from __future__ import annotations

import importlib
import io
from collections.abc import Iterable
from typing import Any

import pytest

from handlers.document.output import write_alto
from handlers.document.output.page import PlacedPage
from handlers.document.records import PageRecord
from tests.support.alto_schema import ALTO
from tests.support.printed import piece, with_words
from tests.support.records import failed_page, printed_page, record, unusual_page

etree: Any = importlib.import_module("lxml.etree")  # comes with pikepdf, and has no types

NAMES = {"a": "http://www.loc.gov/standards/alto/ns-v4#"}
SCHEMA = etree.XMLSchema(etree.fromstring(ALTO))


def written(pages: Iterable[PageRecord]) -> bytes:
    out = io.BytesIO()
    write_alto(iter(pages), out)
    return out.getvalue()


def parsed(*pages: PageRecord) -> Any:
    document = etree.fromstring(written(pages))
    SCHEMA.assertValid(document)
    return document


def found(document: Any, path: str) -> list[Any]:
    return list(document.findall(path, NAMES))


@pytest.mark.parametrize(
    "page",
    [printed_page(1), printed_page(1, "inch"), unusual_page(1), record(1, []), failed_page(1)],
    ids=["printed", "inch", "unusual", "empty", "failed"],
)
def test_a_document_is_valid(page: PageRecord) -> None:
    parsed(page, printed_page(2), failed_page(3))


def test_all_text_is_there_in_order() -> None:
    pages = [printed_page(1), unusual_page(2)]

    lines = [
        "".join(
            " " if etree.QName(part).localname == "SP" else part.get("CONTENT") or "" for part in line.iterchildren()
        )
        for line in found(parsed(*pages), ".//a:TextLine")
    ]

    assert lines == [line.text for page in pages for line in PlacedPage(page).lines]


def test_a_parted_word_names_the_whole_on_both_sides() -> None:
    document = parsed(printed_page(1))

    (first,) = found(document, ".//a:String[@SUBS_TYPE='HypPart1']")
    (second,) = found(document, ".//a:String[@SUBS_TYPE='HypPart2']")
    (hyphen,) = found(document, ".//a:HYP")
    assert (first.get("CONTENT"), second.get("CONTENT"), hyphen.get("CONTENT")) == ("bro", "ken", "-")
    assert first.get("SUBS_CONTENT") == second.get("SUBS_CONTENT") == "broken"


@pytest.mark.parametrize(("unit", "name", "scale"), [("pixel", "pixel", 1), ("inch", "inch1200", 6)])
def test_positions_are_in_the_unit_that_is_named(unit: str, name: str, scale: float) -> None:
    """The page in inches is that in pixels at 200 an inch."""
    page = record(1, [with_words(piece("word", 100, 200, 50, 300))], "inch" if unit == "inch" else "pixel")
    document = parsed(page)

    assert [element.text for element in found(document, ".//a:MeasurementUnit")] == [name]
    (element,) = found(document, ".//a:Page")
    assert (float(element.get("WIDTH", "")), float(element.get("HEIGHT", ""))) == (1_700 * scale, 2_200 * scale)
    for string in found(document, ".//a:String"):
        position = [float(string.get(key, "")) for key in ("HPOS", "VPOS", "WIDTH", "HEIGHT")]
        assert position == pytest.approx([100 * scale, 200 * scale, 300 * scale, 50 * scale])
        assert string.get("WC") == "0.9"


def test_blocks_are_tagged_and_a_table_is_composed_of_its_cells() -> None:
    document = parsed(printed_page(1))

    labels = {tag.get("ID"): tag.get("LABEL") for tag in found(document, ".//a:StructureTag")}
    kinds = [labels[block.get("TAGREFS")] for block in found(document, ".//*[@TAGREFS]")]
    assert {"title", "paragraph", "table", "list_item", "page_number"} == set(kinds)
    assert len(found(document, ".//a:ComposedBlock/a:TextBlock")) == 12


def test_what_read_a_page_is_named_once_and_referred_to() -> None:
    document = parsed(printed_page(1), printed_page(2), failed_page(3))

    (name,) = found(document, ".//a:softwareName")
    assert name.text == "an engine 1.0 <&>"
    assert [page.get("PROCESSINGREFS") for page in found(document, ".//a:Page")] == ["READER_1", "READER_1", None]


def test_the_same_records_give_the_same_bytes() -> None:
    pages = [printed_page(1), unusual_page(2), failed_page(3)]

    assert written(pages) == written(pages)
