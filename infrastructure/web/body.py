"""Bodies of calls: read within a bound, as JSON that every reader understands alike, into a strict model."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.datastructures import Headers

from core.boundary import problems
from core.errors import InvalidParameters
from infrastructure.web.errors import BodyTooLarge, UnsupportedMediaType
from infrastructure.web.json_text import MAX_NUMBER, load_json

ModelT = TypeVar("ModelT", bound=BaseModel)

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
        return model.model_validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        raise InvalidParameters("the body does not fit", problems=problems(error)) from error
