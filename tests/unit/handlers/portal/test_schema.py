"""A definition is taken whole and exact, or refused for a reason that is told."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from handlers.portal.safe_pattern import MAX_PATTERN, MAX_WAYS, check_pattern
from handlers.portal.schema import (
    FieldRule,
    Fit,
    ImageFormat,
    PortalSchema,
    SchemaDefinition,
    canonical_json,
    check_schema_name,
)
from handlers.portal.seed import SEED

EIGHT: dict[str, Any] = {
    "target_width": 200,
    "target_height": 230,
    "target_dpi": 200,
    "min_kb": 10,
    "max_kb": 100,
    "filename_pattern": "{job_id}_{original}",
    "output_format": "jpeg",
    "quality": 90,
}
FACE = {"min_percent": 50, "max_percent": 75}
FIELD: dict[str, Any] = {"name": "name", "kind": "text", "labels": ["Name"]}


def definition(**changed: object) -> SchemaDefinition:
    return SchemaDefinition.model_validate_json(json.dumps({**EIGHT, **changed}))


def without(key: str) -> SchemaDefinition:
    return SchemaDefinition.model_validate_json(
        json.dumps({name: value for name, value in EIGHT.items() if name != key})
    )


def field(**changed: object) -> FieldRule:
    return FieldRule.model_validate_json(json.dumps({**FIELD, **changed}))


def refusal(caught: pytest.ExceptionInfo[ValidationError]) -> str:
    return "; ".join(f"{problem['loc']}: {problem['msg']}" for problem in caught.value.errors())


def test_the_eight_keys_of_a_payload_are_enough() -> None:
    taken = definition()

    assert (taken.target_width, taken.target_height, taken.min_kb, taken.max_kb) == (200, 230, 10, 100)
    assert (taken.formats, taken.fit, taken.fields) == ((), Fit.COVER, ())


@pytest.mark.parametrize("key", sorted(EIGHT.keys() - {"quality"}))
def test_nothing_that_an_image_could_be_refused_for_has_a_default(key: str) -> None:
    with pytest.raises(ValidationError, match="Field required"):
        without(key)


@pytest.mark.parametrize("key", ["target_width", "target_height", "target_dpi", "quality"])
@pytest.mark.parametrize("value", [0, -1, 10_001, True, False, 200.0, 200.5, "200", None, [], 10**30])
def test_a_dimension_is_a_whole_number_in_its_range_and_nothing_that_may_become_one(key: str, value: object) -> None:
    with pytest.raises(ValidationError, match=key):
        definition(**{key: value})


@pytest.mark.parametrize("key", ["min_kb", "max_kb"])
@pytest.mark.parametrize("value", [0, -1, True, "10", None, 10**9, math.nan, math.inf])
def test_a_limit_is_a_number_over_zero(key: str, value: object) -> None:
    with pytest.raises(ValidationError, match=key):
        definition(**{key: value})


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"colour": "any"}, "Extra inputs are not permitted"),
        ({"min_kb": 101}, "min_kb is more than max_kb"),
        ({"min_kb": 10.0001, "max_kb": 10.0002}, "no whole number of bytes"),
        ({"target_width": 10_000, "target_height": 10_000}, "less than any image of these pixels"),
        ({"output_format": "gif"}, "output_format"),
        ({"formats": ["png"]}, "output_format is none of formats"),
        ({"formats": ["jpeg", "jpeg"]}, "a format is there twice"),
        ({"fit": "face"}, "fit face needs face"),
        ({"fit": "stretch"}, "fit"),
        ({"face": {"min_percent": 76, "max_percent": 75}}, "min_percent is more than max_percent"),
        ({"face": {"min_percent": 0, "max_percent": 75}}, "greater than 0"),
        ({"face": {"min_percent": 50, "max_percent": 100.5}}, "less than or equal to 100"),
        ({"face": {"min_percent": 50}}, "Field required"),
        ({"replace_background": True}, "replace_background needs a background"),
        ({"replace_background": 1}, "replace_background"),
        ({"fields": [FIELD, FIELD]}, "two fields have the same name"),
        ({"fields": [{**FIELD, "labels": []}]}, "labels"),
        ({"fields": [{**FIELD, "label": "Name"}]}, "Extra inputs are not permitted"),
    ],
)
def test_what_no_image_could_meet_is_refused_with_its_reason(changed: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError) as caught:
        definition(**changed)

    assert told in refusal(caught)


@pytest.mark.parametrize(
    "pattern",
    [
        "photos/{job_id}",
        "photos\\{job_id}",
        "",
        "{name}",
        "{job_id",
        "job_id}",
        "{{job_id}}",
        "{}",
        "{job_id!r}",
        "{job_id:>10}",
        "a\nb",
        "a\0b",
        "x" * 129,
    ],
)
def test_a_filename_pattern_names_nothing_but_what_there_is(pattern: str) -> None:
    with pytest.raises(ValidationError, match="filename_pattern"):
        definition(filename_pattern=pattern)


@pytest.mark.parametrize("pattern", ["photo", "{job_id}", "{user_id}-{original}-{timestamp}.jpg"])
def test_a_filename_pattern_may_name_each_place(pattern: str) -> None:
    assert definition(filename_pattern=pattern).filename_pattern == pattern


def test_a_png_of_many_pixels_may_be_small() -> None:
    assert definition(output_format="png", target_width=10_000, target_height=10_000).output_format is ImageFormat.PNG


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"name": "Name"}, "name"),
        ({"kind": "number"}, "kind"),
        ({"kind": "pattern"}, "a pattern is there for the kind pattern"),
        ({"pattern": "[0-9]"}, "a pattern is there for the kind pattern"),
        ({"kind": "choice"}, "choices are there for the kind choice"),
        ({"kind": "choice", "choices": []}, "choices are there for the kind choice"),
        ({"kind": "choice", "choices": ["SC", "sc"]}, "there twice"),
        ({"kind": "choice", "choices": ["--"]}, "without a letter or a digit"),
        ({"labels": ["Name", "NAME"]}, "there twice"),
        ({"labels": ["..."]}, "without a letter or a digit"),
        ({"labels": ["Name\0"]}, "with a control character"),
        ({"kind": "date", "case": "upper"}, "case is of the kind text"),
        ({"mask": "---"}, "a mask has an X or a d"),
        ({"mask": "XX99"}, "mask"),
        ({"kind": "uid", "mask": "XX-dd"}, "12 of X and d"),
        ({"required": "yes"}, "required"),
    ],
)
def test_a_field_that_could_not_be_found_is_refused(changed: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError) as caught:
        field(**changed)

    assert told in refusal(caught)


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("(", "a pattern is of"),
        ("(a+)+", "a pattern is of"),
        ("[0-9]*", "a pattern is of"),
        ("[0-9]+", "a pattern is of"),
        ("a|b", "a pattern is of"),
        (".{3}", "a pattern is of"),
        (r"\d{3}", "a pattern is of"),
        ("[^a]", "a pattern is of"),
        ("[0-9", "a pattern is of"),
        ("[9-0]", "does not compile"),
        ("a{3,2}", "does not compile"),
        ("a{0}", "no value"),
        ("a{65}", "no value"),
        ("[A-Z]{1,60}" * 3, "too many ranges"),
        ("a" * (MAX_PATTERN + 1), "at most"),
    ],
)
def test_a_pattern_that_does_not_compile_or_may_take_long_is_refused(pattern: str, told: str) -> None:
    with pytest.raises(ValidationError) as caught:
        field(kind="pattern", pattern=pattern)

    assert told in refusal(caught)


_COUNT = st.tuples(st.integers(0, 40), st.integers(0, 40)).map(lambda ends: f"{{{min(ends)},{max(ends)}}}")
_PIECE = st.tuples(st.sampled_from(["[A-Z]", "[A-Z0-9]", "A", "[0-9]"]), st.just("") | _COUNT).map("".join)


class Steps:
    """Counts what a backtracking matcher does at most, which ``re`` does not tell."""

    def __init__(self, pattern: str) -> None:
        pieces = re.findall(r"(\[[^]]+\]|\w)(?:\{(\d+),(\d+)\})?", pattern)
        self._pieces = [(re.compile(one), int(least or 1), int(most or 1)) for one, least, most in pieces]
        self.taken = 0

    def match(self, text: str, at: int = 0, piece: int = 0) -> bool:
        self.taken += 1
        if piece == len(self._pieces):
            return at == len(text)
        one, least, most = self._pieces[piece]
        end = at
        while end < len(text) and end - at < most and one.match(text, end):
            end += 1
            self.taken += 1
        return any(self.match(text, stop, piece + 1) for stop in range(end, at + least - 1, -1))


@settings(max_examples=100)
@given(st.lists(_PIECE, min_size=1, max_size=8).map("".join), st.sampled_from("A0"))
def test_no_pattern_that_is_taken_makes_a_matcher_work_without_bound(pattern: str, letter: str) -> None:
    try:
        check_pattern(pattern)
    except ValueError:
        return
    steps = Steps(pattern)

    steps.match(letter * 63 + "!")

    assert steps.taken <= MAX_WAYS * 64 * 2


@pytest.mark.parametrize("pattern", ["[A-Z][0-9]{7}", "[A-Z0-9]{6,20}", "[0-9]{12}", "20[0-9]{2}", "A1"])
def test_patterns_that_portals_have_are_taken(pattern: str) -> None:
    assert field(kind="pattern", pattern=pattern).pattern == pattern


def test_a_refusal_quotes_nothing_of_what_was_given() -> None:
    with pytest.raises(ValidationError) as caught:
        definition(target_width="SECRET", filename_pattern="{SECRET}", fields=[{**FIELD, "pattern": "(SECRET"}])

    assert "SECRET" not in str(caught.value)


def test_a_definition_does_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        definition().target_width = 1


def test_the_digest_is_of_the_rules_and_not_of_how_they_were_written() -> None:
    written = definition(min_kb=10.0, fit="cover", face=FACE)
    again = SchemaDefinition.model_validate_json(
        json.dumps(dict(reversed({**EIGHT, "face": dict(reversed(FACE.items()))}.items())))
    )

    assert written == again
    assert written.digest == again.digest
    assert re.fullmatch("[0-9a-f]{64}", written.digest)


@pytest.mark.parametrize("changed", [{"quality": 91}, {"min_kb": 11}, {"fields": [FIELD]}, {"fit": "contain"}])
def test_other_rules_have_another_digest(changed: dict[str, object]) -> None:
    assert definition(**changed).digest != definition().digest


@pytest.mark.parametrize("schema", SEED, ids=lambda schema: schema.name)
def test_canonical_json_is_read_back_as_it_was(schema: PortalSchema) -> None:
    text = canonical_json(schema.schema_definition)

    assert SchemaDefinition.model_validate_json(text) == schema.schema_definition
    assert canonical_json(SchemaDefinition.model_validate_json(text)) == text


@pytest.mark.parametrize("name", ["NEET 2026", "a", "JEE (Main) & B.Arch - 2026", "x" * 100])
def test_names_that_portals_have(name: str) -> None:
    assert check_schema_name(name) == name


@pytest.mark.parametrize(
    "name", ["", " a", "a ", "a  b", ".", "..", ".a", "a/b", "a\\b", "a\nb", "a\0", "a%20b", "a?b", "x" * 101, "नाम"]
)
def test_names_that_an_address_could_not_hold(name: str) -> None:
    with pytest.raises(ValueError, match="a schema's name is"):
        check_schema_name(name)
