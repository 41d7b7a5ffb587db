"""Seeded changes to a file: what a broken disk, a broken program or a hostile author makes of it."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Mapping

_NUMBERS = (0, 1, 2, 7, 127, 128, 255, 256, 32_767, 32_768, 65_535, 65_536, 2**31 - 1, 2**31, 2**32 - 1)
_HEAD = 512
"""Most of what is read without being decoded is in the first bytes."""


def mutated(files: Mapping[str, bytes], case: int, seed: int) -> tuple[str, bytes]:
    """The file's name and the changed bytes of case number ``case``: the same for the same files and seed."""
    draw = random.Random(f"{seed} {case}")  # noqa: S311 - to be repeated, not to be secret
    name = sorted(files)[case % len(files)]
    data = bytearray(files[name])
    for _ in range(draw.choice((1, 1, 1, 2, 3, 6))):
        if data:
            draw.choice(_CHANGES)(draw, data, files)
    return name, bytes(data)


def _place(draw: random.Random, data: bytearray) -> int:
    """Anywhere, and half of the time near the start or the end."""
    return draw.choice(
        (
            draw.randrange(len(data)),
            draw.randrange(len(data)),
            draw.randrange(min(len(data), _HEAD)),
            len(data) - 1 - draw.randrange(min(len(data), _HEAD)),
        )
    )


def _flip_bits(draw: random.Random, data: bytearray, files: Mapping[str, bytes]) -> None:
    del files
    for _ in range(draw.choice((1, 2, 8, 64))):
        data[_place(draw, data)] ^= 1 << draw.randrange(8)


def _set_bytes(draw: random.Random, data: bytearray, files: Mapping[str, bytes]) -> None:
    del files
    for _ in range(draw.choice((1, 4, 32))):
        data[_place(draw, data)] = draw.choice((0, 255, draw.randrange(256)))


def _set_number(draw: random.Random, data: bytearray, _: Mapping[str, bytes]) -> None:
    """Over whatever is there: a length, an offset, a size, a count."""
    letter, size = draw.choice((("H", 2), ("I", 4), ("I", 4), ("Q", 8)))
    at = _place(draw, data)
    value = draw.choice((*_NUMBERS, len(data), draw.randrange(len(data))))
    if at + size <= len(data):
        struct.pack_into(draw.choice("<>") + letter, data, at, value % 2 ** (8 * size))


def _nudge_number(draw: random.Random, data: bytearray, _: Mapping[str, bytes]) -> None:
    at, order = _place(draw, data), draw.choice("<>")
    if at + 4 <= len(data):
        (value,) = struct.unpack_from(order + "I", data, at)
        changed = draw.choice((value + 1, value - 1, value * 2, value // 2, ~value))
        struct.pack_into(order + "I", data, at, changed % 2**32)


def _truncate(draw: random.Random, data: bytearray, _: Mapping[str, bytes]) -> None:
    del data[_place(draw, data) :]


def _cut_out(draw: random.Random, data: bytearray, _: Mapping[str, bytes]) -> None:
    at = _place(draw, data)
    del data[at : at + draw.choice((1, 2, 4, 12, 100, 1_000))]


def _repeat(draw: random.Random, data: bytearray, _: Mapping[str, bytes]) -> None:
    """A chunk, a segment, an entry, twice or many times."""
    at, length = _place(draw, data), draw.choice((1, 4, 12, 64, 500))
    data[at:at] = data[at : at + length] * draw.choice((1, 1, 2, 20))


def _move(draw: random.Random, data: bytearray, _: Mapping[str, bytes]) -> None:
    source, target, length = _place(draw, data), _place(draw, data), draw.choice((1, 4, 12, 64, 500))
    piece = data[source : source + length]
    data[target : target + len(piece)] = piece


def _splice(draw: random.Random, data: bytearray, files: Mapping[str, bytes]) -> None:
    """A piece of another file, in place of a piece or between two."""
    other = files[draw.choice(sorted(files))]
    start, length = draw.randrange(len(other)), draw.choice((4, 32, 256, 4_000))
    at = _place(draw, data)
    data[at : at + draw.choice((0, length))] = other[start : start + length]


def _fill(draw: random.Random, data: bytearray, _: Mapping[str, bytes]) -> None:
    at, length = _place(draw, data), draw.choice((4, 16, 256, 2_000))
    length = min(length, len(data) - at)
    data[at : at + length] = draw.choice((b"\0", b"\xff", bytes((draw.randrange(256),)))) * length


_CHANGES: tuple[Callable[[random.Random, bytearray, Mapping[str, bytes]], None], ...] = (
    _flip_bits,
    _set_bytes,
    _set_number,
    _set_number,
    _nudge_number,
    _truncate,
    _cut_out,
    _repeat,
    _move,
    _splice,
    _fill,
)
