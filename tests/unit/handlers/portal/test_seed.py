"""The five portals are what their requirements say, number for number."""

from __future__ import annotations

import pytest

from handlers.portal.fields.slips import folded
from handlers.portal.schema import FieldKind, PortalSchema
from handlers.portal.seed import SEED

BY_NAME = {schema.name: schema for schema in SEED}

TABLE = [
    ("NEET 2026", 200, 230, 200, 10, 100, "jpeg", "white", 50, 75),
    ("JEE Main 2026", 150, 200, 200, 10, 80, "jpeg", "white", 50, 75),
    ("Aadhaar Update", 350, 450, 300, 20, 200, "jpeg, png", "white", 60, 80),
    ("Passport India", 413, 531, 300, 20, 300, "jpeg", "white", 70, 80),
    ("College Generic", 150, 200, 150, 5, 50, "jpeg, png", "any", 40, 80),
]

FIELDS = {
    "NEET 2026": "name upper, date_of_birth date, category choice, state text",
    "JEE Main 2026": "name upper, application_number [0-9]{12}, date_of_birth date, father_name text, "
    "exam_centre text?",
    "Aadhaar Update": "name title, uid XXXX-XXXX-dddd, address text, date_of_birth date, gender choice",
    "Passport India": "surname text, given_name text, date_of_birth date, place_of_birth text, nationality text, "
    "passport_number [A-Z][0-9]{7}?",
    "College Generic": "name text, enrolment_number [A-Z0-9]{6,20}, course text, batch_year 20[0-9]{2}, "
    "department text?",
}


def test_a_row_of_the_table_each() -> None:
    rows = []
    for schema in SEED:
        rules = schema.schema_definition
        assert rules.face is not None
        pixels = (rules.target_width, rules.target_height, rules.target_dpi)
        limits = (rules.min_kb, rules.max_kb, ", ".join(rules.formats), rules.background)
        rows.append((schema.name, *pixels, *limits, rules.face.min_percent, rules.face.max_percent))

    assert rows == TABLE


@pytest.mark.parametrize("schema", SEED, ids=lambda schema: schema.name)
def test_their_fields(schema: PortalSchema) -> None:
    told = [
        f"{field.name} {field.case or field.pattern or field.mask or field.kind}{'' if field.required else '?'}"
        for field in schema.schema_definition.fields
    ]

    assert ", ".join(told) == FIELDS[schema.name]


def test_categories_are_those_five() -> None:
    (category,) = [field for field in BY_NAME["NEET 2026"].schema_definition.fields if field.kind is FieldKind.CHOICE]

    assert category.choices == ("GENERAL", "OBC", "SC", "ST", "EWS")


@pytest.mark.parametrize("schema", SEED, ids=lambda schema: schema.name)
def test_no_two_fields_of_a_portal_have_the_same_label(schema: PortalSchema) -> None:
    labels = [folded(label) for field in schema.schema_definition.fields for label in {*map(folded, field.labels)}]

    assert len(labels) == len(set(labels))


@pytest.mark.parametrize("schema", SEED, ids=lambda schema: schema.name)
def test_every_field_is_found_by_an_english_and_a_hindi_label(schema: PortalSchema) -> None:
    for field in schema.schema_definition.fields:
        assert any(label.isascii() for label in field.labels)
        assert any("\u0900" <= label[0] <= "\u097f" for label in field.labels), field.name


def test_each_is_the_first_active_version_with_an_id_of_its_own() -> None:
    assert {(schema.version, schema.status) for schema in SEED} == {(1, "active")}
    assert len({schema.id for schema in SEED}) == len(SEED)
