"""The files that a job can make of what it read, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import BinaryIO, Literal, TypeAlias

from handlers.document.output import ALTO_TYPE, HOCR_TYPE, JSON_TYPE, MARKDOWN_TYPE, PICTURE_TYPE, TEXT_TYPE
from handlers.document.parameters import OutputKind
from handlers.document.warnings import PageWarning

Write: TypeAlias = Callable[[BinaryIO], tuple[PageWarning, ...]]
"""Writes a file that can seek; gives warnings of the whole document."""

PieceKind: TypeAlias = OutputKind | Literal["preview", "thumbnail"]

FILES: Mapping[OutputKind, tuple[str, str]] = {
    OutputKind.TEXT: ("text.txt", TEXT_TYPE),
    OutputKind.ANALYZE_RESULT: ("analyze_result.json", JSON_TYPE),
    OutputKind.HOCR: ("hocr.html", HOCR_TYPE),
    OutputKind.ALTO: ("alto.xml", ALTO_TYPE),
    OutputKind.MARKDOWN: ("markdown.md", MARKDOWN_TYPE),
    OutputKind.SEARCHABLE_PDF: ("searchable.pdf", "application/pdf"),
}
"""The name within the job's area, and the content type."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One file. ``name`` is within the job's area; ``page`` is set where it is of one page."""

    kind: PieceKind
    name: str
    content_type: str
    write: Write
    page: int | None = None

    @property
    def of_the_document(self) -> bool:
        """Whether it is made of the document's own bytes, which strangers made, and not of what was read alone."""
        return not isinstance(self.kind, OutputKind) or self.kind is OutputKind.SEARCHABLE_PDF


def output(kind: OutputKind, write: Write) -> Piece:
    name, content_type = FILES[kind]
    return Piece(kind, name, content_type, write)


def preview(page: int, write: Write) -> Piece:
    return Piece("preview", f"preview/{page:04d}.jpg", PICTURE_TYPE, write, page)


def thumbnail(write: Write) -> Piece:
    return Piece("thumbnail", "thumbnail.jpg", PICTURE_TYPE, write)
