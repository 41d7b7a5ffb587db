"""What the compressed streams of a PDF come to, piece by piece and no further than is asked for (ISO 32000-1, 7.4)."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import TypeAlias

PIECE = 1 << 18

Pieces: TypeAlias = Iterable[bytes]

NAMES = {
    b"FlateDecode": "flate",
    b"Fl": "flate",
    b"LZWDecode": "lzw",
    b"LZW": "lzw",
    b"RunLengthDecode": "runs",
    b"RL": "runs",
    b"ASCII85Decode": "ascii85",
    b"A85": "ascii85",
    b"ASCIIHexDecode": "hex",
    b"AHx": "hex",
}
"""The filters that make more or other bytes of bytes, not pictures of them, with the short names that readers take."""

GROWTH = {"flate": 1_032, "lzw": 2_560, "runs": 64, "ascii85": 4, "hex": 1}
"""How many bytes a byte can become: Deflate's longest match of 258 bytes in two bits; LZW's longest string in 12 bits;
128 bytes in two; four zeros in a letter."""

COMPRESSING = frozenset({"flate", "lzw", "runs"})

_BLANKS = bytes(range(33))
_LZW_CLEAR, _LZW_END, _LZW_MAX_BITS = 256, 257, 12


class StreamBroken(Exception):
    """The data ends, or makes no sense, before its end."""


def undone(pieces: Pieces, name: str, early_change: bool = True) -> Iterator[bytes]:
    """The bytes behind one filter; ``early_change`` is that of LZW. Raises :class:`StreamBroken`."""
    if name == "lzw":
        return _lzw(pieces, 1 if early_change else 0)
    return _UNDO[name](pieces)


def in_pieces(data: bytes | memoryview) -> Iterator[bytes]:
    return (bytes(data[at : at + PIECE]) for at in range(0, len(data), PIECE))


def _flate(pieces: Pieces) -> Iterator[bytes]:
    inflater = zlib.decompressobj()
    try:
        for piece in pieces:
            pending, count = piece, PIECE
            # A full piece says that there may be more, even where all input was taken.
            while (pending or count == PIECE) and not inflater.eof:
                found = inflater.decompress(pending, PIECE)
                pending, count = inflater.unconsumed_tail, len(found)
                yield found
            if inflater.eof:
                return
    except zlib.error as error:
        if "incorrect data check" in str(error):
            return  # all of it is there; some writers get the sum wrong, or leave it out
        raise StreamBroken from error
    raise StreamBroken


def _lzw(pieces: Pieces, early: int) -> Iterator[bytes]:
    table: list[bytes] = []
    last = b""
    held, bits, size = 0, 0, 9
    for octet in chain.from_iterable(pieces):
        held, bits = held << 8 | octet, bits + 8
        if bits < size:
            continue
        bits -= size
        code, held = held >> bits, held & (1 << bits) - 1
        if code == _LZW_END:
            return
        if code == _LZW_CLEAR:
            table, last, size = [], b"", 9
            continue
        found = _lzw_string(code, table, last)
        if last and len(table) < 4_096 - 258:
            table.append(last + found[:1])
        size = min(_LZW_MAX_BITS, max(9, (258 + len(table) + early).bit_length()))
        last = found
        yield found
    raise StreamBroken


def _lzw_string(code: int, table: list[bytes], last: bytes) -> bytes:
    if code < 256:
        return bytes((code,))
    if code - 258 < len(table):
        return table[code - 258]
    if code - 258 == len(table) and last:
        return last + last[:1]
    raise StreamBroken


def _runs(pieces: Pieces) -> Iterator[bytes]:
    octets = chain.from_iterable(pieces)
    for length in octets:
        if length == 128:
            return
        yield bytes(islice(octets, length + 1)) if length < 128 else bytes(islice(octets, 1)) * (257 - length)


def _ascii85(pieces: Pieces) -> Iterator[bytes]:
    import numpy as np  # noqa: PLC0415 - the function app has none

    left = b""
    for piece in _until(pieces, b"~"):
        text = left + piece.translate(None, _BLANKS).replace(b"z", b"!!!!!")
        whole = len(text) // 5 * 5
        digits = np.frombuffer(text[:whole], np.uint8).reshape(-1, 5).astype(np.int64) - 33
        words = digits @ np.array([85**4, 85**3, 85**2, 85, 1], np.int64)
        left = text[whole:]
        yield (words & 0xFFFFFFFF).astype(">u4").tobytes()
    if len(left) > 1:
        number = 0
        for digit in left.ljust(5, b"u"):
            number = number * 85 + digit - 33
        yield (number & 0xFFFFFFFF).to_bytes(4, "big")[: len(left) - 1]


def _hex(pieces: Pieces) -> Iterator[bytes]:
    left = b""
    for piece in _until(pieces, b">"):
        text = left + piece.translate(None, _BLANKS)
        whole = len(text) // 2 * 2
        left = text[whole:]
        try:
            yield bytes.fromhex(text[:whole].decode("latin-1"))
        except ValueError as error:
            raise StreamBroken from error
    if left:
        yield bytes.fromhex(left.decode("latin-1") + "0")


def _until(pieces: Pieces, mark: bytes) -> Iterator[bytes]:
    for piece in pieces:
        text, found, _ = piece.partition(mark)
        yield text
        if found:
            return


_UNDO: dict[str, Callable[[Pieces], Iterator[bytes]]] = {
    "flate": _flate,
    "runs": _runs,
    "ascii85": _ascii85,
    "hex": _hex,
}
