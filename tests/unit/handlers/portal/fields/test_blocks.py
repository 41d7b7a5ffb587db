"""An address runs over the lines of its column, to the next label, a blank or its postal code."""

from __future__ import annotations

import json

import pytest

from handlers.document.engine import Line
from handlers.portal.fields import FieldResult, map_fields
from handlers.portal.schema import FieldRule
from handlers.portal.seed import AADHAAR
from tests.support.printed import SIZE, piece, with_words
from tests.support.records import record

RIGHT = 600.0
STREET, PLACE, CITY = "12, Lake View Road", "Near Old Market", "Mysuru - 570001"


def at(text: str, row: int, left: float = 100.0) -> Line:
    return with_words(piece(text, left, 100.0 + 40.0 * row))


def fields(*lines: Line) -> dict[str, FieldResult]:
    return {one.name: one for one in map_fields(AADHAAR.fields, [record(1, lines)])}


def address(*lines: Line) -> str | None:
    return fields(*lines)["address"].value


def test_to_its_postal_code() -> None:
    lines = [at(f"Address: {STREET}", 0), at(PLACE, 1), at(CITY, 2), at("Seal of the office", 3)]

    assert address(*lines) == f"{STREET} {PLACE} {CITY}"


def test_under_its_label() -> None:
    assert address(at("Address:", 0), at(STREET, 1), at(PLACE, 2), at(CITY, 3)) == f"{STREET} {PLACE} {CITY}"


def test_in_the_column_to_the_right() -> None:
    lines = [at("Address", 0), at(STREET, 0, RIGHT), at(PLACE, 1, RIGHT), at("Gender", 2), at("Male", 2, RIGHT)]

    assert address(*lines) == f"{STREET} {PLACE}"
    assert fields(*lines)["gender"].value == "Male"


def test_under_what_stands_behind_the_label() -> None:
    lines = [at(f"Address: {STREET}", 0), at(PLACE, 1, 210.0), at(CITY, 2, 210.0)]

    assert address(*lines) == f"{STREET} {PLACE} {CITY}"


def test_beside_another_column() -> None:
    lines = [
        at(f"Address: {STREET}", 0),
        at("DOB: 12/03/2001", 0, 1_000.0),
        at(PLACE, 1),
        at("Gender: Male", 1, 1_000.0),
        at(CITY, 2),
    ]

    found = fields(*lines)

    assert found["address"].value == f"{STREET} {PLACE} {CITY}"
    assert (found["date_of_birth"].value, found["gender"].value) == ("12/03/2001", "Male")


@pytest.mark.parametrize(
    "after",
    [
        "Name: Ravi Kumar",
        "Ration Card No: 123",
        "Mobile No 9876543210",
        "2341 2341 2346",
        "help@office.example",
        "....",
    ],
)
def test_to_what_is_something_else(after: str) -> None:
    assert address(at(f"Address: {STREET}", 0), at(PLACE, 1), at(after, 2)) == f"{STREET} {PLACE}"


def test_to_a_blank() -> None:
    assert address(at(f"Address: {STREET}", 0), at(PLACE, 1), at("Signed before me", 3)) == f"{STREET} {PLACE}"


def test_its_parts_have_labels_of_their_own() -> None:
    parts = ["S/O: Sohan Lal, 12 Lake View", "VTC: Mysuru, PO: Fort", "District: Mysuru", "PIN Code: 570001"]

    assert address(at("Address:", 0), *(at(text, row) for row, text in enumerate(parts, 1))) == " ".join(parts)


def test_no_longer_than_an_address_is() -> None:
    value = address(at("Address:", 0), *(at(f"word{row} road", row) for row in range(1, 20)))

    assert value is not None
    assert value.split()[-2] == "word8"


def test_a_mail_address_is_none() -> None:
    assert address(at("Email Address: someone@example.org", 0), at(PLACE, 1)) is None


def test_each_line_has_its_polygon() -> None:
    found = fields(at(f"Address: {STREET}", 0), at(PLACE, 1), at(CITY, 2))["address"]

    assert found.polygon is not None
    assert [(line[1], line[5]) for line in found.lines] == [(100 + 40 * n, 100 + 40 * n + SIZE) for n in range(3)]
    assert found.lines[0][0] > found.lines[1][0]
    assert (found.polygon[1], found.polygon[5]) == (found.lines[0][1], found.lines[-1][5])


def test_another_text_has_one_line() -> None:
    rule = FieldRule.model_validate_json(json.dumps({"name": "name", "kind": "text", "labels": ["Name"]}))

    (found,) = map_fields([rule], [record(1, [at("Name: Ravi", 0), at("Kumar", 1)])])

    assert (found.value, len(found.lines)) == ("Ravi", 1)
