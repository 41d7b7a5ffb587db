"""Which keys seal what is stored, by a look at some objects. Nothing is opened, and no key is needed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import islice

from core.errors import BlobNotFound
from core.ports import BlobStore
from handlers.portal.errors import SealedError, StoragePathInvalid
from handlers.portal.paths import MasterPath, OutputPath, RawPath, area, check_sealed_path
from infrastructure.sealed.header import read_header
from infrastructure.sealed.reading import ByteReader

LOOKED_AT = 5
"""Objects of each area, the first by their random names: what a key that is gone sealed is most of what is older."""


def keys_in_use(blobs: BlobStore) -> frozenset[str]:
    """The ids of keys by which objects are sealed that were looked at. Raises as :class:`core.ports.BlobStore` does."""
    return frozenset(key_id for kind in (RawPath, MasterPath, OutputPath) for key_id in _under(blobs, area(kind)))


def _under(blobs: BlobStore, prefix: str) -> Iterator[str]:
    for name in islice(filter(_is_sealed, blobs.names(prefix)), LOOKED_AT):
        with suppress(BlobNotFound, SealedError):
            header, _ = read_header(ByteReader(blobs.get_stream(name)))
            yield header.wrapped.key_id


def _is_sealed(name: str) -> bool:
    try:
        check_sealed_path(name)
    except StoragePathInvalid:
        return False
    return True
