"""What an image's header says, and whether that is within the limits: known before any decoder runs."""

from __future__ import annotations

from dataclasses import dataclass

from handlers.document.errors import DecodeFailed, ImageTooLarge
from handlers.document.files import PageSize
from handlers.document.images.exif import Resolution
from handlers.document.limits import DocumentLimits

LIKELY_RESOLUTION = (30.0, 4_800.0)
"""Pixels an inch: a poster that is looked at from afar, and what the finest scanners interpolate to."""

LIKELY_SIDE = (0.5, 60.0)
"""Inches of a page's longer side: a stamp, and a drawing of size A0 with some room. A photo of 4,000 pixels that claims
the 72 pixels an inch of its camera's template is 56 inches and more, and its claim means nothing."""

_SQUARE = 1.05
"""How much longer than wide a pixel may be for a page to have one resolution."""


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """One page. ``width`` and ``height`` are in pixels, as stored: before ``orientation`` (1 to 8, as EXIF has it).

    ``decoder_bytes`` is what decoding it takes in memory, at most, in bytes. ``shrinks`` says that it can be decoded
    to a fraction of its size without the whole ever being in memory. ``at`` is where the page is in its file.
    """

    width: int
    height: int
    decoder_bytes: int
    orientation: int = 1
    resolution: Resolution | None = None
    shrinks: bool = False
    at: int = 0

    @property
    def pixels(self) -> int:
        return self.width * self.height

    @property
    def upright(self) -> tuple[int, int]:
        """Width and height as the page is looked at."""
        return (self.height, self.width) if self.orientation >= 5 else (self.width, self.height)

    @property
    def dpi(self) -> float | None:
        """The pixels an inch, where they are about the same both ways and can be true."""
        if self.resolution is None:
            return None
        across, down = self.resolution
        low, high = LIKELY_RESOLUTION
        if not (low <= across <= high and low <= down <= high) or max(across, down) > _SQUARE * min(across, down):
            return None
        inches = max(self.width, self.height) / across
        return across if LIKELY_SIDE[0] <= inches <= LIKELY_SIDE[1] else None


def check_page(number: int, header: ImageHeader, byte_count: int, limits: DocumentLimits) -> PageSize:
    """``byte_count`` is the file's. Raises :class:`ImageTooLarge`, and :class:`DecodeFailed` for a page without pixels.

    What can be shrunk while it is decoded may have more pixels, unless so few bytes stand for them that nobody
    would miss it: a page that size with something on it takes more.
    """
    if header.width < 1 or header.height < 1:
        raise DecodeFailed(f"page {number} has no pixels")
    most = limits.max_pixels
    if header.shrinks and header.pixels <= limits.max_expansion * byte_count:
        most = max(most, limits.max_shrunk_pixels)
    for found, limit, what in (
        (header.pixels, most, "pixels"),
        (max(header.width, header.height), limits.max_side, "pixels on a side"),
        (header.decoder_bytes, limits.max_decoder_bytes, "bytes to decode it"),
    ):
        if found > limit:
            width, height = header.width, header.height
            raise ImageTooLarge(
                f"page {number} is {width} x {height}, more than the limit of {limit} {what}",
                page=number,
                width=width,
                height=height,
                limit=limit,
            )
    width, height = header.upright
    return PageSize(number, float(width), float(height))
