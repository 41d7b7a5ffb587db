"""The one task of ``--once``, from its input to its document."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable

from core.boundary import guarded
from core.context import StopSignal
from core.outcome import Failed
from core.ports import BlobStore
from docker_worker.engines import engine_provider
from docker_worker.once.answer import answered, not_run
from docker_worker.once.document import Document, encoded
from docker_worker.once.payload import read_payload
from infrastructure.logs import log_to_stderr
from infrastructure.settings import Settings
from infrastructure.wiring import build_registries
from testing.factories import Registries
from testing.memory_blobs import MemoryBlobStore


def registered() -> Registries:
    """Everything of this project. Raises :class:`infrastructure.settings.SettingsInvalid`."""
    settings = Settings.from_environment(os.environ)
    log_to_stderr(settings.log_format)
    if not (_has_storage(settings) or settings.portal_keys or settings.portal_key_vault_keys):
        settings = settings.model_copy(update={"portal_keys": _passing_key()})
    return Registries(*build_registries(settings, engine_provider(settings)))


def _has_storage(settings: Settings) -> bool:
    return bool(settings.storage_connection_string or settings.storage_account_url)


def _passing_key() -> str:
    """For files in memory, which nobody opens after this process."""
    return f"once={base64.b64encode(os.urandom(32)).decode()}"


def storage() -> BlobStore:
    """The storage that is set, or memory, which is gone with the process."""
    settings = Settings.from_environment(os.environ)
    if not _has_storage(settings):
        return MemoryBlobStore()
    from infrastructure.blob_storage.connection import blob_service  # noqa: PLC0415 - an SDK that few need here
    from infrastructure.blob_storage.store import AzureBlobStore  # noqa: PLC0415

    return AzureBlobStore(blob_service(settings), settings.storage_container)


def document_of(
    descriptor: int,
    stop: StopSignal,
    registries: Callable[[], Registries] = registered,
    provisional: Callable[[bytes], None] = lambda _answer: None,
) -> bytes:
    """The answer to what is read from ``descriptor``; ``provisional`` is told what is one should this process end."""
    log_to_stderr()
    read = guarded(read_payload, descriptor, stop)
    document = not_run(read, "PAYLOAD") if isinstance(read, Failed) else _document(read, stop, registries, provisional)
    written = guarded(encoded, document)
    return encoded(not_run(written, None)) if isinstance(written, Failed) else written


def _document(
    content: bytes, stop: StopSignal, registries: Callable[[], Registries], provisional: Callable[[bytes], None]
) -> Document:
    made = guarded(registries)
    if isinstance(made, Failed):
        return not_run(made, None)
    return answered(content, made, stop, storage=storage, provisional=lambda answer: provisional(encoded(answer)))
