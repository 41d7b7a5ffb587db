"""A payload is what is drawn, or a refusal that names the field and quotes nothing."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.boundary import guarded
from core.outcome import Failed
from handlers.portal.envelope import Envelope, parse_envelope
from handlers.portal.errors import ArtifactSourceInvalid, PayloadInvalid
from tests.support.portal import DEFINITION, payload

SECRET = "https://files.example.org/a?sig=secret"


def test_the_eight_keys_of_a_definition_are_enough() -> None:
    value = payload()
    value["portal_schema"]["schema_definition"] = dict(DEFINITION)

    found = parse_envelope(value)

    assert found.definition.target_width == DEFINITION["target_width"]
    assert not found.is_read


def changed(path: str, value: Any) -> dict[str, Any]:
    """The payload with ``value`` at ``path``; ``...`` removes what is there."""
    whole = copy.deepcopy(payload())
    *parents, last = path.split(".")
    place = whole
    for name in parents:
        place = place[name]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return whole


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("job_id", ...),
        ("job_id", "not an id"),
        ("job_id", "0B7A4DD1-6C0A-4F0E-9D61-2B8F5D3F0A11"),
        ("job_id", "0b7a4dd1-6c0a-1f0e-9d61-2b8f5d3f0a11"),
        ("job_id", "0b7a4dd1-6c0a-4f0e-1d61-2b8f5d3f0a11"),
        ("user_id", 5),
        ("user_id", "../../../../etc/passwd/00000000-0000"),
        ("portal_schema.version", 0),
        ("portal_schema.version", "1"),
        ("portal_schema.id", "x"),
        ("portal_schema.more", 1),
        ("portal_schema.schema_definition.target_width", 0),
        ("portal_schema.schema_definition.target_width", ...),
        ("portal_schema.schema_definition.target_width", 60.0),
        ("portal_schema.schema_definition.max_kb", "100"),
        ("portal_schema.schema_definition.unheard_of", 1),
        ("input.mime_type", "image"),
        ("input.original_filename", ""),
        ("input.artifact_url", 5),
        ("input.artifact_url", "x" * 3_000),
        ("storage.endpoint", "https://elsewhere.example.org"),
        ("storage.store", "https://elsewhere.example.org"),
        ("storage", []),
        ("options", {"text": "yes"}),
    ],
)
def test_what_is_wrong_is_named(path: str, value: Any) -> None:
    with pytest.raises(PayloadInvalid) as refused:
        parse_envelope(changed(path, value))

    assert refused.value.message.startswith(path)
    assert "elsewhere" not in json.dumps([refused.value.message, refused.value.details])


def test_rules_that_hold_of_several_fields_name_what_holds_them() -> None:
    with pytest.raises(PayloadInvalid, match=r"^portal_schema\.schema_definition"):
        parse_envelope(changed("portal_schema.schema_definition.min_kb", 500))


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"artifact_url": None, "raw_path": None},
        {"artifact_url": SECRET, "raw_path": f"raw/{payload()['user_id']}/{payload()['job_id']}/1_a.png.enc"},
        {"raw_path": "raw/../x"},
        {"raw_path": f"master/{payload()['user_id']}/{payload()['job_id']}/{payload()['job_id']}.enc"},
    ],
)
def test_a_document_comes_from_exactly_one_place_of_ours(given: dict[str, Any]) -> None:
    source = {"mime_type": "image/png", "original_filename": "a.png", **given}

    with pytest.raises(ArtifactSourceInvalid) as refused:
        parse_envelope(payload(input=source))

    assert refused.value.message.startswith("input")
    assert "secret" not in json.dumps([refused.value.message, refused.value.details])


def test_a_wrong_source_beside_something_else_is_an_invalid_payload() -> None:
    with pytest.raises(PayloadInvalid):
        parse_envelope({**payload(input={"mime_type": "image/png", "original_filename": "a.png"}), "more": 1})


def test_a_url_is_shown_nowhere() -> None:
    found = parse_envelope(changed("input.artifact_url", SECRET))

    assert "secret" not in repr(found)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)
PATHS = ["job_id", "input", "storage", "portal_schema", "portal_schema.schema_definition", "input.raw_path", "options"]


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(PATHS), JSON)
def test_whatever_is_given_is_an_envelope_or_refused(path: str, value: Any) -> None:
    found = guarded(parse_envelope, changed(path, value))

    assert isinstance(found, Envelope | Failed)
    if isinstance(found, Failed):
        assert found.error.code in ("PAYLOAD_INVALID", "ARTIFACT_SOURCE_INVALID")
        assert len(found.error.message) < 1_000
