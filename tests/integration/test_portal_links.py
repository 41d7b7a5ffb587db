"""Files of portals by link, on Azurite, over HTTP as a client does it, and sealed objects in a real blob storage."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest
from azure.storage.blob import BlobServiceClient

from core.errors import BlobConflict, BlobNotFound
from core.system import SystemClock
from handlers.portal.errors import UploadMissing
from handlers.portal.paths import output_path, raw_path
from handlers.portal.transfer import Transfers
from infrastructure.blob_storage.connection import CallLimits, blob_service
from infrastructure.blob_storage.links import BlobLinks
from infrastructure.blob_storage.store import AzureBlobStore
from infrastructure.sealed.rotation import KeyRotation
from infrastructure.sealed.store import SealedBlobStore
from infrastructure.settings import Settings
from infrastructure.web.transfers import UPLOAD_HEADERS
from local.azurite import Azurite
from testing.clock import FakeClock
from tests.support.sealed import JOB, OTHER_JOB, OWNER, USER, key_ring, key_text, sealed_store

MIB = 1024 * 1024
PHOTO = b"\xff\xd8 a photo" * 1_000


@pytest.fixture(scope="module")
def azurite() -> Iterator[Azurite]:
    with Azurite() as azurite:
        yield azurite


@pytest.fixture(scope="module")
def service(azurite: Azurite) -> Iterator[BlobServiceClient]:
    settings = Settings.from_environment({"AZURE_STORAGE_CONNECTION_STRING": azurite.connection_string})
    with blob_service(settings, limits=CallLimits(retries=0)) as service:
        yield service


@pytest.fixture
def container() -> str:
    return f"test-{uuid4().hex}"


@pytest.fixture
def blobs(service: BlobServiceClient, container: str) -> AzureBlobStore:
    return AzureBlobStore(service, container)


@pytest.fixture
def sealed(blobs: AzureBlobStore) -> SealedBlobStore:
    return sealed_store(blobs)


@pytest.fixture
def transfers(service: BlobServiceClient, blobs: AzureBlobStore, sealed: SealedBlobStore, container: str) -> Transfers:
    return Transfers(blobs, sealed, BlobLinks(service, container, SystemClock()), SystemClock(), 60, MIB)


def put(url: str, data: bytes) -> httpx.Response:
    return httpx.put(url, content=data, headers=UPLOAD_HEADERS, trust_env=False, timeout=60)


def test_a_file_goes_up_by_link_is_sealed_and_comes_down_by_link(
    transfers: Transfers, blobs: AzureBlobStore, sealed: SealedBlobStore
) -> None:
    link = transfers.begin_upload(USER, JOB, "photo.jpg")
    with pytest.raises(UploadMissing):
        transfers.confirm_upload(USER, link.raw_path)
    assert put(link.url, PHOTO).status_code == 201

    confirmed = transfers.confirm_upload(USER, link.raw_path)
    down = transfers.begin_download(USER, link.raw_path)

    assert (confirmed.path, confirmed.size) == (link.raw_path, len(PHOTO))
    assert PHOTO[:10] not in blobs.get(link.raw_path)
    assert list(blobs.names("incoming/")) == []
    answer = httpx.get(down.url, trust_env=False, timeout=60)
    assert answer.content == PHOTO == sealed.read(link.raw_path, OWNER, MIB)
    assert answer.headers["Content-Disposition"] == 'attachment; filename="photo.jpg"'


def test_the_first_that_was_confirmed_stays_though_its_link_writes_on(
    transfers: Transfers, blobs: AzureBlobStore, sealed: SealedBlobStore
) -> None:
    link = transfers.begin_upload(USER, JOB, "photo.jpg")
    put(link.url, PHOTO)
    first = transfers.confirm_upload(USER, link.raw_path)
    put(link.url, b"another")

    assert transfers.confirm_upload(USER, link.raw_path) == first
    assert sealed.read(link.raw_path, OWNER, MIB) == PHOTO
    assert list(blobs.names("incoming/")) == []


def test_a_link_to_upload_does_nothing_else(transfers: Transfers, blobs: AzureBlobStore) -> None:
    link = transfers.begin_upload(USER, JOB, "photo.jpg")
    other = transfers.begin_upload(USER, OTHER_JOB, "photo.jpg")
    put(link.url, PHOTO)

    container = link.url.partition("/incoming/")[0]
    signature = urlsplit(link.url).query
    refused = [
        httpx.get(link.url, trust_env=False, timeout=60),
        httpx.head(link.url, trust_env=False, timeout=60),
        httpx.delete(link.url, trust_env=False, timeout=60),
        httpx.get(f"{container}?restype=container&comp=list&{signature}", trust_env=False, timeout=60),
        put(f"{urlsplit(other.url)._replace(query=signature).geturl()}", PHOTO),
        put(f"{container}/{link.raw_path}?{signature}", PHOTO),
        httpx.put(f"{link.url}&comp=tags", content=b"<Tags/>", trust_env=False, timeout=60),
    ]

    assert [answer.status_code for answer in refused] == [403] * len(refused)
    assert len(list(blobs.names("incoming/"))) == 1


def test_a_link_to_download_does_nothing_else(transfers: Transfers, sealed: SealedBlobStore) -> None:
    output = output_path(USER, JOB, 1)
    sealed.put(output, [b"a package"], OWNER, MIB)
    down = transfers.begin_download(USER, output, "images.zip")

    refused = [
        put(down.url, b"another"),
        httpx.delete(down.url, trust_env=False, timeout=60),
        httpx.get(
            f"{down.url.partition('/outgoing/')[0]}/{output}?{urlsplit(down.url).query}", trust_env=False, timeout=60
        ),
    ]

    assert [answer.status_code for answer in refused] == [403] * len(refused)
    assert httpx.get(down.url, trust_env=False, timeout=60).content == b"a package"


def test_a_link_ends_and_what_it_led_to_is_swept_away(
    service: BlobServiceClient, blobs: AzureBlobStore, sealed: SealedBlobStore, container: str
) -> None:
    clock = FakeClock(SystemClock().now() - timedelta(hours=30))
    transfers = Transfers(blobs, sealed, BlobLinks(service, container, clock), clock, 60, MIB)
    sealed.put(output_path(USER, JOB, 1), [b"a package"], OWNER, MIB)
    up, down = transfers.begin_upload(USER, JOB, "photo.jpg"), transfers.begin_download(USER, output_path(USER, JOB, 1))

    assert [put(up.url, PHOTO).status_code, httpx.get(down.url, trust_env=False, timeout=60).status_code] == [403, 403]
    clock.advance(timedelta(hours=30).total_seconds())
    assert transfers.sweep() == 1
    assert list(blobs.names("outgoing/")) == []


def test_keys_are_rotated_where_the_objects_are(blobs: AzureBlobStore, sealed: SealedBlobStore) -> None:
    raw = raw_path(USER, JOB, 1, "scan.tiff")
    data = bytes(range(256)) * 20_000
    sealed.put(raw, [data], OWNER, 16 * MIB)

    done = KeyRotation(blobs, key_ring(key_text("2027", 9), key_text("2026"))).rotate_all("raw/")

    assert (done.wrapped, done.failures, done.whole) == (1, (), True)
    assert sealed_store(blobs, [key_text("2027", 9)]).read(raw, OWNER, 16 * MIB) == data


def test_an_object_that_goes_while_it_is_opened_is_never_half_given(
    blobs: AzureBlobStore, sealed: SealedBlobStore
) -> None:
    raw = raw_path(USER, JOB, 1, "scan.tiff")
    sealed.put(raw, [bytes(9 * MIB)], OWNER, 16 * MIB)

    with sealed.open(raw, OWNER, 16 * MIB) as pieces:
        sealed.delete(raw)
        assert sum(len(piece) for piece in pieces) == 9 * MIB
    with pytest.raises((BlobNotFound, BlobConflict)), sealed.open(raw, OWNER, MIB):
        pass
