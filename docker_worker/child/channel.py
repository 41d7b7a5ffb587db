"""Frames between the worker and its child: the length of what follows in 4 bytes, most significant first, then that."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable

from core.errors import CapacityExceeded, CoreMachineError

MAX_FRAME = 64 * 1024 * 1024
"""Bytes: four times what a store takes as JSON text, which is escaped once more in a frame."""

PIECE = 1024 * 1024

_HEADER = struct.Struct(">I")


class FrameInvalid(CoreMachineError):
    """What came is no frame. The other side is not to be listened to any more."""

    code = "FRAME_INVALID"


def framed(body: bytes, limit: int = MAX_FRAME) -> bytes:
    """Raises :class:`CapacityExceeded` over ``limit`` bytes."""
    if len(body) > limit:
        raise CapacityExceeded(f"{len(body)} bytes are more than a frame may hold", limit=limit)
    return _HEADER.pack(len(body)) + body


def write_whole(descriptor: int, data: bytes) -> None:
    """Raises :class:`OSError` where nobody reads any more."""
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


Read = Callable[[int, int], bytes]
"""As :func:`os.read`: of a descriptor at most so many bytes, none at its end."""


def read_frame(descriptor: int, limit: int = MAX_FRAME, read: Read = os.read) -> bytes | None:
    """The next frame; ``None`` at the end, even where that is within a frame.

    Raises :class:`FrameInvalid` for one of more than ``limit`` bytes.
    """
    header = _read(descriptor, _HEADER.size, read)
    if header is None:
        return None
    (length,) = _HEADER.unpack(header)
    if length > limit:
        raise FrameInvalid(f"a frame of {length} bytes; at most {limit}")
    return _read(descriptor, length, read)


def _read(descriptor: int, size: int, read: Read) -> bytes | None:
    data = bytearray()
    while len(data) < size:
        piece = read(descriptor, min(PIECE, size - len(data)))
        if not piece:
            return None
        data += piece
    return bytes(data)
