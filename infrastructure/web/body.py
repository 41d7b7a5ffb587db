"""Bodies of calls: read within a bound, as JSON that every reader understands alike, into a strict model."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.datastructures import Headers

from core.boundary import problems
from core.errors import InvalidParameters
from core.limits import check_text
from infrastructure.web.errors import BodyTooLarge, MalformedJson, UnsupportedMediaType

ModelT = TypeVar("ModelT", bound=BaseModel)

MAX_DEPTH = 64
"""How deep JSON may be nested: what is deeper meets the recursion limits of other readers."""

MAX_NUMBER = 64
"""Characters of a number."""

JSON_TYPES = frozenset({"application/json", "text/json"})


async def read_within(pieces: AsyncIterator[bytes], limit: int, declared: int | None) -> bytes:
    """The body. Raises :class:`BodyTooLarge` at the first byte over ``limit``, before reading where it is declared."""
    if declared is not None and declared > limit:
        raise _too_large(limit)
    body = bytearray()
    async for piece in pieces:
        if len(body) + len(piece) > limit:
            raise _too_large(limit)
        body += piece
    return bytes(body)


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"the body has more than {limit} bytes", limit=limit)


def declared_length(headers: Headers) -> int | None:
    text = headers.get("content-length", "")
    return int(text) if text.isdecimal() and len(text) < MAX_NUMBER else None


def check_json_type(headers: Headers) -> None:
    """Raises :class:`UnsupportedMediaType` unless the body is said to be JSON in UTF-8."""
    media_type, _, parameters = headers.get("content-type", "").lower().partition(";")
    kind = media_type.strip()
    if kind not in JSON_TYPES and not (kind.startswith("application/") and kind.endswith("+json")):
        raise UnsupportedMediaType("the body is not said to be JSON; send content-type: application/json")
    charset = parameters.replace('"', "").replace(" ", "").partition("charset=")[2]
    if charset.partition(";")[0] not in ("", "utf-8", "utf8", "us-ascii"):
        raise UnsupportedMediaType("JSON is in UTF-8")


def parse_json(model: type[ModelT], body: bytes) -> ModelT:
    """``body`` as ``model``, strictly; an empty one is ``{}``.

    Raises :class:`MalformedJson`, :class:`core.errors.TextNotStorable`, and :class:`InvalidParameters` with a line for
    each problem.
    """
    value = load_json(body) if body.strip() else {}
    try:
        return model.model_validate(value, strict=True)
    except ValidationError as error:
        raise InvalidParameters("the body does not fit", problems=problems(error)) from error


def load_json(body: bytes) -> Any:
    """The value. Raises :class:`MalformedJson` also for what JSON leaves open and readers disagree on: a key that is
    there twice, NaN, numbers that no double holds; and for nesting over :data:`MAX_DEPTH`. Raises
    :class:`core.errors.TextNotStorable` for NUL and half of a surrogate pair.
    """
    try:
        value = json.loads(
            body.decode(),
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_int=_integer,
            parse_float=_float,
        )
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:
        raise MalformedJson("the body is not JSON in UTF-8") from error
    _check(value)
    return value


def _too_deep() -> MalformedJson:
    return MalformedJson(f"the JSON is nested deeper than {MAX_DEPTH}", limit=MAX_DEPTH)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise MalformedJson("a key is there twice in one object")
    return found


def _constant(text: str) -> NoReturn:
    raise MalformedJson(f"{text} is no JSON")


def _integer(text: str) -> int:
    if len(text) > MAX_NUMBER:
        raise MalformedJson(f"a number has more than {MAX_NUMBER} characters", limit=MAX_NUMBER)
    return int(text)


def _float(text: str) -> float:
    if len(text) > MAX_NUMBER or not math.isfinite(float(text)):
        raise MalformedJson("a number is out of range")
    return float(text)


def _check(value: object) -> None:
    """Walks without recursion."""
    level = [value]
    for _ in range(MAX_DEPTH):
        deeper: list[object] = []
        for found in level:
            if isinstance(found, str):
                check_text(found, "a text in the body")
            elif isinstance(found, dict):
                deeper += found.keys()
                deeper += found.values()
            elif isinstance(found, list):
                deeper += found
        if not deeper:
            return
        level = deeper
    raise _too_deep()
