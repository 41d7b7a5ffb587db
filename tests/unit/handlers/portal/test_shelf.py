"""What is on the shelf is not written again, whoever else writes it meanwhile; what is damaged is."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from handlers.portal.errors import UploadFailed
from handlers.portal.shelf import Shelf
from testing.memory_blobs import MemoryBlobStore
from tests.support.portal import envelope, sealed_store

LIMIT = 1_000


def shelf(blobs: MemoryBlobStore) -> Shelf:
    return Shelf(sealed_store(blobs), envelope(), 1, LIMIT)


class Raced(MemoryBlobStore):
    """An attempt that goes on for nobody writes ``theirs`` right before what is new is written."""

    def __init__(self, theirs: bytes) -> None:
        super().__init__()
        self._theirs: bytes | None = theirs

    def put_new(self, name: str, pieces: Iterable[bytes], content_type: str, max_bytes: int) -> int:
        theirs, self._theirs = self._theirs, None
        if theirs is not None:
            shelf(self).put(name, theirs)
        return super().put_new(name, pieces, content_type, max_bytes)


def test_what_another_attempt_wrote_meanwhile_stays() -> None:
    blobs = Raced(b"the file")
    path = shelf(blobs).derived_path("a.png")

    sealed = shelf(blobs).put(path, b"the file")

    assert shelf(blobs).holds(sealed)
    assert blobs.get(path) != b""
    with_theirs = blobs.get(path)
    shelf(blobs).put(path, b"the file")
    assert blobs.get(path) == with_theirs


def test_what_another_attempt_made_differently_is_not_taken_for_ours() -> None:
    blobs = Raced(b"another file")

    with pytest.raises(UploadFailed) as caught:
        shelf(blobs).put(shelf(blobs).derived_path("a.png"), b"the file")

    assert caught.value.retryable


def test_what_is_damaged_is_replaced() -> None:
    blobs = MemoryBlobStore()
    path = shelf(blobs).derived_path("a.png")
    blobs.put(path, b"CMSEALED, and no more of it", "application/octet-stream")

    shelf(blobs).put(path, b"the file")

    assert shelf(blobs).read(path) == b"the file"
