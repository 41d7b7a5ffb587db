"""Which names a blob may have."""

from __future__ import annotations

import re

from core.errors import BlobNameInvalid

_PART = r"[A-Za-z0-9_-](?:[A-Za-z0-9._-]*[A-Za-z0-9_-])?"
_NAME = re.compile(f"{_PART}(?:/{_PART})*")
MAX_BLOB_NAME = 512
MAX_BLOB_PARTS = 254
"""Azure Blob Storage takes no more (learn.microsoft.com, Naming and Referencing Containers, Blobs, and Metadata)."""


def check_blob_name(name: str) -> None:
    """Raises :class:`BlobNameInvalid`; the rule stands at :class:`core.ports.BlobStore`."""
    if not is_blob_name(name):
        raise BlobNameInvalid(f"blob name {name[:80]!r}: parts of A-Z a-z 0-9 . _ - without a dot at either end")


def is_blob_name(name: str) -> bool:
    return len(name) <= MAX_BLOB_NAME and name.count("/") < MAX_BLOB_PARTS and _NAME.fullmatch(name) is not None
