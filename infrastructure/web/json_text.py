"""JSON that every reader understands alike."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from core.limits import check_text
from infrastructure.web.errors import MalformedJson

MAX_DEPTH = 64
"""How deep JSON may be nested: what is deeper meets the recursion limits of other readers."""

MAX_NUMBER = 64
"""Characters of a number."""


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
