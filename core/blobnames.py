"""Which names a blob may have."""

from __future__ import annotations

import re

from core.errors import BlobNameInvalid

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
MAX_BLOB_NAME = 512


def check_blob_name(name: str) -> None:
    """Raises :class:`BlobNameInvalid`; the rule stands at :class:`core.ports.BlobStore`."""
    if len(name) > MAX_BLOB_NAME or not _NAME.fullmatch(name):
        raise BlobNameInvalid(f"blob name {name[:80]!r}: parts of A-Z a-z 0-9 . _ - that do not start with a dot")
