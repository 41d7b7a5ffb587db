"""Bytes that come in pieces of any length: bounded, and cut anew."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from core.errors import CapacityExceeded


def bounded(pieces: Iterable[bytes], max_bytes: int, what: str) -> Iterator[bytes]:
    """The same pieces. More than ``max_bytes`` of them is :class:`CapacityExceeded`, raised without reading on."""
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > max_bytes:
            raise CapacityExceeded(f"{what}: more than {max_bytes} bytes", limit=max_bytes)
        yield piece


def in_blocks(pieces: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The same bytes in blocks of ``size`` bytes, the last one shorter; none for no bytes."""
    rest = bytearray()
    for piece in pieces:
        view = memoryview(piece)
        while view:
            taken = view[: size - len(rest)]
            rest += taken
            view = view[len(taken) :]
            if len(rest) == size:
                yield bytes(rest)
                rest.clear()
    if rest:
        yield bytes(rest)
