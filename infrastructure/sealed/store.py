""":class:`handlers.portal.sealing.SealedStore` over any blob store."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, TypeAlias

from core.errors import BlobNotFound
from core.ports import BlobStore
from core.streams import bounded
from handlers.portal.errors import SealedOwnerWrong, SealedTooLarge
from handlers.portal.paths import check_sealed_path
from handlers.portal.sealing import Owner, Sealed, owner_of_path
from infrastructure.sealed.body import Cipher, sealed_size
from infrastructure.sealed.header import (
    KEY_BYTES,
    PREFIX_BYTES,
    Binding,
    Header,
    body_key,
    check_tag,
    encode,
    read_header,
)
from infrastructure.sealed.keys import KeyRing
from infrastructure.sealed.reading import ByteReader

SEALED_TYPE = "application/octet-stream"

IN_MEMORY = 4 * 1024 * 1024
"""Bytes of an object that is opened beyond which it waits in a file."""

PIECE = 1024 * 1024
"""Bytes of that file that are read at a time."""


_Write: TypeAlias = Callable[[str, Iterable[bytes], str, int], int]
"""Of a blob store: name, pieces, content type, bytes at most; the size."""


class SealedBlobStore:
    """``scratch`` is the folder of the nameless files in which large objects wait, encrypted, until all of them was
    checked; by default the system's. Where it cannot be written, opening raises :class:`OSError`.
    """

    def __init__(self, blobs: BlobStore, keys: KeyRing, scratch: Path | None = None) -> None:
        self._blobs = blobs
        self._keys = keys
        self._scratch = None if scratch is None else str(scratch)

    def put(self, path: str, pieces: Iterable[bytes], owner: Owner, max_bytes: int) -> Sealed:
        return self._put(self._blobs.put_stream, path, pieces, owner, max_bytes)

    def put_new(self, path: str, pieces: Iterable[bytes], owner: Owner, max_bytes: int) -> Sealed:
        return self._put(self._blobs.put_new, path, pieces, owner, max_bytes)

    def _put(self, write: _Write, path: str, pieces: Iterable[bytes], owner: Owner, max_bytes: int) -> Sealed:
        binding = _binding(path, owner)
        object_key = secrets.token_bytes(KEY_BYTES)
        header = Header(secrets.token_bytes(PREFIX_BYTES), self._keys.wrap(object_key))
        beginning = encode(header, object_key, binding)
        plain = _Measured(bounded(pieces, max_bytes, "what is to be sealed"))
        write(
            path,
            _sealed(beginning, _cipher(header, object_key, binding), plain),
            SEALED_TYPE,
            len(beginning) + sealed_size(max_bytes),
        )
        return plain.told(path)

    @contextmanager
    def open(self, path: str, owner: Owner, max_bytes: int) -> Iterator[Iterator[bytes]]:
        binding = _binding(path, owner)
        with SpooledTemporaryFile(IN_MEMORY, dir=self._scratch) as spool:
            reader = ByteReader(self._blobs.get_stream(path))
            cipher = self._opened(reader, binding)
            for _ in _at_most(cipher.decrypt(_kept(reader.rest(), spool)), max_bytes):
                pass
            spool.seek(0)
            yield cipher.decrypt(iter(lambda: spool.read(PIECE), b""))

    def read(self, path: str, owner: Owner, max_bytes: int) -> bytes:
        return b"".join(self._plain(path, owner, max_bytes))

    def verify(self, path: str, owner: Owner, max_bytes: int) -> Sealed:
        plain = _Measured(self._plain(path, owner, max_bytes))
        for _ in plain:
            pass
        return plain.told(path)

    def exists(self, path: str) -> bool:
        check_sealed_path(path)
        try:
            self._blobs.size(path)
        except BlobNotFound:
            return False
        return True

    def delete(self, path: str) -> None:
        check_sealed_path(path)
        self._blobs.delete(path)

    def _plain(self, path: str, owner: Owner, max_bytes: int) -> Iterator[bytes]:
        """As it is checked: all of it was only at its end."""
        binding = _binding(path, owner)
        reader = ByteReader(self._blobs.get_stream(path))
        return _at_most(self._opened(reader, binding).decrypt(reader.rest()), max_bytes)

    def _opened(self, reader: ByteReader, binding: Binding) -> Cipher:
        """What decrypts the rest of ``reader``, whose header was checked."""
        header, tag = read_header(reader)
        object_key = self._keys.unwrap(header.wrapped)
        check_tag(header, tag, object_key, binding)
        return _cipher(header, object_key, binding)


class _Measured:
    """Pieces that are counted and hashed as they pass."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = pieces
        self._hash = hashlib.sha256()
        self._size = 0

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            self._size += len(piece)
            self._hash.update(piece)
            yield piece

    def told(self, path: str) -> Sealed:
        return Sealed(path, self._size, self._hash.hexdigest())


def _binding(path: str, owner: Owner) -> Binding:
    """Raises :class:`handlers.portal.errors.StoragePathInvalid` and :class:`SealedOwnerWrong`."""
    if owner_of_path(check_sealed_path(path)) != owner:
        raise SealedOwnerWrong("the path is another user's, or of another document")
    return Binding(path, owner)


def _cipher(header: Header, object_key: bytes, binding: Binding) -> Cipher:
    return Cipher(body_key(object_key, binding), header.nonce_prefix, binding.data())


def _sealed(beginning: bytes, cipher: Cipher, plain: Iterable[bytes]) -> Iterator[bytes]:
    yield beginning
    yield from cipher.encrypt(plain)


def _kept(pieces: Iterable[bytes], file: IO[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        file.write(piece)
        yield piece


def _at_most(pieces: Iterable[bytes], max_bytes: int) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > max_bytes:
            raise SealedTooLarge(f"what is sealed has more than {max_bytes} bytes", limit=max_bytes)
        yield piece
