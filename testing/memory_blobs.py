"""A blob store in memory, bounded in bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from core.blobnames import check_blob_name
from core.errors import BlobConflict, BlobNotFound, CapacityExceeded

PIECE = 4 * 1024 * 1024
"""Bytes that a stream gives at a time."""


class MemoryBlobStore:
    """:class:`core.ports.BlobStore` in a dictionary. Over ``max_bytes`` in all, ``put`` raises
    :class:`CapacityExceeded` and changes nothing."""

    def __init__(self, max_bytes: int = 1 << 30) -> None:
        self._blobs: dict[str, tuple[bytes, str]] = {}
        self._max_bytes = max_bytes
        self._bytes = 0

    def put(self, name: str, data: bytes, content_type: str) -> None:
        check_blob_name(name)
        old = self._blobs.get(name)
        total = self._bytes + len(data) - (len(old[0]) if old else 0)
        if total > self._max_bytes:
            raise CapacityExceeded(f"blobs: {total} bytes, at most {self._max_bytes}", limit=self._max_bytes)
        self._blobs[name] = (bytes(data), content_type)
        self._bytes = total

    def put_stream(self, name: str, pieces: Iterable[bytes], content_type: str, max_bytes: int) -> int:
        data = _whole(name, pieces, max_bytes)
        self.put(name, data, content_type)
        return len(data)

    def put_new(self, name: str, pieces: Iterable[bytes], content_type: str, max_bytes: int) -> int:
        data = _whole(name, pieces, max_bytes)
        if name in self._blobs:
            raise BlobConflict(f"there is a blob {name}")
        self.put(name, data, content_type)
        return len(data)

    def get(self, name: str) -> bytes:
        return self._find(name)[0]

    def get_stream(self, name: str) -> Iterator[bytes]:
        data = self.get(name)
        return (data[start : start + PIECE] for start in range(0, len(data), PIECE))

    def size(self, name: str) -> int:
        return len(self._find(name)[0])

    def content_type(self, name: str) -> str:
        return self._find(name)[1]

    def delete(self, name: str) -> None:
        check_blob_name(name)
        data, _ = self._blobs.pop(name, (b"", ""))
        self._bytes -= len(data)

    def names(self, prefix: str) -> Iterator[str]:
        return iter(sorted(name for name in self._blobs if name.startswith(prefix)))

    def _find(self, name: str) -> tuple[bytes, str]:
        check_blob_name(name)
        found = self._blobs.get(name)
        if found is None:
            raise BlobNotFound(f"there is no blob {name}")
        return found


def _whole(name: str, pieces: Iterable[bytes], max_bytes: int) -> bytes:
    check_blob_name(name)
    data = bytearray()
    for piece in pieces:
        if len(data) + len(piece) > max_bytes:
            raise CapacityExceeded(f"blob: more than {max_bytes} bytes", limit=max_bytes)
        data += piece
    return bytes(data)
