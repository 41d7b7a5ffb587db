"""One page of a document that is opened for it alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from handlers.document.files import open_document
from handlers.document.limits import DocumentLimits

if TYPE_CHECKING:
    from handlers.document.engine import Page


def decode_page(data: bytes, number: int, limits: DocumentLimits) -> Page:
    """Page ``number`` (from 1) as HxWx3 uint8 BGR. Raises as :func:`open_document` and what it opens."""
    with open_document(data, limits) as document:
        return document.pixels(number).pixels
