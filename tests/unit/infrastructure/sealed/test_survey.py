"""Which keys are in use is told by the objects, of which none is opened."""

from __future__ import annotations

from handlers.portal.paths import master_path, raw_path
from infrastructure.sealed.survey import LOOKED_AT, keys_in_use
from testing.memory_blobs import MemoryBlobStore
from tests.support.sealed import DOCUMENT, JOB, OWNER, USER, key_text, sealed_store


def test_the_keys_of_each_area_are_told() -> None:
    blobs = MemoryBlobStore()
    sealed_store(blobs, [key_text("2025")]).put(raw_path(USER, JOB, 1, "a.png"), [b"x"], OWNER, 100)
    sealed_store(blobs, [key_text("2026")]).put(master_path(USER, DOCUMENT), [b"x"], OWNER, 100)

    assert keys_in_use(blobs) == {"2025", "2026"}


def test_what_is_not_sealed_is_passed_over() -> None:
    blobs = MemoryBlobStore()
    blobs.put(raw_path(USER, JOB, 1, "a.png"), b"something else", "application/octet-stream")
    blobs.put("raw/file.png", b"CMSEALED", "application/octet-stream")

    assert keys_in_use(blobs) == frozenset()


def test_no_more_than_some_are_looked_at() -> None:
    blobs = MemoryBlobStore()
    for number in range(LOOKED_AT + 1):
        key = key_text("old" if number == LOOKED_AT else "new")
        sealed_store(blobs, [key]).put(raw_path(USER, JOB, number, "a.png"), [b"x"], OWNER, 100)

    assert keys_in_use(blobs) == {"new"}
