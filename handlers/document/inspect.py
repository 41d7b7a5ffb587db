"""What a document is, from its first bytes and headers: nothing is decoded here."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from PIL.ImageFile import ImageFile

from handlers.document.errors import DecodeFailed, DocumentTooLarge, ImageTooLarge, TooManyPages
from handlers.document.files import DocumentInfo, PageSize
from handlers.document.formats import Format, sniff
from handlers.document.limits import DocumentLimits
from handlers.document.pillow import open_image, translated


def inspect_document(data: bytes, limits: DocumentLimits) -> DocumentInfo:
    """Sniff the format, count the pages and read their sizes.

    Raises :class:`DocumentTooLarge`, :class:`UnsupportedFormat`, :class:`DecodeFailed`, and, at the first page
    that is over a limit, :class:`ImageTooLarge` or :class:`TooManyPages`.
    """
    if len(data) > limits.max_bytes:
        raise DocumentTooLarge(
            f"the document has {len(data)} bytes, more than the limit of {limits.max_bytes}", limit=limits.max_bytes
        )
    form = sniff(data)
    with translated("the document"), open_image(data, form) as image:
        sizes = tuple(_page_sizes(image, form, limits))
    return DocumentInfo(form, len(data), sizes)


def check_pixels(number: int, size: tuple[int, int], limits: DocumentLimits) -> PageSize:
    """Raises :class:`ImageTooLarge`, and :class:`DecodeFailed` for a page without pixels."""
    width, height = size
    if width < 1 or height < 1:
        raise DecodeFailed(f"page {number} has no pixels")
    for found, limit, what in (
        (width * height, limits.max_pixels, "pixels"),
        (max(size), limits.max_side, "pixels on a side"),
    ):
        if found > limit:
            raise ImageTooLarge(
                f"page {number} is {width} x {height}, more than the limit of {limit} {what}",
                page=number,
                width=width,
                height=height,
                limit=limit,
            )
    return PageSize(number, width, height)


def _page_sizes(image: ImageFile, form: Format, limits: DocumentLimits) -> Iterator[PageSize]:
    yield check_pixels(1, image.size, limits)
    if form is not Format.TIFF:
        return
    for number in count(2):
        # Pillow ends the chain of directories where one comes back that it has seen, so a loop ends here too.
        try:
            image.seek(number - 1)
        except EOFError:
            return
        if number > limits.max_pages:
            raise TooManyPages(f"the document has more than {limits.max_pages} pages", limit=limits.max_pages)
        yield check_pixels(number, image.size, limits)
