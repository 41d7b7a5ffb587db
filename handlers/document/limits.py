"""What a document may cost. Each bound has its error code; all are settings."""

from __future__ import annotations

from dataclasses import dataclass

PILLOW_MAX_PIXELS = 178_956_970
"""Pillow refuses larger images by itself: twice ``Image.MAX_IMAGE_PIXELS``."""


@dataclass(frozen=True, slots=True)
class DocumentLimits:
    """``max_bytes`` of a document, ``max_pixels``, ``max_side`` and ``max_pages``; and of what is made from it.

    The default of 80 megapixels admits A3 at 600 dpi. Decoding a page costs 9 (grey) to 19 bytes a pixel (RGBA of 16
    bits) at its peak, so 0.7 to 1.5 GB at that limit. ``max_side`` is in pixels, of either side: 30,000 is 127 cm
    at 600 dpi, and what is longer and still within ``max_pixels`` is a strip that no engine reads.
    ``max_text_characters`` bounds the text in the job's result, the artifact has all of it. Pages after
    ``max_preview_pages`` get no preview; ``preview_side`` is its longer side in pixels.
    """

    max_bytes: int = 64 * 1024 * 1024
    max_pixels: int = 80_000_000
    max_side: int = 30_000
    max_pages: int = 1_000
    max_text_characters: int = 100_000
    max_preview_pages: int = 20
    preview_side: int = 1_600

    def __post_init__(self) -> None:
        for name in ("max_bytes", "max_pixels", "max_side", "max_pages", "preview_side"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: at least 1")
        if self.max_pixels > PILLOW_MAX_PIXELS:
            raise ValueError(f"max_pixels: at most {PILLOW_MAX_PIXELS}, which is Pillow's own bound")
        if self.max_text_characters < 0 or self.max_preview_pages < 0:
            raise ValueError("max_text_characters, max_preview_pages: at least 0")
