"""A body as it arrives: a client has to go on sending, and only its own time counts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest
from starlette.requests import Request
from starlette.types import Message

from infrastructure.web.errors import UploadStalled
from infrastructure.web.incoming import IDLE_SECONDS, PROGRESS_BYTES, Incoming


class Line:
    """A client that takes ``seconds`` for each piece, on a clock of its own."""

    def __init__(self, pieces: Iterable[bytes], seconds: float) -> None:
        self._pieces = iter(pieces)
        self._seconds = seconds
        self.now = 0.0

    async def receive(self) -> Message:
        self.now += self._seconds
        piece = next(self._pieces, None)
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

    def incoming(self) -> Incoming:
        return Incoming(Request({"type": "http", "headers": []}, self.receive), monotonic=lambda: self.now)


async def received(line: Line, work_seconds: float = 0.0) -> int:
    size = 0
    async for piece in line.incoming().pieces():
        size += len(piece)
        line.now += work_seconds
    return size


def test_a_client_that_trickles_from_the_beginning_is_given_up_when_the_window_ends() -> None:
    line = Line([b"x"] * 10_000, 1.0)

    with pytest.raises(UploadStalled, match="16384 bytes came in 60 seconds"):
        asyncio.run(received(line))

    assert line.now == IDLE_SECONDS


def test_one_that_trickles_after_it_has_sent_much_is_given_up_too() -> None:
    line = Line([bytes(10 * PROGRESS_BYTES), *[b"x"] * 10_000], 1.0)

    with pytest.raises(UploadStalled):
        asyncio.run(received(line))

    assert line.now == 1.0 + IDLE_SECONDS


def test_one_that_is_slow_and_goes_on_is_waited_for() -> None:
    pieces = [bytes(PROGRESS_BYTES // 10)] * 500
    line = Line(pieces, IDLE_SECONDS / 12)

    assert asyncio.run(received(line)) == sum(map(len, pieces))
    assert line.now > 40 * IDLE_SECONDS


def test_a_small_body_that_comes_within_the_window_is_whole() -> None:
    assert asyncio.run(received(Line([b"{", b"}"], IDLE_SECONDS / 4))) == 2


def test_what_is_done_with_a_piece_is_not_the_clients_time() -> None:
    assert asyncio.run(received(Line([b"x"] * 10, 1.0), work_seconds=10 * IDLE_SECONDS)) == 10
