"""The output package: a ZIP that is written as its entries are read, the same bytes for the same entries.

The fields are those of PKWARE's APPNOTE 6.3.10 (chapters 4.3 to 4.5). What is packed is pictures, which deflating makes
no smaller, and what zlib makes of a text differs from version to version: so each entry is a deflate stream of stored
blocks (RFC 1951, 3.2.4). Unlike what is not deflated at all, it tells its own end, and its length may follow it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass

from core.errors import CapacityExceeded
from core.streams import in_blocks
from handlers.portal.errors import PackageEntryInvalid, StoragePathInvalid
from handlers.portal.paths import check_name

ZIP_TYPE = "application/zip"

BLOCK = 0xFFFF
"""Bytes of a stored block, the most that it holds."""
_BLOCK_HEADER = struct.Struct("<BHH")
_END_OF_STREAM = _BLOCK_HEADER.pack(1, 0, 0xFFFF)

MAX_ENTRY = 0xFFFFFFFF // (BLOCK + _BLOCK_HEADER.size) * BLOCK - BLOCK
"""Bytes of an entry: its length follows it, in 32 bits, and nobody knows before whether it needs more."""

_LOCAL = struct.Struct("<4s5H3I2H")
_DESCRIPTOR = struct.Struct("<4s3I")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_OFFSET_64 = struct.Struct("<HHQ")
_END_64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR_64 = struct.Struct("<4sIQI")
_END = struct.Struct("<4s4H2IH")

_DEFLATED, _LENGTH_FOLLOWS, _OWNER_READS_AND_WRITES = 8, 0x0008, 0o100644 << 16
_VERSION, _VERSION_64, _MADE_ON_UNIX = 20, 45, 3 << 8
_MIDNIGHT, _FIRST_OF_1980 = 0, (0 << 9) | (1 << 5) | 1
_MOST_16, _MOST_32 = 0xFFFF, 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class _Packed:
    """An entry that was written, ``offset`` bytes behind the package's beginning."""

    name: bytes
    offset: int
    crc: int
    packed: int
    size: int


def write_package(entries: Iterable[tuple[str, Iterable[bytes]]]) -> Iterator[bytes]:
    """The pieces of a ZIP of ``entries``, a name and its content's pieces each, in their order, dated 1 January 1980.

    Memory is that of a piece, and some 200 bytes an entry. Raises :class:`PackageEntryInvalid` for a name that
    :func:`handlers.portal.paths.check_name` refuses or that is there already in whatever case, and
    :class:`core.errors.CapacityExceeded` for an entry over :data:`MAX_ENTRY`.
    """
    written: list[_Packed] = []
    names: set[str] = set()
    offset = 0
    for name, content in entries:
        _check(name, names)
        packed = yield from _entry(name.encode(), offset, content)
        written.append(packed)
        offset += _LOCAL.size + len(packed.name) + packed.packed + _DESCRIPTOR.size
    yield from _directory(written, offset)


def _check(name: str, names: set[str]) -> None:
    try:
        check_name(name)
    except StoragePathInvalid as error:
        raise PackageEntryInvalid(f"an entry of the package: {error.message}") from error
    if name.lower() in names:
        raise PackageEntryInvalid(f"the package has an entry {name} already", name=name)
    names.add(name.lower())


def _entry(name: bytes, offset: int, content: Iterable[bytes]) -> Generator[bytes, None, _Packed]:
    crc = size = 0
    yield (
        _LOCAL.pack(
            b"PK\x03\x04", _VERSION, _LENGTH_FOLLOWS, _DEFLATED, _MIDNIGHT, _FIRST_OF_1980, 0, 0, 0, len(name), 0
        )
        + name
    )
    packed = 0
    for block in in_blocks(content, BLOCK):
        crc, size = zlib.crc32(block, crc), size + len(block)
        if size > MAX_ENTRY:
            raise CapacityExceeded(f"an entry of the package: more than {MAX_ENTRY} bytes", limit=MAX_ENTRY)
        piece = _BLOCK_HEADER.pack(0, len(block), len(block) ^ 0xFFFF) + block
        packed += len(piece)
        yield piece
    packed += len(_END_OF_STREAM)
    yield _END_OF_STREAM + _DESCRIPTOR.pack(b"PK\x07\x08", crc, packed, size)
    return _Packed(name, offset, crc, packed, size)


def _directory(written: Sequence[_Packed], offset: int) -> Iterator[bytes]:
    size = 0
    for entry in written:
        record = _central(entry)
        size += len(record)
        yield record
    if len(written) >= _MOST_16 or size >= _MOST_32 or offset >= _MOST_32:
        yield _end_64(len(written), size, offset)
    count = min(len(written), _MOST_16)
    yield _END.pack(b"PK\x05\x06", 0, 0, count, count, min(size, _MOST_32), min(offset, _MOST_32), 0)


def _central(entry: _Packed) -> bytes:
    far = entry.offset >= _MOST_32
    version = _VERSION_64 if far else _VERSION
    extra = _OFFSET_64.pack(1, 8, entry.offset) if far else b""
    return (
        _CENTRAL.pack(
            b"PK\x01\x02",
            _MADE_ON_UNIX | version,
            version,
            _LENGTH_FOLLOWS,
            _DEFLATED,
            _MIDNIGHT,
            _FIRST_OF_1980,
            entry.crc,
            entry.packed,
            entry.size,
            len(entry.name),
            len(extra),
            0,
            0,
            0,
            _OWNER_READS_AND_WRITES,
            min(entry.offset, _MOST_32),
        )
        + entry.name
        + extra
    )


def _end_64(count: int, size: int, offset: int) -> bytes:
    """The two records that stand before the end where its fields are too narrow."""
    return _END_64.pack(
        b"PK\x06\x06", _END_64.size - 12, _MADE_ON_UNIX | _VERSION_64, _VERSION_64, 0, 0, count, count, size, offset
    ) + _LOCATOR_64.pack(b"PK\x06\x07", 0, offset + size, 1)
