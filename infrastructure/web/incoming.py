"""A request's body as it arrives, in pieces, with an end to waiting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from starlette.requests import ClientDisconnect, Request

from core.errors import InvalidInput
from infrastructure.web.body import declared_length
from infrastructure.web.errors import ClientGone, UploadStalled

IDLE_SECONDS = 60.0
"""A client that sends nothing for so long is given up."""

LINGER_BYTES = 64 * 1024 * 1024
"""What is read of a body, and dropped, after it was refused."""


class Incoming:
    """May be read in parts: who reads after somebody who stopped goes on where that one was."""

    def __init__(self, request: Request, idle_seconds: float = IDLE_SECONDS) -> None:
        self._headers = request.headers
        self._stream = request.stream()
        self._idle_seconds = idle_seconds
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
        try:
            async with asyncio.timeout(self._idle_seconds):
                piece = await anext(self._stream, None)
        except TimeoutError as error:
            raise UploadStalled(f"nothing came for {self._idle_seconds:g} seconds") from error
        except ClientDisconnect as error:
            raise ClientGone("the client went away before it had sent all") from error
        self._ended = piece is None
        return piece
