"""A request's body as it arrives, in pieces, with an end to waiting."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from starlette.requests import ClientDisconnect, Request

from core.errors import InvalidInput
from infrastructure.web.body import declared_length
from infrastructure.web.errors import ClientGone, UploadStalled

IDLE_SECONDS = 60.0
"""The window in which a client has to send :data:`PROGRESS_BYTES`, or the end of what it has."""

PROGRESS_BYTES = 16 * 1024
"""A client that trickles, a byte now and then, holds a place as one that sends nothing does."""

LINGER_BYTES = 64 * 1024 * 1024
"""What is read of a body, and dropped, after it was refused."""


class Incoming:
    """May be read in parts: who reads after somebody who stopped goes on where that one was.

    Only the time counts in which the client is waited for, by ``monotonic`` (seconds): what is done with a piece may
    take long.
    """

    def __init__(
        self,
        request: Request,
        idle_seconds: float = IDLE_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._headers = request.headers
        self._stream = request.stream()
        self._idle_seconds = idle_seconds
        self._monotonic = monotonic
        self._seconds_left = idle_seconds
        self._bytes_left = PROGRESS_BYTES
        self._ended = False

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Raises :class:`UploadStalled` and :class:`ClientGone`."""
        while not self._ended:
            piece = await self._next()
            if piece is not None:
                yield piece

    async def linger(self) -> None:
        """Read on, and drop it: a client that is still sending when its connection is closed may never read why.

        One that waits to be told to go on has not begun, and one that announces too much is not waited for.
        """
        left = LINGER_BYTES
        if "expect" in self._headers or (declared_length(self._headers) or 0) > left:
            return
        try:
            async with aclosing(self.pieces()) as pieces:
                async for piece in pieces:
                    left -= len(piece)
                    if left < 0:
                        return
        except InvalidInput:
            return

    async def _next(self) -> bytes | None:
        self._ended = True  # unless it goes well: nothing can be read after a failure
        began = self._monotonic()
        try:
            async with asyncio.timeout(self._seconds_left):
                piece = await anext(self._stream, None)
        except TimeoutError as error:
            raise self._stalled() from error
        except ClientDisconnect as error:
            raise ClientGone("the client went away before it had sent all") from error
        if piece is not None:
            self._count(len(piece), self._monotonic() - began)
        self._ended = piece is None
        return piece

    def _count(self, size: int, seconds: float) -> None:
        """A window ends, and the next begins, with the byte that makes it full."""
        self._bytes_left -= size
        self._seconds_left -= seconds
        if self._bytes_left <= 0:
            self._seconds_left, self._bytes_left = self._idle_seconds, PROGRESS_BYTES
        elif self._seconds_left <= 0:
            raise self._stalled()

    def _stalled(self) -> UploadStalled:
        return UploadStalled(f"fewer than {PROGRESS_BYTES} bytes came in {self._idle_seconds:g} seconds")
