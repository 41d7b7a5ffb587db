"""Whether a JPEG's data goes on to its last row. The decoder makes what is missing grey, and says nothing."""

from __future__ import annotations

import io
import random

from PIL.Image import Image
from PIL.JpegImagePlugin import JpegImageFile

from handlers.document.errors import DecodeFailed
from handlers.document.images.jpeg import end_of_picture
from handlers.document.limits import DocumentLimits

_GREYS = (127, 128)
"""What all coefficients of 0 come to, of inks or of light."""

_FILLING = 4_096
_SHRUNK = 8


def check_all_there(image: Image, data: bytes, limits: DocumentLimits) -> None:
    """``image`` is what was decoded of ``data``, or a fraction of it.

    Where the last row is of that grey, the file is decoded once more, to an eighth, with other data in front of its
    end: what was whole passes that over. Raises :class:`DecodeFailed`.
    """
    if not _is_grey(image.crop((0, image.height - 1, image.width, image.height))):
        return
    end = end_of_picture(data, limits)
    if end is None:
        return
    filling = random.Random(0).randbytes(_FILLING).replace(b"\xff", b"\0")  # noqa: S311 - the same each time
    if _small(data) != _small(data[:end] + filling + data[end:]):
        raise DecodeFailed("the JPEG's data ends before its last row")


def _is_grey(row: Image) -> bool:
    return all(row.getchannel(band).getextrema() in [(grey, grey) for grey in _GREYS] for band in row.getbands())


def _small(data: bytes) -> bytes:
    image = JpegImageFile(io.BytesIO(data))
    image.draft(None, (image.width // _SHRUNK, image.height // _SHRUNK))
    return image.tobytes()
