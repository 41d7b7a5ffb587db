"""The size that an HEVC stream gives its pictures: what the decoder allocates, whatever the file around it says."""

from __future__ import annotations

from handlers.document.errors import DecodeFailed

SEQUENCE_PARAMETERS = 33
"""The type of the NAL unit (ITU-T H.265, table 7-1)."""

_MOST = 1_024
"""Bytes of a parameter set that are looked at; the size is within the first hundred."""


def unit_type(unit: bytes) -> int:
    return unit[0] >> 1 & 0x3F if unit else -1


def sequence_size(unit: bytes) -> tuple[int, int]:
    """Width and height by a sequence parameter set (H.265, 7.3.2.2), before cropping, in pixels.

    Raises :class:`DecodeFailed`.
    """
    bits = _Bits(unit[2:_MOST].replace(b"\0\0\3", b"\0\0"))
    bits.take(4)
    sub_layers = bits.take(3)
    bits.take(1)
    _skip_profile(bits, sub_layers)
    bits.take_exponential()
    if bits.take_exponential() == 3:
        bits.take(1)
    return bits.take_exponential(), bits.take_exponential()


def _skip_profile(bits: _Bits, sub_layers: int) -> None:
    """The profile, tier and level (H.265, 7.3.3)."""
    bits.take(96)
    present = [(bits.take(1), bits.take(1)) for _ in range(sub_layers)]
    if sub_layers:
        bits.take(2 * (8 - sub_layers))
    for profile, level in present:
        bits.take(88 * profile + 8 * level)


class _Bits:
    def __init__(self, data: bytes) -> None:
        self._bits = int.from_bytes(data, "big")
        self._left = 8 * len(data)

    def take(self, count: int) -> int:
        """Raises :class:`DecodeFailed` at the end."""
        if count > self._left:
            raise DecodeFailed("the picture's parameters are cut off")
        self._left -= count
        return self._bits >> self._left & (1 << count) - 1

    def take_exponential(self) -> int:
        """An unsigned Exp-Golomb code (H.265, 9.2)."""
        zeros = 0
        while not self.take(1):
            zeros += 1
        return (1 << zeros) - 1 + self.take(zeros)
