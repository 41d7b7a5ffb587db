"""The objects' keys, wrapped anew by the current key. What they open stays as it is, byte for byte."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain

from core.errors import BlobConflict, BlobNotFound
from core.ports import BlobStore
from handlers.portal.errors import PortalError, StoragePathInvalid
from handlers.portal.paths import SealedPath, check_sealed_path
from handlers.portal.sealing import owner_of_path
from infrastructure.sealed.header import MAX_WRAPPED, Binding, check_tag, encode, read_header
from infrastructure.sealed.keys import KeyRing
from infrastructure.sealed.reading import ByteReader
from infrastructure.sealed.store import SEALED_TYPE

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Failure:
    path: str
    code: str


@dataclass(frozen=True, slots=True)
class Rotated:
    """``last`` is the path that was looked at last, ``None`` where there was none; the next pass may go on behind it.
    ``whole`` is whether the pass came to the end.
    """

    wrapped: int
    current: int
    failures: tuple[Failure, ...]
    last: str | None
    whole: bool


class KeyRotation:
    """Safe to be killed at any instant and to be done again: what the current key wraps is passed over.

    Whoever replaces an object at the same time, which nobody does with another content, may be overwritten with what
    was there.
    """

    def __init__(self, blobs: BlobStore, keys: KeyRing) -> None:
        self._blobs = blobs
        self._keys = keys

    def rotate_all(self, prefix: str = "", after: str = "", limit: int = 1_000_000) -> Rotated:
        """Each sealed object whose path begins with ``prefix``, in the order of paths from behind ``after``, up to
        ``limit``.

        One that cannot be opened stays as it is, and is told. Raises :class:`core.errors.TransientError`, after which
        what was done is done, and :class:`handlers.portal.errors.SealingKeyMissing`.
        """
        current = self._keys.current_id()
        counts = {True: 0, False: 0}
        failures: list[Failure] = []
        last: str | None = None
        for number, path in enumerate(self._paths(prefix, after)):
            if number == limit:
                return Rotated(counts[True], counts[False], tuple(failures), last, whole=False)
            last = path
            try:
                counts[self._rotate(path, current)] += 1
            except BlobNotFound:
                continue
            except PortalError as error:
                _log.warning("key_not_rotated", extra={"path": path, "code": error.code})
                failures.append(Failure(path, error.code))
        return Rotated(counts[True], counts[False], tuple(failures), last, whole=True)

    def _paths(self, prefix: str, after: str) -> Iterator[str]:
        return (name for name in self._blobs.names(prefix) if name > after and _read(name) is not None)

    def _rotate(self, path: str, current: str) -> bool:
        """Whether it was not wrapped by ``current`` before."""
        binding = Binding(path, owner_of_path(check_sealed_path(path)))
        size = self._blobs.size(path)
        reader = ByteReader(self._blobs.get_stream(path))
        header, tag = read_header(reader)
        if header.wrapped.key_id == current:
            return False
        object_key = self._keys.unwrap(header.wrapped)
        check_tag(header, tag, object_key, binding)
        old = encode(header, object_key, binding)
        new = encode(replace(header, wrapped=self._keys.wrap(object_key)), object_key, binding)
        body = _exactly(reader.rest(), size - len(old))
        self._blobs.put_stream(path, chain([new], body), SEALED_TYPE, size + MAX_WRAPPED)
        return True


def _read(name: str) -> SealedPath | None:
    try:
        return check_sealed_path(name)
    except StoragePathInvalid:
        return None


def _exactly(pieces: Iterator[bytes], length: int) -> Iterator[bytes]:
    for piece in pieces:
        length -= len(piece)
        yield piece
    if length:
        raise BlobConflict("the object was replaced while its key was wrapped anew")
