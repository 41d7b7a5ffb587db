"""An append-only file of changes.

The file begins with :data:`MAGIC`. Then come records: the length of the body, its CRC-32 and the CRC-32 of these two, 4
bytes each, little endian, and the body, which is :mod:`.journal_codec`'s. A record is one operation, so that a crash
leaves it whole or not at all: what a torn write left at the end is cut off when the file is opened.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import BinaryIO
from zlib import crc32

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

from core.errors import StoreBusy, StoreInconsistent, StoreMisconfigured
from testing.service_bus_emulator.broker.changes import Change
from testing.service_bus_emulator.broker.errors import JournalFailed
from testing.service_bus_emulator.broker.journal_codec import decode, encode

MAGIC = b"SBJ1\n"
LENGTH_AND_CHECKSUM = struct.Struct("<II")
HEAD_SIZE = LENGTH_AND_CHECKSUM.size + 4
SNAPSHOT_CHANGES = 256
"""Changes in one record of a compacted journal."""


class Journal:
    """The file at ``path``, made where there is none.

    A record survives the process once :meth:`append` returned; with ``sync`` it survives the machine, too. Raises
    :class:`core.errors.StoreBusy` where another process has it open, and :class:`core.errors.StoreMisconfigured` where
    it cannot be opened. A journal that failed to write stays failed, as what came after would not fit what is in it.
    """

    def __init__(self, path: Path, *, sync: bool = False) -> None:
        self._path = path
        self._sync = sync
        self._failed = False
        with _opening(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._guard = path.with_name(path.name + ".lock").open("ab")
        _lock(self._guard, path)
        self._file: FileIO | None = None
        self.size = 0
        """Bytes, once it was read."""

    def read(self) -> Iterator[list[Change]]:
        """The changes of each record, in order; to the end, before anything is appended.

        What is torn at the end is cut off. Raises :class:`core.errors.StoreInconsistent` where bytes before the end
        are not what was written.
        """
        with _opening(self._path):
            data = self._path.read_bytes() if self._path.exists() else b""
        if not MAGIC.startswith(data[: len(MAGIC)]):
            raise StoreInconsistent(f"{self._path} is not a journal of this version")
        end = 0
        for body in _records(data, self._path):
            yield _changes(body, self._path)
            end += HEAD_SIZE + len(body)
        with _opening(self._path):
            self._open(len(MAGIC) + end if len(data) >= len(MAGIC) else 0)

    def append(self, changes: Sequence[Change]) -> None:
        """Write one record. Raises :class:`JournalFailed`."""
        if self._failed:
            raise JournalFailed(f"{self._path} could not be written before")
        assert self._file is not None, "read the journal before appending to it"
        record = _record(changes)
        try:
            self._write(self._file, record)
        except OSError as error:
            self._failed = True
            raise JournalFailed(f"{self._path} could not be written: {error.strerror}") from error
        self.size += len(record)

    def compact(self, changes: Iterable[Change]) -> bool:
        """Replace all records by ``changes``, whole or not at all; whether there was room to do it.

        Raises :class:`JournalFailed` where the file could not be opened again.
        """
        fresh = self._path.with_name(self._path.name + ".new")
        try:
            size = _write_snapshot(fresh, changes)
        except OSError:
            return False
        try:
            self._close_file()
            fresh.replace(self._path)
            _sync_directory(self._path.parent)
            self._open(size)
        except OSError as error:
            self._failed = True
            raise JournalFailed(f"{self._path} could not be compacted: {error.strerror}") from error
        return True

    def close(self) -> None:
        """Another process may open it then."""
        self._close_file()
        self._guard.close()

    def _open(self, size: int) -> None:
        """To append after ``size`` bytes; what is behind them goes."""
        self._file = self._path.open("ab", buffering=0)
        self._file.truncate(size)
        if size == 0:
            self._write(self._file, MAGIC)
        self.size = max(size, len(MAGIC))

    def _close_file(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, file: FileIO, data: bytes) -> None:
        """All of it: a disk that fills up takes a part first."""
        rest = memoryview(data)
        while rest:
            rest = rest[file.write(rest) :]
        if self._sync:
            os.fsync(file.fileno())


def _record(changes: Sequence[Change]) -> bytes:
    body = encode(changes)
    head = LENGTH_AND_CHECKSUM.pack(len(body), crc32(body))
    return head + crc32(head).to_bytes(4, "little") + body


def _records(data: bytes, path: Path) -> Iterator[bytes]:
    """The body of each whole record."""
    start = len(MAGIC)
    while start < len(data):
        length = _length(data, start)
        end = start + HEAD_SIZE + (length or 0)
        body = data[start + HEAD_SIZE : end]
        if length is None or len(body) < length or crc32(body) != _checksum(data, start):
            _check_torn(data, start, None if length is None else end, path)
            return
        yield body
        start = end


def _length(data: bytes, start: int) -> int | None:
    """Of the body of the record at ``start``; None where its head is not whole."""
    head = data[start : start + HEAD_SIZE]
    pair, checksum = head[: LENGTH_AND_CHECKSUM.size], head[LENGTH_AND_CHECKSUM.size :]
    if len(head) < HEAD_SIZE or crc32(pair) != int.from_bytes(checksum, "little"):
        return None
    return int(LENGTH_AND_CHECKSUM.unpack(pair)[0])


def _checksum(data: bytes, start: int) -> int:
    return int(LENGTH_AND_CHECKSUM.unpack_from(data, start)[1])


def _check_torn(data: bytes, start: int, end: int | None, path: Path) -> None:
    """A record that is not whole is the last: its head says that it ends the file, or hardly a head was written.

    A file system may have made room for what it then did not write, which reads as zeros.
    """
    is_last = len(data[start:].rstrip(b"\0")) < HEAD_SIZE if end is None else end >= len(data)
    if not is_last:
        raise StoreInconsistent(f"{path} is damaged at byte {start}, and more follows")


def _changes(body: bytes, path: Path) -> list[Change]:
    try:
        return decode(body)
    except (ValueError, KeyError, TypeError) as error:
        raise StoreInconsistent(f"{path} has a record that is not this version's: {error}") from error


def _write_snapshot(path: Path, changes: Iterable[Change]) -> int:
    """How many bytes it has. They are on the disk when this returns."""
    with path.open("wb") as file:
        file.write(MAGIC)
        for some in _chunks(changes):
            file.write(_record(some))
        file.flush()
        os.fsync(file.fileno())
        return file.tell()


def _chunks(changes: Iterable[Change]) -> Iterator[list[Change]]:
    chunk: list[Change] = []
    for change in changes:
        chunk.append(change)
        if len(chunk) == SNAPSHOT_CHANGES:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


@contextmanager
def _opening(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreMisconfigured(f"{path} cannot be opened: {error.strerror}") from error


def _lock(guard: BinaryIO, path: Path) -> None:
    """Until ``guard`` is closed, or the process ends."""
    try:
        if fcntl is not None:
            fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        guard.close()
        raise StoreBusy(f"another process uses {path}") from error


def _sync_directory(path: Path) -> None:
    if fcntl is not None:  # Windows opens no directories
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
