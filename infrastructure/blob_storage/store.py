""":class:`core.ports.BlobStore` in one container of a storage account."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar
from uuid import uuid4

from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import (
    BlobBlock,
    BlobClient,
    BlobProperties,
    BlobServiceClient,
    ContainerClient,
    ContentSettings,
)

from core.blobnames import check_blob_name, is_blob_name
from core.streams import bounded, in_blocks
from infrastructure.blob_storage.connection import PIECE
from infrastructure.blob_storage.errors import error_code, guarded, guarded_each

T = TypeVar("T")

_PREFIX = re.compile(r"[A-Za-z0-9._/-]*")
NAMES_A_PAGE = 1_000


class AzureBlobStore:
    """On a client that lives as long as the process. The container is made by the first write that misses it.

    May be used by several threads. A process that was forked makes a client of its own.
    """

    def __init__(self, service: BlobServiceClient, container: str) -> None:
        self._service = service
        self._container = service.get_container_client(container)

    @property
    def address(self) -> str:
        """The container's URL, without a signature."""
        return self._container.url.partition("?")[0]

    def close(self) -> None:
        """Ends the client's connections."""
        self._service.close()

    def put(self, name: str, data: bytes, content_type: str) -> None:
        view = memoryview(data)
        slices = (bytes(view[start : start + PIECE]) for start in range(0, len(view), PIECE))
        self.put_stream(name, slices, content_type, len(view))

    def put_stream(self, name: str, pieces: Iterable[bytes], content_type: str, max_bytes: int) -> int:
        return self._put(_Upload(self._blob(name), content_type, self._in_container), pieces, max_bytes)

    def put_new(self, name: str, pieces: Iterable[bytes], content_type: str, max_bytes: int) -> int:
        upload = _Upload(self._blob(name), content_type, self._in_container, replaces=False)
        return self._put(upload, pieces, max_bytes)

    def get(self, name: str) -> bytes:
        return b"".join(self.get_stream(name))

    def get_stream(self, name: str) -> Iterator[bytes]:
        blob = self._blob(name)
        # The first request brings the first piece and the ETag, which the SDK asks for in all that follow.
        download = guarded(blob.download_blob)
        return (piece for piece in guarded_each(iter(download.chunks())) if piece)

    def size(self, name: str) -> int:
        return self._properties(name).size

    def content_type(self, name: str) -> str:
        return self._properties(name).content_settings.content_type or ""

    def delete(self, name: str) -> None:
        blob = self._blob(name)

        def delete() -> None:
            try:
                blob.delete_blob(delete_snapshots="include")
            except ResourceNotFoundError:
                return

        guarded(delete)

    def names(self, prefix: str) -> Iterator[str]:
        """A page at a time. What others have put there under names that none of ours may have is left out."""
        if not _PREFIX.fullmatch(prefix):
            return iter(())
        return (name for name in guarded_each(self._listed(prefix)) if is_blob_name(name))

    def _put(self, upload: _Upload, pieces: Iterable[bytes], max_bytes: int) -> int:
        for block in in_blocks(bounded(pieces, max_bytes, "blob"), PIECE):
            upload.add(block)
        return upload.commit()

    def _listed(self, prefix: str) -> Iterator[str]:
        try:
            yield from self._container.list_blob_names(name_starts_with=prefix or None, results_per_page=NAMES_A_PAGE)
        except ResourceNotFoundError as error:
            if error_code(error) != "ContainerNotFound":
                raise

    def _blob(self, name: str) -> BlobClient:
        check_blob_name(name)
        return self._container.get_blob_client(name)

    def _properties(self, name: str) -> BlobProperties:
        return guarded(self._blob(name).get_blob_properties)

    def _in_container(self, write: Callable[[], T]) -> T:
        """``write``, and once more where it missed the container, which is made then."""
        try:
            return write()
        except ResourceNotFoundError as error:
            if error_code(error) != "ContainerNotFound":
                raise
        make_container(self._container)
        return write()


def make_container(container: ContainerClient) -> None:
    """Where it is not there yet."""
    try:
        container.create_container()
    except ResourceExistsError as error:
        if error_code(error) != "ContainerAlreadyExists":
            raise


class _Upload:
    """Blocks that become a blob together. A single one is the blob, in one request.

    The ids are this upload's own: with the SDK's, which are the offsets, two that write the same name could commit a
    mixture of both. Unless it ``replaces`` what is there, the service looks as the blocks become a blob (If-None-Match:
    *). A single block is one of a list then as well: for a write at once Azurite takes blocks that somebody left for a
    blob.
    """

    def __init__(
        self,
        blob: BlobClient,
        content_type: str,
        in_container: Callable[[Callable[[], object]], object],
        *,
        replaces: bool = True,
    ) -> None:
        self._blob = blob
        self._replaces = replaces
        self._settings = ContentSettings(content_type=content_type)
        self._in_container = in_container
        self._key = uuid4().hex
        self._staged: list[BlobBlock] = []
        self._held = b""
        self._size = 0

    def add(self, block: bytes) -> None:
        """The last one is held back, since it may be the only one."""
        if self._held:
            self._stage(self._held)
        self._held = block
        self._size += len(block)

    def commit(self) -> int:
        """The blob's size in bytes."""
        if not self._staged and self._replaces:
            self._write(
                lambda: self._blob.upload_blob(
                    self._held, length=len(self._held), overwrite=True, content_settings=self._settings
                )
            )
            return self._size
        if self._held:
            self._stage(self._held)
        only_if: dict[str, Any] = {} if self._replaces else {"match_condition": MatchConditions.IfMissing}
        self._write(lambda: self._blob.commit_block_list(self._staged, content_settings=self._settings, **only_if))
        return self._size

    def _stage(self, block: bytes) -> None:
        block_id = f"{self._key}-{len(self._staged):08d}"
        self._write(lambda: self._blob.stage_block(block_id, block, length=len(block)))
        self._staged.append(BlobBlock(block_id))

    def _write(self, request: Callable[[], object]) -> None:
        guarded(lambda: self._in_container(request))
