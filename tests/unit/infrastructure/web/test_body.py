"""Bodies of calls: bounded, JSON that every reader understands alike, strict models."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict
from starlette.datastructures import Headers

from core.errors import InvalidParameters, TextNotStorable
from infrastructure.web.body import (
    check_json_type,
    declared_length,
    parse_json,
    read_within,
)
from infrastructure.web.errors import BodyTooLarge, MalformedJson, UnsupportedMediaType
from infrastructure.web.json_text import MAX_DEPTH, load_json

STORABLE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
NUMBERS = st.integers(-(2**63), 2**64) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | STORABLE,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(STORABLE, inner, max_size=4),
    max_leaves=20,
)


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid")

    number: int = 0


@given(VALUES)
def test_what_is_json_is_read_as_it_is(value: object) -> None:
    assert load_json(json.dumps(value).encode()) == value


@given(st.binary(max_size=40))
def test_bytes_are_read_or_refused_and_nothing_else(body: bytes) -> None:
    try:
        load_json(body)
    except (MalformedJson, TextNotStorable):
        return


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        b'{"a": 1, "a": 2}',
        b'{"deep": {"a": 1, "\\u0061": 2}}',
        b"NaN",
        b"[-Infinity]",
        b"1e999",
        b"-1e999",
        b"1" * 65,
        b"1" * 5_000,
        b"0." + b"1" * 63,
        b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
        b"[" * 1_000_000,
        b'{"a":' * 100_000,
    ],
    ids=lambda body: repr(body[:20]),
)
def test_what_readers_disagree_on_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedJson):
        load_json(body)


def test_the_deepest_that_is_taken() -> None:
    assert load_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)


@pytest.mark.parametrize("body", [b'"\\u0000"', b'{"\\ud800": 1}', b'["\\udfff"]', b'{"a": {"b": ["x\\u0000"]}}'])
def test_text_that_no_store_takes_is_refused(body: bytes) -> None:
    with pytest.raises(TextNotStorable):
        load_json(body)


def test_an_empty_body_asks_for_the_defaults() -> None:
    assert parse_json(Model, b" \n") == Model()


@pytest.mark.parametrize(
    "body", [b"[]", b"null", b'{"number": "1"}', b'{"number": 1.0}', b'{"number": true}', b'{"x": 1}']
)
def test_a_body_that_does_not_fit_is_refused_with_its_problems(body: bytes) -> None:
    with pytest.raises(InvalidParameters) as refused:
        parse_json(Model, body)

    assert refused.value.details["problems"]


async def pieces(*some: bytes) -> AsyncIterator[bytes]:
    for piece in some:
        yield piece


def test_a_body_is_joined_from_its_pieces() -> None:
    assert asyncio.run(read_within(pieces(b"ab", b"", b"c"), 3, None)) == b"abc"


def test_the_first_byte_over_the_limit_ends_the_reading() -> None:
    seen: list[bytes] = []

    async def endless() -> AsyncIterator[bytes]:
        while True:
            seen.append(b"ab")
            yield b"ab"

    with pytest.raises(BodyTooLarge):
        asyncio.run(read_within(endless(), 5, None))

    assert len(seen) == 3


def test_a_declared_length_over_the_limit_is_refused_before_reading() -> None:
    untouched = pieces(b"x")

    async def read() -> bytes:
        with pytest.raises(BodyTooLarge):
            await read_within(untouched, 5, 6)
        return await anext(untouched)

    assert asyncio.run(read()) == b"x"


@pytest.mark.parametrize(("text", "length"), [("12", 12), ("", None), ("-1", None), ("x", None), ("9" * 200, None)])
def test_a_declared_length_is_digits(text: str, length: int | None) -> None:
    assert declared_length(Headers({"content-length": text})) == length


@pytest.mark.parametrize(
    "kind",
    ["application/json", "Application/JSON; charset=UTF-8", 'application/json;charset="utf-8"', "application/x+json"],
)
def test_json_is_taken_under_its_names(kind: str) -> None:
    check_json_type(Headers({"content-type": kind}))


@pytest.mark.parametrize(
    "kind",
    ["", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16", "json", "a+json"],
)
def test_another_content_type_is_refused(kind: str) -> None:
    with pytest.raises(UnsupportedMediaType):
        check_json_type(Headers({"content-type": kind} if kind else {}))
