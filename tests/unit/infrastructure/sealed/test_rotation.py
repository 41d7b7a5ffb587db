"""Rotation: old keys open, the new one writes, and objects' keys are wrapped anew without touching what they open."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from core.errors import BlobConflict, BlobStoreUnavailable
from handlers.portal.errors import SealedDamaged, SealingKeyMissing, SealingKeyUnknown
from handlers.portal.paths import output_path, raw_path
from handlers.portal.sealing import owner_of_job
from infrastructure.sealed.rotation import Failure, KeyRotation
from testing.memory_blobs import MemoryBlobStore
from tests.support.sealed import JOB, OTHER_JOB, OTHER_USER, OWNER, USER, key_ring, key_text, sealed_store

OLD, NEW = key_text("2026", 1), key_text("2027", 2)
LIMIT = 1_000_000
PATHS = [raw_path(USER, JOB, number, "photo.jpg") for number in range(5)]
STRANGER = "documents/notes.txt"


@pytest.fixture
def blobs() -> MemoryBlobStore:
    """Five objects that the old key wraps, an output, and a blob of somebody else."""
    blobs = MemoryBlobStore()
    store = sealed_store(blobs, [OLD])
    for path in PATHS:
        store.put(path, [path.encode()], OWNER, LIMIT)
    store.put(output_path(OTHER_USER, OTHER_JOB, 1), [b"zip"], owner_of_job(OTHER_USER, OTHER_JOB), LIMIT)
    blobs.put(STRANGER, b"CMSEALED no", "text/plain")
    return blobs


def test_an_old_key_opens_and_the_first_one_writes(blobs: MemoryBlobStore) -> None:
    both = sealed_store(blobs, [NEW, OLD])

    both.put(PATHS[0], [b"new"], OWNER, LIMIT)

    assert both.read(PATHS[1], OWNER, LIMIT) == PATHS[1].encode()
    assert sealed_store(blobs, [NEW]).read(PATHS[0], OWNER, LIMIT) == b"new"
    with pytest.raises(SealingKeyUnknown) as caught:
        sealed_store(blobs, [NEW]).read(PATHS[1], OWNER, LIMIT)
    assert (caught.value.details, "2026" in caught.value.message) == ({"key_id": "2026"}, True)


def test_after_a_rotation_the_old_key_can_go(blobs: MemoryBlobStore) -> None:
    before = {path: blobs.get(path) for path in PATHS}

    done = KeyRotation(blobs, key_ring(NEW, OLD)).rotate_all()

    assert (done.wrapped, done.current, done.failures, done.whole) == (6, 0, (), True)
    alone = sealed_store(blobs, [NEW])
    for path in PATHS:
        assert alone.read(path, OWNER, LIMIT) == path.encode()
        assert blobs.get(path)[-len(path) - 16 :] == before[path][-len(path) - 16 :]
    assert blobs.get(STRANGER) == b"CMSEALED no"


def test_what_was_done_is_passed_over_and_a_pass_goes_on_where_one_ended(blobs: MemoryBlobStore) -> None:
    rotation = KeyRotation(blobs, key_ring(NEW, OLD))

    first = rotation.rotate_all("raw/", limit=2)
    second = rotation.rotate_all("raw/", after=str(first.last))
    again = rotation.rotate_all("raw/")

    assert (first.wrapped, first.last, first.whole) == (2, PATHS[1], False)
    assert (second.wrapped, second.last, second.whole) == (3, PATHS[4], True)
    assert (again.wrapped, again.current) == (0, 5)
    with pytest.raises(SealingKeyUnknown):
        sealed_store(blobs, [NEW]).read(output_path(OTHER_USER, OTHER_JOB, 1), owner_of_job(OTHER_USER, OTHER_JOB), 9)


def test_a_pass_of_nothing_says_so(blobs: MemoryBlobStore) -> None:
    done = KeyRotation(blobs, key_ring(NEW, OLD)).rotate_all("nobody/")

    assert (done.wrapped, done.current, done.last, done.whole) == (0, 0, None, True)


def test_one_that_cannot_be_opened_is_told_and_stays_as_it_is(blobs: MemoryBlobStore) -> None:
    moved, unknown = blobs.get(PATHS[0]), PATHS[2]
    blobs.put(PATHS[1], moved, "application/octet-stream")
    sealed_store(blobs, [key_text("2025", 3)]).put(unknown, [b"older"], OWNER, LIMIT)

    done = KeyRotation(blobs, key_ring(NEW, OLD)).rotate_all("raw/")

    assert done.failures == (Failure(PATHS[1], "SEALED_DAMAGED"), Failure(unknown, "SEALING_KEY_UNKNOWN"))
    assert (done.wrapped, done.whole) == (3, True)
    assert blobs.get(PATHS[1]) == moved


def test_what_was_damaged_before_is_damaged_after(blobs: MemoryBlobStore) -> None:
    damaged = bytearray(blobs.get(PATHS[0]))
    damaged[-1] ^= 1
    blobs.put(PATHS[0], bytes(damaged), "application/octet-stream")

    KeyRotation(blobs, key_ring(NEW, OLD)).rotate_all()

    with pytest.raises(SealedDamaged):
        sealed_store(blobs, [NEW]).read(PATHS[0], OWNER, LIMIT)


@pytest.mark.parametrize("written", [True, False])
def test_killed_at_any_write_it_is_done_by_the_next(blobs: MemoryBlobStore, written: bool) -> None:
    class Dying(MemoryBlobStore):
        """Goes away at its third write, before it or behind it."""

        def __init__(self) -> None:
            super().__init__()
            self.left = 3

        def put_stream(self, name: str, pieces: Iterable[bytes], content_type: str, max_bytes: int) -> int:
            self.left -= 1
            if self.left == 0 and not written:
                raise BlobStoreUnavailable("gone")
            size = super().put_stream(name, pieces, content_type, max_bytes)
            if self.left == 0:
                raise BlobStoreUnavailable("gone")
            return size

    dying = Dying()
    for name in blobs.names(""):
        dying.put(name, blobs.get(name), blobs.content_type(name))

    with pytest.raises(BlobStoreUnavailable):
        KeyRotation(dying, key_ring(NEW, OLD)).rotate_all("raw/")
    KeyRotation(dying, key_ring(NEW, OLD)).rotate_all("raw/")

    assert [sealed_store(dying, [NEW]).read(path, OWNER, LIMIT) for path in PATHS] == [p.encode() for p in PATHS]


def test_an_object_that_is_cut_off_on_its_way_is_not_written(blobs: MemoryBlobStore) -> None:
    class Short(MemoryBlobStore):
        def size(self, name: str) -> int:
            return super().size(name) + 1

    short = Short()
    short.put(PATHS[0], blobs.get(PATHS[0]), "application/octet-stream")

    with pytest.raises(BlobConflict):
        KeyRotation(short, key_ring(NEW, OLD)).rotate_all()

    assert short.get(PATHS[0]) == blobs.get(PATHS[0])


def test_without_a_key_nothing_is_rotated(blobs: MemoryBlobStore) -> None:
    with pytest.raises(SealingKeyMissing):
        KeyRotation(blobs, key_ring()).rotate_all()
