"""The entropy-coded part of a JPEG's scan of one component: Huffman codes made for it (ITU-T T.81, C, F and K.2)."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from handlers.portal.adapt.quantise import Levels, sizes

_LONGEST = 16
_END, _SIXTEEN = 0x00, 0xF0


@dataclass(frozen=True, slots=True)
class Code:
    """``lengths`` has the number of codes of 1 to 16 bits, ``symbols`` what they stand for, shortest first."""

    lengths: bytes
    symbols: bytes

    def words(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Each symbol's code and its bits (T.81, C.2)."""
        code, length = np.zeros(256, np.int64), np.zeros(256, np.int64)
        word, at = 0, 0
        for bits, count in enumerate(self.lengths, 1):
            for symbol in self.symbols[at : at + count]:
                code[symbol], length[symbol] = word, bits
                word += 1
            at += count
            word <<= 1
        return code, length


def made_code(counts: npt.NDArray[np.int64]) -> Code:
    """The best code for symbols that come so often, of 16 bits at most, none of them all ones (T.81, K.2)."""
    depths = _depths([*counts.tolist(), 1])
    lengths = [0] * (max(*depths, _LONGEST) + 1)
    for depth in depths:
        lengths[depth] += depth > 0
    _shorten(lengths)
    order = sorted((depth, symbol) for symbol, depth in enumerate(depths[:256]) if depth)
    longest = max(bits for bits, count in enumerate(lengths) if count)
    lengths[longest] -= 1
    return Code(bytes(lengths[1 : _LONGEST + 1]), bytes(symbol for _, symbol in order))


def _depths(counts: list[int]) -> list[int]:
    """Each symbol's place in the tree, 0 for one that never comes; the last is the one that keeps all ones free."""
    depths = [0] * len(counts)
    tree = [(count, -symbol, [symbol]) for symbol, count in enumerate(counts) if count]
    if len(tree) == 1:
        depths[tree[0][2][0]] = 1
    heapq.heapify(tree)
    joined = 1
    while len(tree) > 1:
        rare, often = heapq.heappop(tree), heapq.heappop(tree)
        for symbol in rare[2] + often[2]:
            depths[symbol] += 1
        heapq.heappush(tree, (rare[0] + often[0], joined, rare[2] + often[2]))
        joined += 1
    return depths


def _shorten(lengths: list[int]) -> None:
    """Until none is longer than 16 bits (T.81, figure K.3)."""
    for bits in range(len(lengths) - 1, _LONGEST, -1):
        while lengths[bits]:
            shorter = bits - 2
            while not lengths[shorter]:
                shorter -= 1
            lengths[bits] -= 2
            lengths[bits - 1] += 1
            lengths[shorter + 1] += 2
            lengths[shorter] -= 1


def coded(levels: Levels) -> tuple[Code, Code, bytes]:
    """The codes for DC and AC, and the scan's bytes."""
    symbol, value, is_dc = _symbols(levels)
    codes = [made_code(np.bincount(symbol[which], minlength=256).astype(np.int64)) for which in (is_dc, ~is_dc)]
    (dc_word, dc_bits), (ac_word, ac_bits) = (code.words() for code in codes)
    size = sizes(value)
    word = np.where(is_dc, dc_word[symbol], ac_word[symbol]) << size | np.where(
        value < 0, value + (1 << size) - 1, value
    )
    bits = np.where(is_dc, dc_bits[symbol], ac_bits[symbol]) + size
    return codes[0], codes[1], _packed(word, bits).replace(b"\xff", b"\xff\0")


def _symbols(levels: Levels) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """The symbols in their order, the values that follow them, and which are of DC."""
    count = len(levels)
    block, place = np.nonzero(levels[:, 1:])
    place = place + 1
    before = np.zeros_like(place)
    before[1:] = np.where(block[1:] == block[:-1], place[:-1], 0)
    run = place - before - 1
    value = levels[block, place].astype(np.int64)
    dc = np.diff(levels[:, 0].astype(np.int64), prepend=0)
    skips = np.repeat(np.arange(len(block)), run // 16)
    ends = np.nonzero(levels[:, 63] == 0)[0]
    keys = np.concatenate(
        [np.arange(count) * 256, block * 256 + place * 2 + 1, block[skips] * 256 + place[skips] * 2, ends * 256 + 255]
    )
    symbol = np.concatenate(
        [sizes(dc), run % 16 * 16 + sizes(value), np.full(len(skips), _SIXTEEN), np.full(len(ends), _END)]
    )
    nothing = np.zeros(len(skips) + len(ends), np.int64)
    order = np.argsort(keys, kind="stable")
    return symbol[order], np.concatenate([dc, value, nothing])[order], (np.arange(len(keys)) < count)[order]


def _packed(word: npt.NDArray[np.int64], bits: npt.NDArray[np.int64]) -> bytes:
    """The words, one after the other, the highest bit first, and ones to the end of the last byte."""
    start = np.cumsum(bits) - bits
    total = int(bits.sum())
    which = np.repeat(np.arange(len(bits)), bits)
    left = (bits + start)[which] - 1 - np.arange(total)
    stream = (word[which] >> left & 1).astype(np.uint8)
    return np.packbits(np.concatenate([stream, np.ones(-total % 8, np.uint8)])).tobytes()
