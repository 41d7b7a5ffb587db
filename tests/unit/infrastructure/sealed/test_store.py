"""Sealed objects: what was sealed comes back, for its owner alone, and no changed bit of it opens."""

from __future__ import annotations

import io
import tempfile
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import infrastructure.sealed.store
from core.errors import BlobNotFound, CapacityExceeded, CoreMachineError
from handlers.portal.errors import (
    SealedDamaged,
    SealedError,
    SealedFormatUnknown,
    SealedOwnerWrong,
    SealedTooLarge,
    SealingKeyMissing,
    SealingKeyUnknown,
    StoragePathInvalid,
)
from handlers.portal.paths import derived_path, document_id_for, master_path, output_path, raw_path
from handlers.portal.sealing import Owner, Sealed, SealedStore, owner_of_job
from infrastructure.sealed.body import CHUNK, TAG
from infrastructure.sealed.header import MAGIC
from infrastructure.sealed.store import SealedBlobStore
from testing.memory_blobs import MemoryBlobStore
from tests.support.sealed import (
    DOCUMENT,
    JOB,
    OTHER_DOCUMENT,
    OTHER_JOB,
    OTHER_USER,
    OWNER,
    USER,
    key_ring,
    key_text,
    sealed_store,
)

RAW = raw_path(USER, JOB, 1, "photo.jpg")
MASTER = master_path(USER, DOCUMENT)
HEADER = len(MAGIC) + 1 + 1 + 7 + 1 + 1 + len("2026") + 2 + 40 + 32
LIMIT = 10 * CHUNK


@pytest.fixture
def blobs() -> MemoryBlobStore:
    return MemoryBlobStore()


@pytest.fixture
def store(blobs: MemoryBlobStore) -> SealedStore:
    return sealed_store(blobs)


def content(size: int) -> bytes:
    return bytes(number * 7 % 251 for number in range(size))


def opened(store: SealedStore, path: str, owner: Owner, limit: int = LIMIT) -> bytes:
    with store.open(path, owner, limit) as pieces:
        return b"".join(pieces)


READERS: dict[str, Callable[[SealedStore, str, Owner], object]] = {
    "open": opened,
    "read": lambda store, path, owner: store.read(path, owner, LIMIT),
    "verify": lambda store, path, owner: store.verify(path, owner, LIMIT),
}


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 7 * CHUNK + 5])
def test_what_was_sealed_comes_back(store: SealedStore, blobs: MemoryBlobStore, size: int) -> None:
    data = content(size)

    sealed = store.put(RAW, [data[:3], data[3:]], OWNER, size)

    assert (sealed.path, sealed.size) == (RAW, size)
    assert store.read(RAW, OWNER, size) == opened(store, RAW, OWNER, size) == data
    assert store.verify(RAW, OWNER, size) == sealed
    assert blobs.size(RAW) == HEADER + size + TAG * max(1, -(-size // CHUNK))


@given(st.lists(st.binary(max_size=50), max_size=6))
def test_the_pieces_that_it_came_in_leave_no_trace(pieces: list[bytes]) -> None:
    store = sealed_store(MemoryBlobStore())

    store.put(RAW, pieces, OWNER, 1_000)

    assert store.read(RAW, OWNER, 1_000) == b"".join(pieces)


def test_what_is_stored_shows_nothing_and_is_never_the_same_twice(store: SealedStore, blobs: MemoryBlobStore) -> None:
    data = b"a text that could be found" * 100
    store.put(RAW, [data], OWNER, LIMIT)
    first = blobs.get(RAW)

    store.put(RAW, [data], OWNER, LIMIT)

    assert b"could be found" not in first
    assert blobs.get(RAW)[: len(MAGIC) + 2] == first[: len(MAGIC) + 2]
    assert blobs.get(RAW)[HEADER:] != first[HEADER:]


def test_every_bit_that_is_flipped_is_refused(store: SealedStore, blobs: MemoryBlobStore) -> None:
    """Of the whole object: what it begins with, the id and the wrapped key, the nonce, each tag, and the body."""
    store.put(RAW, [content(21)], OWNER, LIMIT)
    sealed = blobs.get(RAW)

    refused = {
        type(refusal(store, blobs, flipped(sealed, place, bit))) for place in range(len(sealed)) for bit in range(8)
    }

    assert len(sealed) == HEADER + 21 + TAG
    assert refused == {SealedFormatUnknown, SealedDamaged, SealingKeyUnknown}


def test_every_bit_around_the_end_of_a_chunk_is_looked_at(store: SealedStore, blobs: MemoryBlobStore) -> None:
    store.put(RAW, [content(CHUNK + 3)], OWNER, LIMIT)
    sealed = blobs.get(RAW)

    for place in range(HEADER + CHUNK - 1, len(sealed)):
        for bit in range(8):
            assert isinstance(refusal(store, blobs, flipped(sealed, place, bit)), SealedDamaged)


def test_every_place_at_which_it_is_cut_off_is_refused(store: SealedStore, blobs: MemoryBlobStore) -> None:
    store.put(RAW, [content(50)], OWNER, LIMIT)
    sealed = blobs.get(RAW)

    for length in range(len(sealed)):
        assert isinstance(refusal(store, blobs, sealed[:length]), SealedError), length


def test_what_is_longer_is_refused(store: SealedStore, blobs: MemoryBlobStore) -> None:
    for size in (0, 50, CHUNK):
        store.put(RAW, [content(size)], OWNER, LIMIT)
        sealed = blobs.get(RAW)
        for more in (b"\x00", bytes(TAG), bytes(CHUNK + TAG), sealed[HEADER:]):
            assert isinstance(refusal(store, blobs, sealed + more), SealedDamaged), (size, len(more))


def test_chunks_that_are_left_out_doubled_or_in_another_order_are_refused(
    store: SealedStore, blobs: MemoryBlobStore
) -> None:
    store.put(RAW, [content(3 * CHUNK)], OWNER, LIMIT)
    sealed = blobs.get(RAW)
    header, body = sealed[:HEADER], sealed[HEADER:]
    one, two, three = (body[start : start + CHUNK + TAG] for start in range(0, len(body), CHUNK + TAG))

    for chunks in (
        (one, two),
        (one, three),
        (two, three),
        (two, one, three),
        (one, one, three),
        (one, two, two, three),
    ):
        assert isinstance(refusal(store, blobs, header + b"".join(chunks)), SealedDamaged)
    assert isinstance(refusal(store, blobs, header), SealedDamaged)


def test_an_objects_beginning_opens_no_other_objects_body(store: SealedStore, blobs: MemoryBlobStore) -> None:
    sealed = []
    for _ in range(2):
        store.put(RAW, [content(50)], OWNER, LIMIT)
        sealed.append(blobs.get(RAW))

    assert isinstance(refusal(store, blobs, sealed[0][:HEADER] + sealed[1][HEADER:]), SealedDamaged)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    ("path", "owner"),
    [
        (raw_path(OTHER_USER, JOB, 1, "photo.jpg"), owner_of_job(OTHER_USER, JOB)),
        (raw_path(USER, OTHER_JOB, 1, "photo.jpg"), owner_of_job(USER, OTHER_JOB)),
        (raw_path(USER, JOB, 2, "photo.jpg"), OWNER),
        (raw_path(USER, JOB, 1, "other.jpg"), OWNER),
        (derived_path(USER, JOB, 1, "photo.jpg"), OWNER),
        (output_path(USER, JOB, 1), OWNER),
        (MASTER, OWNER),
        (master_path(USER, OTHER_DOCUMENT), Owner(USER, OTHER_DOCUMENT)),
    ],
)
def test_what_is_moved_to_another_user_document_or_path_opens_for_nobody(
    store: SealedStore, blobs: MemoryBlobStore, reader: str, path: str, owner: Owner
) -> None:
    store.put(RAW, [b"mine"], OWNER, LIMIT)
    blobs.put(path, blobs.get(RAW), "application/octet-stream")

    with pytest.raises(SealedDamaged, match="another owner or path"):
        READERS[reader](store, path, owner)


@pytest.mark.parametrize(
    ("path", "owner"),
    [
        (RAW, Owner(OTHER_USER, DOCUMENT)),
        (RAW, Owner(USER, OTHER_DOCUMENT)),
        (RAW, owner_of_job(USER, OTHER_JOB)),
        (MASTER, Owner(OTHER_USER, DOCUMENT)),
        (MASTER, Owner(USER, OTHER_DOCUMENT)),
        (output_path(USER, JOB, 1), owner_of_job(OTHER_USER, JOB)),
    ],
)
def test_a_path_is_its_owners_alone(store: SealedStore, blobs: MemoryBlobStore, path: str, owner: Owner) -> None:
    with pytest.raises(SealedOwnerWrong):
        store.put(path, [b"1"], owner, LIMIT)
    for read in READERS.values():
        with pytest.raises(SealedOwnerWrong):
            read(store, path, owner)

    assert list(blobs.names("")) == []


@pytest.mark.parametrize(("place", "value"), [(8, 0), (8, 2), (8, 255), (9, 0), (9, 2), (17, 0), (17, 3)])
def test_a_version_algorithm_or_wrapping_that_is_not_known_is_refused(
    store: SealedStore, blobs: MemoryBlobStore, place: int, value: int
) -> None:
    store.put(RAW, [b"1"], OWNER, LIMIT)
    sealed = bytearray(blobs.get(RAW))
    sealed[place] = value

    assert isinstance(refusal(store, blobs, bytes(sealed)), SealedFormatUnknown)


def test_what_was_never_sealed_is_said_to_be_so(store: SealedStore, blobs: MemoryBlobStore) -> None:
    for data in (b"", b"\xff\xd8\xff\xe0 a photo as it came", MAGIC[:-1]):
        assert isinstance(refusal(store, blobs, data), SealedFormatUnknown)


def test_nothing_is_given_before_all_of_it_was_checked(store: SealedStore, blobs: MemoryBlobStore) -> None:
    """The first chunks are whole: only the last is damaged."""
    store.put(RAW, [content(3 * CHUNK)], OWNER, LIMIT)
    blobs.put(RAW, flipped(blobs.get(RAW), blobs.size(RAW) - 1, 0), "application/octet-stream")

    with pytest.raises(SealedDamaged):
        store.open(RAW, OWNER, LIMIT).__enter__()


def test_what_waits_in_a_file_is_encrypted_and_has_no_name(
    blobs: MemoryBlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(infrastructure.sealed.store, "IN_MEMORY", 1)
    kept: list[tempfile.SpooledTemporaryFile[bytes]] = []

    def remembered(size: int, *, dir: str) -> tempfile.SpooledTemporaryFile[bytes]:  # noqa: A002 - as it is called
        kept.append(tempfile.SpooledTemporaryFile(size, dir=dir))  # noqa: SIM115 - the store closes it
        return kept[-1]

    monkeypatch.setattr(infrastructure.sealed.store, "SpooledTemporaryFile", remembered)
    store = SealedBlobStore(blobs, key_ring(key_text("2026")), tmp_path)
    data = b"a text that could be found" * 10_000
    store.put(RAW, [data], OWNER, LIMIT)

    with store.open(RAW, OWNER, LIMIT) as pieces:
        kept[0].seek(0)
        waiting = kept[0].read()
        kept[0].seek(0)
        assert b"".join(pieces) == data

    assert list(tmp_path.iterdir()) == []
    assert waiting == blobs.get(RAW)[HEADER:]
    assert b"could be found" not in waiting
    assert kept[0].closed


class FileBlobs(MemoryBlobStore):
    """Blobs in a folder, so that memory holds nothing of them."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def put_stream(self, name: str, pieces: Iterable[bytes], content_type: str, max_bytes: int) -> int:
        with (self._folder / name.replace("/", "_")).open("wb") as file:
            return sum(file.write(piece) for piece in pieces)

    def get_stream(self, name: str) -> Iterator[bytes]:
        with (self._folder / name.replace("/", "_")).open("rb") as file:
            yield from iter(lambda: file.read(1024 * 1024), b"")


def test_the_memory_of_a_stream_does_not_grow_with_it(tmp_path: Path) -> None:
    store, size = sealed_store(FileBlobs(tmp_path)), 64 * 1024 * 1024
    tracemalloc.start()
    try:
        sealed = store.put(RAW, (bytes(1024 * 1024) for _ in range(64)), OWNER, size)
        with store.open(RAW, OWNER, size) as pieces:
            read = sum(len(piece) for piece in pieces)
        verified = store.verify(RAW, OWNER, size)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert verified == sealed
    assert read == sealed.size == size
    assert peak < 16 * 1024 * 1024


def test_more_than_the_bound_is_neither_written_nor_read(store: SealedStore, blobs: MemoryBlobStore) -> None:
    with pytest.raises(CapacityExceeded):
        store.put(RAW, [content(11)], OWNER, 10)
    assert not store.exists(RAW)

    store.put(RAW, [content(11)], OWNER, 11)

    for read in (lambda: store.read(RAW, OWNER, 10), lambda: store.verify(RAW, OWNER, 10)):
        with pytest.raises(SealedTooLarge):
            read()
    with pytest.raises(SealedTooLarge):
        opened(store, RAW, OWNER, 10)


def test_a_source_that_fails_leaves_what_was_there(store: SealedStore) -> None:
    def failing() -> Iterator[bytes]:
        yield b"new"
        raise io.UnsupportedOperation

    store.put(RAW, [b"old"], OWNER, LIMIT)
    with pytest.raises(io.UnsupportedOperation):
        store.put(RAW, failing(), OWNER, LIMIT)

    assert store.read(RAW, OWNER, LIMIT) == b"old"


def test_what_is_there_is_there_until_it_is_deleted(store: SealedStore) -> None:
    assert not store.exists(RAW)
    store.put(RAW, [], OWNER, LIMIT)
    assert store.exists(RAW)

    store.delete(RAW)
    store.delete(RAW)

    assert not store.exists(RAW)
    for read in READERS.values():
        with pytest.raises(BlobNotFound):
            read(store, RAW, OWNER)


@pytest.mark.parametrize("path", ["", "photo.jpg", "/" + RAW, RAW + "\n", RAW.replace("raw/", "incoming/")])
def test_a_path_of_nothing_sealed_is_refused_everywhere(store: SealedStore, path: str) -> None:
    for use in (
        lambda: store.put(path, [], OWNER, 1),
        lambda: opened(store, path, OWNER),
        lambda: store.read(path, OWNER, 1),
        lambda: store.verify(path, OWNER, 1),
        lambda: store.exists(path),
        lambda: store.delete(path),
    ):
        with pytest.raises(StoragePathInvalid):
            use()


def test_without_a_key_nothing_is_sealed(blobs: MemoryBlobStore) -> None:
    with pytest.raises(SealingKeyMissing):
        sealed_store(blobs, ()).put(RAW, [b"1"], OWNER, LIMIT)

    assert list(blobs.names("")) == []


def test_a_key_that_is_gone_is_named(store: SealedStore, blobs: MemoryBlobStore) -> None:
    store.put(RAW, [b"1"], OWNER, LIMIT)

    with pytest.raises(SealingKeyUnknown) as caught:
        sealed_store(blobs, [key_text("2027")]).read(RAW, OWNER, LIMIT)

    assert caught.value.details == {"key_id": "2026"}


def test_another_key_of_the_same_id_opens_nothing(store: SealedStore, blobs: MemoryBlobStore) -> None:
    store.put(RAW, [b"1"], OWNER, LIMIT)

    with pytest.raises(SealedDamaged, match="another of the same id"):
        sealed_store(blobs, [key_text("2026", 8)]).read(RAW, OWNER, LIMIT)


def test_a_job_is_bound_to_its_own_document() -> None:
    assert owner_of_job(USER, JOB) == OWNER
    assert document_id_for(JOB) == OWNER.document_id != document_id_for(OTHER_JOB)


def flipped(data: bytes, place: int, bit: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]


def refusal(store: SealedStore, blobs: MemoryBlobStore, data: bytes) -> CoreMachineError:
    """What reading ``data`` in the place of the object raises, whichever way it is read."""
    blobs.put(RAW, data, "application/octet-stream")
    with pytest.raises(CoreMachineError) as caught:
        store.read(RAW, OWNER, LIMIT)
    with pytest.raises(type(caught.value)):
        store.open(RAW, OWNER, LIMIT).__enter__()
    return caught.value


def test_the_result_of_a_put_says_what_was_in_it(store: SealedStore) -> None:
    sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

    assert store.put(RAW, [b"a", b"bc"], OWNER, 3) == Sealed(RAW, 3, sha256)
