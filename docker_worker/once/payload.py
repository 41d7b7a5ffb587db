"""What comes in: JSON that every reader understands in the same way, or a refusal."""

from __future__ import annotations

import json
import math
import os
import select
from collections.abc import Iterator
from typing import Any, NoReturn

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from core.boundary import problems
from core.context import StopSignal
from core.errors import InvalidInput, TransientError

MAX_BYTES = 64 * 1024 * 1024
MAX_DEPTH = 100
PIECE = 1024 * 1024
LOOK_SECONDS = 0.2
"""How often whoever waits for input looks whether to stop."""

BOM = b"\xef\xbb\xbf"


class PayloadMissing(InvalidInput):
    """There is no input, or none that can be read."""

    code = "PAYLOAD_MISSING"


class PayloadInvalid(InvalidInput):
    code = "PAYLOAD_INVALID"


class OnceInterrupted(TransientError):
    """The process was told to end before the task had."""

    code = "INTERRUPTED"


class Payload(BaseModel):
    """``job_type`` is by default the first job that has such tasks."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    task_type: str = Field(min_length=1, max_length=64)
    params: dict[str, JsonValue] = Field(default_factory=dict)
    job_type: str | None = Field(default=None, min_length=1, max_length=64)


def read_payload(descriptor: int, stop: StopSignal, limit: int = MAX_BYTES) -> bytes:
    """All of the input, which must not be more than ``limit`` bytes; of more, no more is read than shows it.

    Raises :class:`PayloadMissing`, :class:`PayloadInvalid` and :class:`OnceInterrupted`.
    """
    content = bytearray()
    try:
        while piece := _piece(descriptor, stop, limit + 1 - len(content)):
            content += piece
            if len(content) > limit:
                raise PayloadInvalid(f"the input has more than {limit} bytes", limit=limit)
    except OSError as error:
        raise PayloadMissing(f"the input cannot be read: {os.strerror(error.errno or 0)}") from error
    return bytes(content)


def _piece(descriptor: int, stop: StopSignal, room: int) -> bytes:
    while not select.select([descriptor], [], [], LOOK_SECONDS)[0]:
        if stop.reason is not None:
            raise OnceInterrupted("told to end while it waited for its input")
    return os.read(descriptor, min(PIECE, room))


def parse_payload(content: bytes) -> Payload:
    """Raises :class:`PayloadMissing`, and :class:`PayloadInvalid`, which quotes nothing of the input."""
    if not content.strip(b" \t\r\n"):
        raise PayloadMissing("the input is empty")
    if content.startswith(BOM):
        raise PayloadInvalid("the input begins with a byte order mark; JSON has none")
    loaded = _loaded(content)
    for value in _values(loaded):
        _check(value)
    try:
        return Payload.model_validate(loaded)
    except ValidationError as error:
        raise PayloadInvalid("the input does not fit", problems=problems(error)) from error


def _loaded(content: bytes) -> object:
    try:
        return json.loads(content.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise PayloadInvalid(f"the input is not UTF-8, at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise PayloadInvalid(f"the input is not one JSON document: {error.msg}, at character {error.pos}") from error
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:  # an integer of more digits than Python reads
        raise PayloadInvalid("the input has a number that is too long") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise PayloadInvalid("the input has an object with one name twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise PayloadInvalid(f"the input has {name}, which JSON has not")


def _values(loaded: object) -> Iterator[object]:
    """Every value and every name in it, down to :data:`MAX_DEPTH`."""
    level: list[object] = [loaded]
    for _ in range(MAX_DEPTH):
        yield from level
        level = [inner for value in level for inner in _inside(value)]
        if not level:
            return
    raise _too_deep()


def _inside(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        yield from value
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _check(value: object) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise PayloadInvalid("the input has a number that is too large")
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise PayloadInvalid("the input has half of a surrogate pair") from error


def _too_deep() -> PayloadInvalid:
    return PayloadInvalid(f"the input is nested more than {MAX_DEPTH} levels deep", limit=MAX_DEPTH)
