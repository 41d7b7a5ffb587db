"""Azure Blob Storage's adapter on Azurite, over HTTP with the real SDK."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
from azure.storage.blob import BlobServiceClient

from core.ports import BlobStore
from infrastructure.blob_storage.connection import blob_service
from infrastructure.blob_storage.store import AzureBlobStore
from infrastructure.settings import Settings
from local.azurite import Azurite
from testing.contracts.blob_store import BlobStoreContract


@pytest.fixture(scope="module")
def service() -> Iterator[BlobServiceClient]:
    with Azurite() as azurite:
        settings = Settings.from_environment({"AZURE_STORAGE_CONNECTION_STRING": azurite.connection_string})
        with blob_service(settings) as service:
            yield service


class TestAzureBlobStore(BlobStoreContract):
    @pytest.fixture
    def blobs(self, service: BlobServiceClient) -> BlobStore:
        return AzureBlobStore(service, f"test-{uuid4().hex}")
