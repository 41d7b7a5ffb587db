"""Files that broke decoders: each is decoded to a sane page or refused with one of our codes, in bounded time.

With ``COREMACHINE_DATA`` naming a data folder, ``odd_images`` in it is walked.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from core.errors import CoreMachineError
from handlers.document.files import open_document
from handlers.document.limits import DocumentLimits

LIMITS = DocumentLimits(max_pixels=4_000_000, max_pages=20)
CODES = {"DECODE_FAILED", "IMAGE_TOO_LARGE", "TOO_MANY_PAGES", "UNSUPPORTED_FORMAT", "DECODE_TOO_COSTLY"}
SECONDS_A_FILE = 10.0
REFUSED = {"broken_data_stream.png", "truncated_image.png", "truncated_jpeg.jpg"}
PAGES = {
    "multipage-mmap.tiff": 3,
    "multipage.tiff": 3,
    "multipage_multiple_frame_loop.tiff": 2,
    "multipage_out_of_order.tiff": 3,
}


def decoded(data: bytes) -> list[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]] | str:
    """The pages of ``data``, or the code of its refusal."""
    started = time.thread_time()
    try:
        with open_document(data, LIMITS) as document:
            pages = [document.pixels(page.number).pixels for page in document.info.pages]
    except CoreMachineError as error:
        return _expected(error)
    finally:
        assert time.thread_time() - started < SECONDS_A_FILE
    for page in pages:
        assert page.ndim == 3
        assert page.shape[2] == 3
        assert page.dtype == np.uint8
    return pages


def _expected(error: CoreMachineError) -> str:
    assert error.code in CODES, error
    return error.code


@pytest.mark.skipif("COREMACHINE_DATA" not in os.environ, reason="COREMACHINE_DATA names no data folder")
def test_the_data_folders_odd_images_are_decoded_or_refused() -> None:
    folder = Path(os.environ["COREMACHINE_DATA"]) / "odd_images"
    files = sorted(path for path in folder.iterdir() if path.is_file())
    assert files, f"{folder} is empty"

    found = {path.name: decoded(path.read_bytes()) for path in files}

    for name, outcome in found.items():
        if name in REFUSED:
            assert outcome == "DECODE_FAILED", name
        elif not name.startswith("crash-"):
            assert not isinstance(outcome, str), (name, outcome)
            assert len(outcome) == PAGES.get(name, 1), name
    for name in ("g4_orientation_{}.tif", "hopper_orientation_{}.jpg", "hopper_orientation_{}.webp"):
        present = [found[name.format(n)] for n in range(1, 9) if name.format(n) in found]
        pages = [pages[0].astype(int) for pages in present if not isinstance(pages, str)]
        assert len(pages) == len(present)
        for page in pages[1:]:
            # The eight were compressed each by itself, which leaves 4 levels; a page turned wrong is 40 or more off.
            assert np.abs(page - pages[0]).mean() < 8.0, name
