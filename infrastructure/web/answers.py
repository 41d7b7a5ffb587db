"""What an endpoint gives back: JSON or a stream, with its headers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pydantic import BaseModel

JSON = "application/json"
NEVER_STORED: Mapping[str, str] = {"Cache-Control": "no-store"}
ASK_AGAIN: Mapping[str, str] = {"Cache-Control": "private, no-cache"}


@dataclass(frozen=True, slots=True)
class Answer:
    """``content`` is the whole body."""

    status: int
    content: bytes
    media_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StreamedAnswer:
    """``pieces`` give ``length`` bytes in all."""

    pieces: Iterator[bytes]
    length: int
    media_type: str
    headers: Mapping[str, str] = field(default_factory=dict)


AnyAnswer = Answer | StreamedAnswer


def json_answer(body: BaseModel, status: int = 200, headers: Mapping[str, str] = NEVER_STORED) -> Answer:
    return Answer(status, body.model_dump_json(by_alias=True).encode(), headers=headers)


def conditional(answer: Answer, if_none_match: str | None) -> Answer:
    """``answer`` with the ETag of its bytes, or 304 without them where the client has these."""
    tag = f'"{hashlib.sha256(answer.content).hexdigest()[:32]}"'
    headers = {**answer.headers, "ETag": tag}
    if if_none_match is not None and _matches(if_none_match, tag):
        return Answer(304, b"", answer.media_type, headers)
    return Answer(answer.status, answer.content, answer.media_type, headers)


def _matches(if_none_match: str, tag: str) -> bool:
    """RFC 9110, 13.1.2: weak comparison with each of a list, or ``*``."""
    tags = [text.strip().removeprefix("W/") for text in if_none_match.split(",")]
    return "*" in tags or tag in tags
