"""Azure Blob Storage's adapter on Azurite, over HTTP with the real SDK."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.error import HTTPError
from urllib.request import urlopen
from uuid import uuid4

import pytest
from azure.storage.blob import BlobServiceClient

import infrastructure.blob_storage.store
from core.errors import BlobConflict, BlobNotFound, BlobStoreMisconfigured, BlobStoreUnavailable
from core.ports import BlobStore
from core.system import SystemClock
from infrastructure.blob_storage.connection import CallLimits, blob_service
from infrastructure.blob_storage.links import BlobLinks
from infrastructure.blob_storage.store import AzureBlobStore
from infrastructure.settings import Settings
from local.azurite import Azurite
from testing.contracts.blob_store import BlobStoreContract

MIB = 1024 * 1024
ONCE = CallLimits(connect_seconds=2, silent_seconds=10, retries=0)


@pytest.fixture(scope="module")
def azurite() -> Iterator[Azurite]:
    with Azurite() as azurite:
        yield azurite


@pytest.fixture(scope="module")
def service(azurite: Azurite) -> Iterator[BlobServiceClient]:
    with _service(azurite.connection_string) as service:
        yield service


@pytest.fixture
def container() -> str:
    return f"test-{uuid4().hex}"


@pytest.fixture
def store(service: BlobServiceClient, container: str) -> AzureBlobStore:
    return AzureBlobStore(service, container)


class TestAzureBlobStore(BlobStoreContract):
    @pytest.fixture
    def blobs(self, store: AzureBlobStore) -> BlobStore:
        return store


def test_a_container_that_is_not_there_is_empty_and_made_by_the_first_write(
    service: BlobServiceClient, store: AzureBlobStore, container: str
) -> None:
    assert list(store.names("")) == []
    store.delete("a")
    for read in (store.get, store.get_stream, store.size, store.content_type):
        with pytest.raises(BlobNotFound):
            read("a")
    assert not service.get_container_client(container).exists()

    store.put_stream("a", [b"x" * (5 * MIB)], "text/plain", 5 * MIB)

    assert store.size("a") == 5 * MIB


def test_first_writes_at_the_same_time_all_happen(store: AzureBlobStore) -> None:
    names = [f"a-{number}" for number in range(12)]

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda name: store.put(name, name.encode(), "text/plain"), names))
        found = list(pool.map(store.get, names))

    assert found == [name.encode() for name in names]
    assert list(store.names("")) == sorted(names)


def test_the_memory_of_a_stream_does_not_grow_with_it(store: AzureBlobStore) -> None:
    store.put("warm", b"up", "text/plain")
    tracemalloc.start()
    try:
        size = store.put_stream("a", (bytes(MIB) for _ in range(80)), "image/tiff", 80 * MIB)
        read = sum(len(piece) for piece in store.get_stream("a"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert size == read == 80 * MIB
    assert peak < 48 * MIB


def test_names_come_in_pages(store: AzureBlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(infrastructure.blob_storage.store, "NAMES_A_PAGE", 2)
    for number in range(5):
        store.put(f"a/{number}", b"", "text/plain")

    found = []
    for name in store.names("a/"):
        found.append(name)
        store.delete(name)

    assert found == [f"a/{number}" for number in range(5)]


def test_what_others_put_under_names_of_their_own_is_left_out(
    service: BlobServiceClient, store: AzureBlobStore, container: str
) -> None:
    store.put("a", b"", "text/plain")
    for name in ("$x", ".a", "a b", "ä"):
        service.get_blob_client(container, name).upload_blob(b"")

    assert list(store.names("")) == ["a"]


def test_a_blob_that_somebody_holds_is_a_conflict_and_stays(
    service: BlobServiceClient, store: AzureBlobStore, container: str
) -> None:
    store.put("a", b"before", "text/plain")
    lease = service.get_blob_client(container, "a").acquire_lease()

    for data in (b"small", b"x" * (5 * MIB)):
        with pytest.raises(BlobConflict):
            store.put("a", data, "text/plain")
    with pytest.raises(BlobConflict):
        store.delete("a")

    assert store.get("a") == b"before"
    lease.release()
    store.put("a", b"after", "text/plain")
    assert store.get("a") == b"after"


def test_a_blob_with_snapshots_is_deleted_with_them(
    service: BlobServiceClient, store: AzureBlobStore, container: str
) -> None:
    store.put("a", b"1", "text/plain")
    service.get_blob_client(container, "a").create_snapshot()

    store.delete("a")

    with pytest.raises(BlobNotFound):
        store.get("a")


def test_a_wrong_key_is_for_a_person(azurite: Azurite) -> None:
    stranger = Azurite(port=azurite.port)
    with _service(stranger.connection_string) as service:
        store = AzureBlobStore(service, "things")

        for call in (lambda: store.put("a", b"", "text/plain"), lambda: store.size("a"), lambda: list(store.names(""))):
            with pytest.raises(BlobStoreMisconfigured) as caught:
                call()
            assert stranger.key not in f"{caught.value}{caught.value.details}"


def test_a_link_reads_its_blob_and_no_other(service: BlobServiceClient, store: AzureBlobStore, container: str) -> None:
    store.put("runs/1/text.txt", b"the text", "text/plain")
    store.put("runs/1/other.txt", b"another", "text/plain")

    url = BlobLinks(service, container, SystemClock()).read_url("runs/1/text.txt", 60)

    with urlopen(url) as answer:
        assert (answer.read(), answer.headers["Content-Type"]) == (b"the text", "text/plain")
    with pytest.raises(HTTPError) as caught:
        urlopen(url.replace("text.txt", "other.txt"))
    assert caught.value.code == 403
    caught.value.close()


def test_a_store_whose_storage_went_away_says_so_and_goes_on_when_it_is_back(
    azurite: Azurite, service: BlobServiceClient, store: AzureBlobStore
) -> None:
    store.put("a", b"1", "text/plain")
    stream_of_two = (b"x" * (5 * MIB) for _ in range(2))

    azurite.stop()
    try:
        for call in (
            lambda: store.put("a", b"2", "text/plain"),
            lambda: store.put_stream("a", stream_of_two, "text/plain", 10 * MIB),
            lambda: store.get("a"),
            lambda: list(store.names("")),
            lambda: store.delete("a"),
        ):
            with pytest.raises(BlobStoreUnavailable):
                call()
    finally:
        azurite.start()

    store.put("a", b"2", "text/plain")
    assert store.get("a") == b"2"


def _service(connection_string: str) -> BlobServiceClient:
    settings = Settings.from_environment({"AZURE_STORAGE_CONNECTION_STRING": connection_string})
    return blob_service(settings, limits=ONCE)
