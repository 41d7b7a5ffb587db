"""A document while it arrives: in a file without a name, bounded, hashed, its format known from its first bytes."""

from __future__ import annotations

import hashlib
import tempfile
import threading
from collections.abc import Iterator
from typing import IO

from handlers.document.errors import DocumentTooLarge
from handlers.document.formats import FIRST_BYTES, Format, sniff
from infrastructure.web.errors import EmptyDocument, SpoolUnavailable

PIECE = 1024 * 1024
"""Bytes that are read back at a time."""


class Spool:
    """To be closed, from any thread: nothing is left behind, not even by a process that is killed, since the file has
    no name.

    Every method raises :class:`SpoolUnavailable` for a disk that is full or cannot be written to.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._digest = hashlib.sha256()
        self._first = b""
        self._format: Format | None = None
        self._file: IO[bytes] | None = None
        self._lock = threading.Lock()
        self.size = 0

    def add(self, data: bytes) -> None:
        """Raises :class:`DocumentTooLarge` at the first byte over the limit, and
        :class:`handlers.document.errors.UnsupportedFormat` as soon as the first bytes show it.
        """
        self.size += len(data)
        if self.size > self._max_bytes:
            raise too_large(self._max_bytes)
        if self._format is None:
            self._first += data[:FIRST_BYTES]
            if len(self._first) >= FIRST_BYTES:
                self._format = sniff(self._first)
        self._digest.update(data)
        try:
            self._write(data)
        except OSError as error:
            raise _unavailable(error) from error

    def finish(self) -> Format:
        """The format of the whole. Raises :class:`EmptyDocument`, and as :meth:`add`."""
        if not self.size:
            raise EmptyDocument("the document is empty")
        if self._format is None:
            self._format = sniff(self._first)
        return self._format

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def pieces(self) -> Iterator[bytes]:
        """The document from its beginning."""
        start = 0
        while piece := self._read(start):
            yield piece
            start += len(piece)

    def close(self) -> None:
        with self._lock:
            if self._file is not None:
                self._file.close()

    def _write(self, data: bytes) -> None:
        with self._lock:
            if self._file is None:
                self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - close() ends it
            left = memoryview(data)
            while left:
                left = left[self._file.write(left) :]

    def _read(self, start: int) -> bytes:
        with self._lock:
            if self._file is None:
                return b""
            try:
                self._file.seek(start)
                return self._file.read(PIECE)
            except OSError as error:
                raise _unavailable(error) from error


def too_large(limit: int) -> DocumentTooLarge:
    return DocumentTooLarge(f"the document has more than {limit} bytes", limit=limit)


def _unavailable(error: OSError) -> SpoolUnavailable:
    reason = error.strerror or type(error).__name__
    return SpoolUnavailable(f"the document cannot be kept while it arrives: {reason}")
