"""A damaged PDF written anew by qpdf, which finds documents where PDFium finds none: without a trailer, for one."""

from __future__ import annotations

import io

from core.errors import DependencyMissing
from handlers.document.errors import OCR_INSTALL_HINT, DecodeFailed


def repaired(data: bytes, password: str | None) -> bytes:
    """The document without its encryption and its damage. Raises :class:`DecodeFailed` where there is none, and
    :class:`core.errors.DependencyMissing`."""
    try:
        import pikepdf  # noqa: PLC0415 - the function app has none
    except ImportError as error:
        raise DependencyMissing(f"pikepdf is not installed: {OCR_INSTALL_HINT}") from error
    out = io.BytesIO()
    try:
        with pikepdf.open(io.BytesIO(data), password=password or "") as pdf:
            pdf.save(out, encryption=False, deterministic_id=True)
    except (pikepdf.PdfError, pikepdf.DependencyError, ValueError, RuntimeError) as error:
        raise DecodeFailed("the PDF is damaged beyond what can be repaired") from error
    return out.getvalue()
