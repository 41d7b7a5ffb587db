"""Frames out of a stream of bytes that arrives in any pieces, and into it.

A frame: size (4 bytes, all included), offset of the body in words of 4 (1 byte), type (1), channel (2), body.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from testing.service_bus_emulator.amqp.errors import FramingError

MIN_MAX_FRAME_SIZE = 512
AMQP_TYPE, SASL_TYPE = 0, 1
_HEAD = struct.Struct(">IBBH")

AMQP_HEADER = b"AMQP\x00\x01\x00\x00"
SASL_HEADER = b"AMQP\x03\x01\x00\x00"
EMPTY_FRAME = b"\x00\x00\x00\x08\x02\x00\x00\x00"


class Frame(NamedTuple):
    """``body`` is empty where the peer only says that it is alive."""

    kind: int
    channel: int
    body: bytes


def write_frame(channel: int, body: bytes, kind: int = AMQP_TYPE) -> bytes:
    return _HEAD.pack(len(body) + 8, 2, kind, channel) + body


class FrameReader:
    """Holds back what is not yet a whole frame, at most ``max_frame_size`` bytes and one read.

    Protocol headers are read with :meth:`header`; afterwards everything is frames.
    """

    def __init__(self, max_frame_size: int) -> None:
        self.max_frame_size = max_frame_size
        self._data = b""
        self._at = 0

    def feed(self, data: bytes) -> None:
        self._data = self._data[self._at :] + data if self._at < len(self._data) else data
        self._at = 0

    @property
    def pending(self) -> int:
        """Bytes that wait for the rest of their frame."""
        return len(self._data) - self._at

    def header(self) -> bytes | None:
        """The 8 bytes of a protocol header, or None while they are not there."""
        if self.pending < 8:
            return None
        self._at += 8
        return self._data[self._at - 8 : self._at]

    def take(self) -> bytes:
        """All that is there, whatever it is."""
        data, self._data, self._at = self._data[self._at :], b"", 0
        return data

    def frames(self) -> Iterator[Frame]:
        """Raises :class:`FramingError` for a size or offset that no frame has."""
        while (frame := self.next()) is not None:
            yield frame

    def next(self) -> Frame | None:
        """The next frame that is whole. Raises :class:`FramingError`."""
        pending = len(self._data) - self._at
        if pending < 8:
            if not pending:
                self._data, self._at = b"", 0  # what was read is let go
            return None
        size, offset, kind, channel = _HEAD.unpack_from(self._data, self._at)
        if size > self.max_frame_size:
            raise FramingError(f"a frame of {size} bytes, where {self.max_frame_size} were agreed")
        if size < 8 or offset < 2 or 4 * offset > size:
            raise FramingError(f"a frame of {size} bytes with its body after {4 * offset}")
        if pending < size:
            return None
        start, self._at = self._at, self._at + size
        return Frame(kind, channel, self._data[start + 4 * offset : self._at])
