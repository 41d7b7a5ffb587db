"""Uploads and downloads by link: sealed when confirmed, nothing lost in between, nothing plain left behind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from core.errors import BlobConflict, BlobNotFound, BlobStoreUnavailable
from handlers.document.errors import DocumentTooLarge
from handlers.portal.errors import (
    SealedDamaged,
    SealedOwnerWrong,
    SealingKeyMissing,
    StoragePathInvalid,
    UploadEmpty,
    UploadMissing,
)
from handlers.portal.paths import PortalJobId, UserId, master_path, output_path, raw_path
from handlers.portal.sealing import Sealed
from handlers.portal.transfer import Transfers
from testing.clock import FakeClock
from testing.memory_blobs import MemoryBlobStore
from tests.support.sealed import DOCUMENT, JOB, OTHER_USER, OWNER, USER, NamedLinks, key_text, sealed_store

START = datetime(2030, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
STAMP = int(START.timestamp() * 1_000)
RAW = raw_path(USER, JOB, STAMP, "photo.jpg")
INCOMING = f"incoming/{USER}/{JOB}/{STAMP}_photo.jpg.part"
PHOTO = b"\xff\xd8 a photo" * 10_000
LIMIT = 1_000_000


@pytest.fixture
def blobs() -> MemoryBlobStore:
    return MemoryBlobStore()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(START)


@pytest.fixture
def transfers(blobs: MemoryBlobStore, clock: FakeClock) -> Transfers:
    return transfers_on(blobs, clock)


def transfers_on(blobs: MemoryBlobStore, clock: FakeClock, *keys: str) -> Transfers:
    sealed = sealed_store(blobs, keys or (key_text("2026"),))
    return Transfers(blobs, sealed, NamedLinks(), clock, 600, LIMIT)


def names(blobs: MemoryBlobStore) -> list[str]:
    return list(blobs.names(""))


def test_an_upload_goes_to_a_place_of_its_own_that_is_not_called_encrypted(transfers: Transfers) -> None:
    link = transfers.begin_upload(USER, JOB, "photo.jpg")

    assert (link.raw_path, link.url) == (RAW, f"write:{INCOMING}:600")
    assert link.expires_at == START + timedelta(seconds=600)


def test_what_is_confirmed_is_sealed_and_gone_from_where_it_came_in(
    transfers: Transfers, blobs: MemoryBlobStore
) -> None:
    blobs.put(INCOMING, PHOTO, "image/jpeg")

    sealed = transfers.confirm_upload(USER, RAW)

    assert (sealed.path, sealed.size) == (RAW, len(PHOTO))
    assert sealed_store(blobs).read(RAW, OWNER, LIMIT) == PHOTO
    assert names(blobs) == [RAW]
    assert PHOTO[:10] not in blobs.get(RAW)


def test_confirming_again_says_the_same_and_the_first_one_stays(transfers: Transfers, blobs: MemoryBlobStore) -> None:
    blobs.put(INCOMING, PHOTO, "image/jpeg")
    first = transfers.confirm_upload(USER, RAW)
    blobs.put(INCOMING, b"another, by the same link", "image/jpeg")

    again = transfers.confirm_upload(USER, RAW)

    assert again == first
    assert names(blobs) == [RAW]


@pytest.mark.parametrize("step", ["before the seal", "behind the seal", "before the removal"])
def test_killed_at_any_step_of_confirming_nothing_is_lost(clock: FakeClock, step: str) -> None:
    class Dying(MemoryBlobStore):
        """Ends at a step, once."""

        def __init__(self) -> None:
            super().__init__()
            self.dead = False

        def die(self, at: str) -> None:
            if at == step and not self.dead:
                self.dead = True
                raise BlobStoreUnavailable("killed")

        def put_new(self, name: str, pieces: Iterable[bytes], content_type: str, max_bytes: int) -> int:
            self.die("before the seal")
            size = super().put_new(name, pieces, content_type, max_bytes)
            self.die("behind the seal")
            return size

        def delete(self, name: str) -> None:
            self.die("before the removal")
            super().delete(name)

    blobs = Dying()
    blobs.put(INCOMING, PHOTO, "image/jpeg")
    with pytest.raises(BlobStoreUnavailable):
        transfers_on(blobs, clock).confirm_upload(USER, RAW)
    assert names(blobs)

    sealed = transfers_on(blobs, clock).confirm_upload(USER, RAW)

    assert sealed.size == len(PHOTO)
    assert names(blobs) == [RAW]
    assert sealed_store(blobs).read(RAW, OWNER, LIMIT) == PHOTO


def test_two_that_confirm_at_once_both_hear_of_the_same(clock: FakeClock) -> None:
    class Raced(MemoryBlobStore):
        """Between its size and its bytes, somebody else confirms the upload."""

        def size(self, name: str) -> int:
            size = super().size(name)
            if name == INCOMING:
                others.append(transfers_on_same.confirm_upload(USER, RAW))
            return size

    blobs, others = Raced(), list[object]()
    blobs.put(INCOMING, PHOTO, "image/jpeg")
    calm = MemoryBlobStore()
    calm._blobs = blobs._blobs
    transfers_on_same = transfers_on(calm, clock)

    assert [transfers_on(blobs, clock).confirm_upload(USER, RAW)] == others


def test_what_came_in_later_does_not_replace_what_another_confirmed(clock: FakeClock) -> None:
    """The link lives on: between two that confirm at once something else may be uploaded."""

    class Late(MemoryBlobStore):
        """While the upload is sealed, another one is made and confirmed."""

        def put_new(self, name: str, pieces: Iterable[bytes], content_type: str, max_bytes: int) -> int:
            late = list(pieces)
            if not others:
                others.append(None)
                self.put(INCOMING, b"the other picture", "image/jpeg")
                others[0] = transfers_on(self, clock).confirm_upload(USER, RAW)
            return super().put_new(name, late, content_type, max_bytes)

    blobs, others = Late(), list[Sealed | None]()
    blobs.put(INCOMING, PHOTO, "image/jpeg")

    told = transfers_on(blobs, clock).confirm_upload(USER, RAW)

    assert [told] == others
    assert sealed_store(blobs).read(RAW, OWNER, LIMIT) == b"the other picture"


def test_an_upload_that_changes_while_it_is_sealed_is_tried_again(clock: FakeClock) -> None:
    class Changing(MemoryBlobStore):
        def get_stream(self, name: str) -> Iterator[bytes]:
            pieces = super().get_stream(name)
            if name == INCOMING:
                yield next(pieces)
                raise BlobConflict("replaced")
            yield from pieces

    blobs = Changing()
    blobs.put(INCOMING, PHOTO, "image/jpeg")

    with pytest.raises(BlobConflict) as caught:
        transfers_on(blobs, clock).confirm_upload(USER, RAW)

    assert caught.value.retryable
    assert names(blobs) == [INCOMING]


def test_what_never_came_in_is_missing(transfers: Transfers, blobs: MemoryBlobStore) -> None:
    with pytest.raises(UploadMissing):
        transfers.confirm_upload(USER, RAW)

    assert names(blobs) == []


@pytest.mark.parametrize(("data", "error"), [(b"", UploadEmpty), (bytes(LIMIT + 1), DocumentTooLarge)])
def test_what_is_empty_or_too_large_is_not_sealed(
    transfers: Transfers, blobs: MemoryBlobStore, data: bytes, error: type[Exception]
) -> None:
    blobs.put(INCOMING, data, "image/jpeg")

    with pytest.raises(error):
        transfers.confirm_upload(USER, RAW)

    assert names(blobs) == [INCOMING]


def test_without_a_key_what_came_in_stays_and_can_be_confirmed_later(blobs: MemoryBlobStore, clock: FakeClock) -> None:
    blobs.put(INCOMING, PHOTO, "image/jpeg")
    keyless = Transfers(blobs, sealed_store(blobs, ()), NamedLinks(), clock)

    with pytest.raises(SealingKeyMissing):
        keyless.confirm_upload(USER, RAW)

    assert transfers_on(blobs, clock).confirm_upload(USER, RAW).size == len(PHOTO)


def test_paths_of_others_and_paths_of_nothing_are_refused(transfers: Transfers, blobs: MemoryBlobStore) -> None:
    blobs.put(INCOMING, PHOTO, "image/jpeg")

    for call in (transfers.confirm_upload, transfers.begin_download):
        with pytest.raises(SealedOwnerWrong):
            call(OTHER_USER, RAW)
        for path in (INCOMING, "", "../x", RAW + "\n"):
            with pytest.raises(StoragePathInvalid):
                call(USER, path)
    with pytest.raises(StoragePathInvalid):
        transfers.confirm_upload(USER, master_path(USER, DOCUMENT))
    for user, job, name in ((UserId("x"), JOB, "a"), (USER, PortalJobId(".."), "a"), (USER, JOB, "../a")):
        with pytest.raises(StoragePathInvalid):
            transfers.begin_upload(user, job, name)

    assert names(blobs) == [INCOMING]


def test_a_download_is_a_plain_copy_that_its_link_alone_leads_to(transfers: Transfers, blobs: MemoryBlobStore) -> None:
    output = output_path(USER, JOB, 1)
    sealed_store(blobs).put(output, [b"a zip"], OWNER, LIMIT)

    link = transfers.begin_download(USER, output)

    copy = next(name for name in names(blobs) if name != output)
    assert copy.startswith(f"outgoing/{USER}/{DOCUMENT}/{STAMP + 600_000}_")
    assert blobs.get(copy) == b"a zip"
    assert (link.url, link.size) == (f"read:{copy}:600:output.zip", 5)
    assert link.expires_at == START + timedelta(seconds=600)


def test_a_download_may_be_given_a_name(transfers: Transfers, blobs: MemoryBlobStore) -> None:
    master = master_path(USER, DOCUMENT)
    sealed_store(blobs).put(master, [b"a photo"], OWNER, LIMIT)

    assert transfers.begin_download(USER, master, "ready.jpg").url.endswith(":ready.jpg")
    assert transfers.begin_download(USER, master).url.endswith(f":{DOCUMENT}")
    with pytest.raises(StoragePathInvalid):
        transfers.begin_download(USER, master, "../x")


def test_of_what_is_damaged_or_not_there_no_copy_is_made(transfers: Transfers, blobs: MemoryBlobStore) -> None:
    with pytest.raises(BlobNotFound):
        transfers.begin_download(USER, RAW)
    sealed_store(blobs).put(RAW, [PHOTO], OWNER, LIMIT)
    data = blobs.get(RAW)
    blobs.put(RAW, data[:-1] + bytes([data[-1] ^ 1]), "application/octet-stream")

    with pytest.raises(SealedDamaged):
        transfers.begin_download(USER, RAW)

    assert names(blobs) == [RAW]


@pytest.mark.parametrize(
    ("after", "left"),
    [
        (600, ["incoming", "outgoing", "raw"]),
        (661, ["incoming", "raw"]),
        (600 + 86_400, ["incoming", "raw"]),
        (601 + 86_400, ["raw"]),
    ],
)
def test_what_is_over_is_swept_away_and_nothing_else(
    transfers: Transfers, blobs: MemoryBlobStore, clock: FakeClock, after: float, left: list[str]
) -> None:
    sealed_store(blobs).put(RAW, [PHOTO], OWNER, LIMIT)
    blobs.put(INCOMING, PHOTO, "image/jpeg")
    transfers.begin_download(USER, RAW)
    strangers = ["incoming/notes.txt", "outgoing/x", f"outgoing/{USER}/{JOB}/1_a.part"]
    for name in strangers:
        blobs.put(name, b"", "text/plain")
    clock.advance(after)

    removed = transfers.sweep()

    kept = [name for name in names(blobs) if name not in strangers]
    assert [name.partition("/")[0] for name in kept] == left
    assert removed == 3 - len(left)
    assert set(strangers) < set(names(blobs))


def test_a_second_sweep_finds_nothing(transfers: Transfers, blobs: MemoryBlobStore, clock: FakeClock) -> None:
    blobs.put(INCOMING, PHOTO, "image/jpeg")
    clock.advance(90_000)

    assert [transfers.sweep(), transfers.sweep()] == [1, 0]
