"""What a document is, from its first bytes and headers: nothing is decoded here."""

from __future__ import annotations

from handlers.document.files import DocumentInfo, open_document
from handlers.document.limits import DocumentLimits


def inspect_document(data: bytes, limits: DocumentLimits) -> DocumentInfo:
    """Raises as :func:`open_document`."""
    with open_document(data, limits) as document:
        return document.info
