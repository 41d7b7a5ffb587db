"""HEIC files made without an encoder: every block of the HEVC picture in them is raw samples (PCM), so what was put in
is what a decoder gives back, but for the halved resolution of colour."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from PIL.Image import Image, Resampling

_BLOCK = 32
"""Pixels of a block's side: the largest that may be raw (ITU-T H.265, 7.4.3.2.1)."""

_PROFILE = bytes((0x03, 0x70, 0, 0, 0, 0x90, 0, 0, 0, 0, 0, 186))
"""Main Still Picture and what it is compatible with, progressive frames, level 6.2 (H.265, 7.3.3)."""

_VIDEO, _SEQUENCE, _PICTURE, _IDR = 32, 33, 34, 20


@dataclass(frozen=True, slots=True)
class Shape:
    """How a picture is stored. ``quarter_turns`` are what a viewer turns it, anticlockwise, and ``mirror`` what it then
    does: 0 turns it over top to bottom, 1 left to right, ``None`` neither (the ``irot`` and ``imir`` boxes). ``tiles``
    is how many it is cut into, across and down. ``stated`` is the size that the file says it has, where that is not
    the truth.
    """

    quarter_turns: int = 0
    mirror: int | None = None
    tiles: tuple[int, int] = (1, 1)
    stated: tuple[int, int] | None = None


def heic_of(image: Image, shape: Shape | None = None, exif: bytes = b"") -> bytes:
    """An HEIC file of ``image``; with several tiles its sides are to be multiples of twice their number."""
    shape = shape or Shape()
    across, down = shape.tiles
    size = (image.width // across, image.height // down)
    boxes = [(column * size[0], row * size[1]) for row in range(down) for column in range(across)]
    pictures = [image.crop((x, y, x + size[0], y + size[1])) for x, y in boxes] if across * down > 1 else [image]
    return _file(image.size, [_Coded.of(picture) for picture in pictures], shape, exif)


@dataclass(frozen=True, slots=True)
class _Coded:
    size: tuple[int, int]
    configuration: bytes
    data: bytes

    @classmethod
    def of(cls, image: Image) -> _Coded:
        width, height = (-(-side // _BLOCK) * _BLOCK for side in image.size)
        padded = image.convert("RGB").crop((0, 0, width, height))
        padded.paste(image.convert("RGB"), (0, 0))
        sets = [_unit(_VIDEO, _video()), _unit(_SEQUENCE, _sequence(image.size)), _unit(_PICTURE, _picture())]
        return cls(image.size, _configuration(sets), b"".join(_sized(_unit(_IDR, part)) for part in _slices(padded)))


class _Bits:
    def __init__(self) -> None:
        self.text: list[str] = []

    def put(self, value: int, count: int) -> _Bits:
        self.text.append(f"{value:0{count}b}" if count else "")
        return self

    def code(self, *values: int) -> _Bits:
        """Unsigned Exp-Golomb codes (H.265, 9.2); a signed 0 is the same."""
        for value in values:
            self.put(value + 1, 2 * (value + 1).bit_length() - 1)
        return self

    def raw(self, data: bytes) -> _Bits:
        return self.put(int.from_bytes(data, "big"), 8 * len(data))

    def ended(self) -> bytes:
        """With the bit that ends it, and padded to a byte."""
        text = "".join(self.text) + "1"
        text += "0" * (-len(text) % 8)
        return int(text, 2).to_bytes(len(text) // 8, "big")


def _video() -> bytes:
    """The video parameter set (H.265, 7.3.2.1)."""
    bits = _Bits().put(0, 4).put(3, 2).put(0, 6).put(0, 3).put(1, 1).put(0xFFFF, 16).raw(_PROFILE)
    return bits.put(1, 1).code(0, 0, 0).put(0, 6).code(0).put(0, 2).ended()


def _sequence(size: tuple[int, int]) -> bytes:
    """The sequence parameter set (H.265, 7.3.2.2): 4:2:0, 8 bits, blocks of one size, raw ones allowed."""
    width, height = (-(-side // _BLOCK) * _BLOCK for side in size)
    bits = _Bits().put(0, 4).put(0, 3).put(1, 1).raw(_PROFILE).code(0, 1, width, height)
    bits.put(1, 1).code(0, (width - size[0]) // 2, 0, (height - size[1]) // 2)
    bits.code(0, 0, 0).put(1, 1).code(0, 0, 0)
    bits.code(2, 0, 0, 3, 0, 0).put(0, 3)
    bits.put(1, 1).put(7, 4).put(7, 4).code(2, 0).put(1, 1)
    return bits.code(0).put(0, 5).ended()


def _picture() -> bytes:
    """The picture parameter set (H.265, 7.3.2.3): no deblocking."""
    bits = _Bits().code(0, 0).put(0, 7).code(0, 0, 0).put(0, 3).code(0, 0).put(0, 7)
    return bits.put(1, 1).put(0, 1).put(1, 1).put(0, 2).code(0).put(0, 2).ended()


def _slices(image: Image) -> Iterator[bytes]:
    """A slice a block (H.265, 7.3.6 and 7.3.8), so that the arithmetic coder says the same each time.

    From its first state it says "one piece" and "raw", which takes ten bits; after the samples it starts anew and
    says "the end".
    """
    luma, blue, red = image.convert("YCbCr").split()
    half = (image.width // 2, image.height // 2)
    chroma = [plane.resize(half, Resampling.BOX) for plane in (blue, red)]
    across, down = image.width // _BLOCK, image.height // _BLOCK
    for number in range(across * down):
        x, y = number % across * _BLOCK, number // across * _BLOCK
        head = _Bits().put(number == 0, 1).put(0, 1).code(0)
        if number:
            head.put(number, (across * down - 1).bit_length())
        samples = luma.crop((x, y, x + _BLOCK, y + _BLOCK)).tobytes()
        for plane in chroma:
            left, top, side = x // 2, y // 2, _BLOCK // 2
            samples += plane.crop((left, top, left + side, top + side)).tobytes()
        yield head.code(2, 0).ended() + _terminated(268) + samples + _terminated(508)


def _terminated(low: int) -> bytes:
    """What the arithmetic coder writes as it ends with ``low`` (H.265, 9.3.4.7): seven doublings, and three bits."""
    bits, outstanding = "", 0
    first = True

    def put(bit: str) -> None:
        nonlocal bits, outstanding, first
        bits += ("" if first else bit) + ("1" if bit == "0" else "0") * outstanding
        first, outstanding = False, 0

    for _ in range(7):
        if low < 256:
            put("0")
        elif low >= 512:
            low -= 512
            put("1")
        else:
            low -= 256
            outstanding += 1
        low <<= 1
    put(str(low >> 9 & 1))
    bits += f"{low >> 7 & 3 | 1:02b}"
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def _unit(kind: int, body: bytes) -> bytes:
    """A NAL unit: no two zeros in it are followed by 0, 1, 2 or 3 (H.265, 7.3.1.1)."""
    out, zeros = bytearray((kind << 1, 1)), 0
    for byte in body:
        if zeros == 2 and byte <= 3:
            out.append(3)
            zeros = 0
        out.append(byte)
        zeros = 0 if byte else zeros + 1
    return bytes(out)


def _sized(unit: bytes) -> bytes:
    return struct.pack(">I", len(unit)) + unit


def _configuration(units: Sequence[bytes]) -> bytes:
    """The ``hvcC`` box (ISO/IEC 14496-15, 8.3.2.1.2)."""
    body = b"\1" + _PROFILE + bytes((0xF0, 0, 0xFC, 0xFD, 0xF8, 0xF8, 0, 0, 0x0F, len(units)))
    for unit in units:
        body += struct.pack(">BHH", 0x80 | unit[0] >> 1, 1, len(unit)) + unit
    return _box(b"hvcC", body)


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", 8 + len(body)) + kind + body


def _full(kind: bytes, body: bytes, version: int = 0, flags: int = 0) -> bytes:
    return _box(kind, struct.pack(">I", version << 24 | flags) + body)


def _file(size: tuple[int, int], parts: Sequence[_Coded], shape: Shape, exif: bytes) -> bytes:
    """Items 1 to n are the coded pictures; the grid, where there is one, is behind them, and EXIF the last."""
    items = [(b"hvc1", part.data) for part in parts]
    primary = 1
    if len(parts) > 1:
        primary = len(items) + 1
        columns, rows = shape.tiles
        items.append((b"grid", struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, *size)))
    if exif:
        items.append((b"Exif", struct.pack(">I", 0) + exif))
    head = _box(b"ftyp", b"heic\0\0\0\0mif1heic")
    links = b""
    if len(parts) > 1:
        links += _box(b"dimg", struct.pack(f">HH{len(parts)}H", primary, len(parts), *range(1, len(parts) + 1)))
    if exif:
        links += _box(b"cdsc", struct.pack(">HHH", len(items), 1, primary))
    meta_size = len(_meta(primary, items, parts, size, shape, links, 0))
    return (
        head
        + _meta(primary, items, parts, size, shape, links, len(head) + meta_size + 8)
        + _box(b"mdat", b"".join(data for _, data in items))
    )


def _meta(
    primary: int,
    items: Sequence[tuple[bytes, bytes]],
    parts: Sequence[_Coded],
    size: tuple[int, int],
    shape: Shape,
    links: bytes,
    start: int,
) -> bytes:
    kinds = b"".join(
        _full(b"infe", struct.pack(">HH", number, 0) + kind + b"\0", version=2)
        for number, (kind, _) in enumerate(items, 1)
    )
    places = b""
    for number, (_, data) in enumerate(items, 1):
        places += struct.pack(">HHHII", number, 0, 1, start, len(data))
        start += len(data)
    return _full(
        b"meta",
        _full(b"hdlr", bytes(4) + b"pict" + bytes(13))
        + _full(b"pitm", struct.pack(">H", primary))
        + _full(b"iloc", b"\x44\0" + struct.pack(">H", len(items)) + places)
        + _full(b"iinf", struct.pack(">H", len(items)) + kinds)
        + (_full(b"iref", links) if links else b"")
        + _properties(primary, parts, size, shape),
    )


def _properties(primary: int, parts: Sequence[_Coded], size: tuple[int, int], shape: Shape) -> bytes:
    """Of colours: sRGB by BT.601, all 256 levels. Every tile has the first one's properties."""
    first = parts[0]
    part_size = shape.stated if shape.stated and len(parts) == 1 else first.size
    boxes = [
        first.configuration,
        _full(b"ispe", struct.pack(">II", *part_size)),
        _box(b"colr", b"nclx" + struct.pack(">HHHB", 1, 13, 6, 0x80)),
    ]
    own = []
    if len(parts) > 1:
        boxes.append(_full(b"ispe", struct.pack(">II", *(shape.stated or size))))
        own.append(len(boxes))
    if shape.quarter_turns:
        boxes.append(_box(b"irot", bytes((shape.quarter_turns,))))
        own.append(len(boxes))
    if shape.mirror is not None:
        boxes.append(_box(b"imir", bytes((shape.mirror,))))
        own.append(len(boxes))
    lists = {number: [1, 2, 3] for number in range(1, len(parts) + 1)}
    lists[primary] = lists.get(primary, [3]) + own
    owned = b"".join(struct.pack(">HB", item, len(found)) + bytes(found) for item, found in sorted(lists.items()))
    return _box(b"iprp", _box(b"ipco", b"".join(boxes)) + _full(b"ipma", struct.pack(">I", len(lists)) + owned))
