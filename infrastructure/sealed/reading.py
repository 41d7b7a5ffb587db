"""Bytes that come in pieces, read by their number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


class ByteReader:
    """Reads on from where the last call ended."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._held = memoryview(b"")

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes, less at the end."""
        while len(self._held) < size and (piece := next(self._pieces, None)) is not None:
            self._held = memoryview(bytes(self._held) + piece)
        taken, self._held = self._held[:size], self._held[size:]
        return bytes(taken)

    def rest(self) -> Iterator[bytes]:
        """All that has not been read, in pieces as they come."""
        held, self._held = self._held, memoryview(b"")
        if held:
            yield bytes(held)
        yield from self._pieces
