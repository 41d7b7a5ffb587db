"""A damaged PDF written anew by qpdf, which finds documents where PDFium finds none: without a trailer, for one."""

from __future__ import annotations

import io

from handlers.document.pdf.qpdf import open_copy, translated


def repaired(data: bytes, password: str | None) -> bytes:
    """The document without its encryption and its damage. Raises :class:`DecodeFailed` where there is none, and
    :class:`core.errors.DependencyMissing`."""
    out = io.BytesIO()
    with translated(), open_copy(data, password) as pdf:
        pdf.save(out, encryption=False, deterministic_id=True)
    return out.getvalue()
