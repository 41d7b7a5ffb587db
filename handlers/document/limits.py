"""What a document may cost. Each bound has its error code; all are settings."""

from __future__ import annotations

from dataclasses import dataclass, fields

PILLOW_MAX_PIXELS = 178_956_970
"""Pillow refuses larger images by itself: twice ``Image.MAX_IMAGE_PIXELS``."""


@dataclass(frozen=True, slots=True)
class DocumentLimits:
    """What is over a limit is refused with the limit in the error's details, before a decoder runs.

    - ``max_bytes`` of a document: :class:`handlers.document.errors.DocumentTooLarge`.
    - ``max_pages``: :class:`handlers.document.errors.TooManyPages`.
    - ``max_pixels`` of a page, by the header: :class:`handlers.document.errors.ImageTooLarge`. The default of 80
      megapixels admits A3 at 600 dpi. A page whose format can be decoded to a fraction of its size (JPEG) may have up
      to ``max_shrunk_pixels``, unless it has more than ``max_expansion`` pixels for each of its bytes: photos and
      scans have 2 to 40.
    - ``max_side`` in pixels: 30,000 is 127 cm at 600 dpi, and what is longer is a strip that no engine reads.
    - ``max_decoder_bytes``: what decoding a page may take in memory, by its header, before the page is made of it.
    - ``max_parts``: segments, chunks, boxes, blocks or entries of one list in a file, which are read one by one. A
      document of 64 MiB in the longest possible segments of a JPEG has 1,024.
    - ``max_nesting`` of parts in parts, ``max_scans`` of a JPEG (encoders write about ten, libtiff stops at 100). These
      three are :class:`handlers.document.errors.DecodeTooCostly`.

    - ``max_stream_bytes`` of one stream of a PDF, or of a page's together, decompressed; a drawing has some tens of
      millions. One of more than 4 MiB has at most ``max_stream_expansion`` bytes for each that it takes in the file:
      text and drawings have 3 to 30. What is over is :class:`handlers.document.errors.DecodeTooCostly`.

    Time cannot be taken from a decoder that runs: these limits bound it in advance, to some seconds a page, and the
    process that decodes is killed at its task's deadline. Drawing a PDF's page can be broken off, and is after
    ``max_page_seconds``: :class:`handlers.document.errors.PageTooSlow`.

    A page is given to the engine with at most ``max_page_pixels``: a larger one is shrunk, and says so. 24 megapixels
    are A4 at 500 dpi. ``max_text_characters`` bounds the text in the job's result, the artifact has all of it. Pages
    after ``max_preview_pages`` get no preview; ``preview_side`` is its longer side in pixels.
    """

    max_bytes: int = 64 * 1024 * 1024
    max_pages: int = 1_000
    max_pixels: int = 80_000_000
    max_shrunk_pixels: int = 250_000_000
    max_expansion: int = 64
    max_side: int = 30_000
    max_decoder_bytes: int = 512 * 1024 * 1024
    max_parts: int = 20_000
    max_nesting: int = 8
    max_scans: int = 100
    max_stream_bytes: int = 128 * 1024 * 1024
    max_stream_expansion: int = 100
    max_page_seconds: float = 60.0
    max_page_pixels: int = 24_000_000
    max_text_characters: int = 100_000
    max_preview_pages: int = 20
    preview_side: int = 1_600

    def __post_init__(self) -> None:
        for field in fields(self):
            least = 0 if field.name in ("max_text_characters", "max_preview_pages") else 1
            if getattr(self, field.name) < least:
                raise ValueError(f"{field.name}: at least {least}")
        if self.max_pixels > PILLOW_MAX_PIXELS:
            raise ValueError(f"max_pixels: at most {PILLOW_MAX_PIXELS}, which is Pillow's own bound")
