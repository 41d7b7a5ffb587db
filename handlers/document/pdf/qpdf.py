"""The adapter to qpdf, through pikepdf: its errors as ours."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from core.errors import DependencyMissing
from handlers.document.errors import OCR_INSTALL_HINT, DecodeFailed

if TYPE_CHECKING:
    import pikepdf

BUILT_IN_ERRORS = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What pikepdf raises besides its own where an object of a damaged file is not what it should be."""


@contextmanager
def translated() -> Iterator[None]:
    """pikepdf's errors as :class:`DecodeFailed`, its absence as :class:`core.errors.DependencyMissing`.

    Its warnings are not shown: it warns of what it meets in damaged files. The filter is for the process, as that of
    Pillow's warnings.
    """
    try:
        import pikepdf  # noqa: PLC0415 - the function app has none
    except ImportError as error:
        raise DependencyMissing(f"pikepdf is not installed: {OCR_INSTALL_HINT}") from error
    warnings.filterwarnings("ignore", module=r"pikepdf\.")
    try:
        yield
    except (pikepdf.PdfError, pikepdf.PasswordError, pikepdf.DependencyError, *BUILT_IN_ERRORS) as error:
        raise DecodeFailed("the PDF is damaged beyond what can be repaired") from error


def open_copy(data: bytes, password: str | None) -> pikepdf.Pdf:
    """The document, to be written again. To be called, like all use of its result, under :func:`translated`."""
    import pikepdf  # noqa: PLC0415 - the function app has none

    pdf = pikepdf.open(io.BytesIO(data), password=password or "")
    if "/Size" not in pdf.trailer:
        # qpdf writes the right number, but only for a trailer that has one: what it made up for a lost one has none.
        pdf.trailer["/Size"] = 1
    return pdf
