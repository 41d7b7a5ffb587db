from __future__ import annotations

import pytest

from core.errors import CapacityExceeded
from core.ports import BlobStore
from testing.contracts.blob_store import BlobStoreContract
from testing.memory_blobs import MemoryBlobStore


class TestMemoryBlobStore(BlobStoreContract):
    @pytest.fixture
    def blobs(self) -> BlobStore:
        return MemoryBlobStore()

    def test_over_its_bound_a_put_changes_nothing(self) -> None:
        blobs = MemoryBlobStore(max_bytes=10)
        blobs.put("a", b"12345678", "text/plain")

        with pytest.raises(CapacityExceeded):
            blobs.put("b", b"123", "text/plain")
        with pytest.raises(CapacityExceeded):
            blobs.put("a", b"12345678901", "text/plain")

        assert (blobs.get("a"), list(blobs.names(""))) == (b"12345678", ["a"])

    def test_room_is_given_back_by_replacing_and_deleting(self) -> None:
        blobs = MemoryBlobStore(max_bytes=10)
        blobs.put("a", b"1234567890", "text/plain")
        blobs.put("a", b"12345", "text/plain")
        blobs.put("b", b"12345", "text/plain")
        blobs.delete("a")

        blobs.put("c", b"12345", "text/plain")

        assert list(blobs.names("")) == ["b", "c"]
