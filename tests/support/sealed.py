"""Sealed stores for tests: ids, keys, and a store over blobs in memory."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from core.ports import BlobStore
from handlers.portal.paths import DocumentId, PortalJobId, UserId, document_id_for
from handlers.portal.sealing import Owner
from infrastructure.sealed.keys import KeyRing, parse_local_keys
from infrastructure.sealed.store import SealedBlobStore

USER = UserId("0b1e5f3c-6a0d-4c57-8a3b-6f4b6f1d2c3a")
OTHER_USER = UserId("5e7d9c1b-2f3a-4b6c-9d8e-7f6a5b4c3d2e")
JOB = PortalJobId("9f1c2d3e-4b5a-4678-9abc-def012345678")
OTHER_JOB = PortalJobId("1a2b3c4d-5e6f-4a7b-8c9d-0e1f2a3b4c5d")
DOCUMENT = document_id_for(JOB)
OTHER_DOCUMENT = DocumentId("3c9d2f10-7e6b-4a21-b0c4-5d6e7f8091a2")
OWNER = Owner(USER, DOCUMENT)


def key_text(key_id: str, byte: int = 7) -> str:
    """A key as a setting has it: 32 times the same byte."""
    return f"{key_id}={base64.b64encode(bytes([byte]) * 32).decode()}"


def key_ring(*texts: str) -> KeyRing:
    """The first is the current one."""
    keys = parse_local_keys(texts)
    return KeyRing([keys] if keys else [])


def sealed_store(blobs: BlobStore, texts: Sequence[str] = (key_text("2026"),)) -> SealedBlobStore:
    return SealedBlobStore(blobs, key_ring(*texts))


class NamedLinks:
    """Links that say what they are for, and lead nowhere."""

    def write_url(self, name: str, seconds: float) -> str:
        return f"write:{name}:{seconds:g}"

    def read_url(self, name: str, seconds: float, filename: str | None = None) -> str:
        return f"read:{name}:{seconds:g}:{filename}"
