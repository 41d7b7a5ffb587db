from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from handlers.document.errors import (
    OCR_INSTALL_HINT,
    DecodeFailed,
    DocumentTooLarge,
    ImageTooLarge,
    TooManyPages,
    UnsupportedFormat,
)
from handlers.document.files import PageSize
from handlers.document.formats import Format
from handlers.document.inspect import inspect_document
from handlers.document.limits import PILLOW_MAX_PIXELS, DocumentLimits
from testing.documents import bomb_png, looping_tiff, lying_png, sample_page, sample_tiff, tiff_of, truncated

LIMITS = DocumentLimits()
ROOT = Path(__file__).resolve().parents[4]


def test_a_png_and_a_jpeg_are_one_page_of_their_headers_size() -> None:
    page = sample_page(1)

    for data, form in ((page.png, Format.PNG), (page.jpeg, Format.JPEG)):
        info = inspect_document(data, LIMITS)
        assert info.format is form
        assert info.byte_count == len(data)
        assert info.pages == (PageSize(1, 1240, 1754),)


def test_a_tiff_has_a_size_for_each_page() -> None:
    data = tiff_of([Image.new("L", (10 + n, 20 + n)) for n in range(3)])

    assert inspect_document(data, LIMITS).pages == (PageSize(1, 10, 20), PageSize(2, 11, 21), PageSize(3, 12, 22))


def test_a_chain_of_directories_that_loops_ends() -> None:
    assert inspect_document(looping_tiff(), LIMITS).pages == (PageSize(1, 8, 8),)


@pytest.mark.parametrize(
    "data", [b"", b"\xff", b"GIF89a" + bytes(20), b"%PDF-1.7", b"RIFF\0\0\0\0WEBP", b"<svg/>", bytes(64)]
)
def test_what_is_not_on_the_list_is_unsupported(data: bytes) -> None:
    with pytest.raises(UnsupportedFormat):
        inspect_document(data, LIMITS)


@pytest.mark.parametrize("signature", [b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II\x2a\0", b"MM\0\x2a", b"II\x2b\0"])
@pytest.mark.parametrize("rest", [b"", bytes(64), b"\xff" * 64, b"garbage!" * 8])
def test_a_signature_with_nothing_good_behind_it_cannot_be_decoded(signature: bytes, rest: bytes) -> None:
    with pytest.raises(DecodeFailed):
        inspect_document(signature + rest, LIMITS)


def test_bytes_pixels_and_pages_are_limited_each_with_its_code() -> None:
    data, _ = sample_tiff(pages=3)

    assert len(inspect_document(data, DocumentLimits(max_pages=3, max_pixels=1240 * 1754)).pages) == 3
    with pytest.raises(TooManyPages, match="more than 2 pages"):
        inspect_document(data, DocumentLimits(max_pages=2))
    with pytest.raises(ImageTooLarge, match="1240 x 1754"):
        inspect_document(data, DocumentLimits(max_pixels=1240 * 1754 - 1))
    with pytest.raises(DocumentTooLarge):
        inspect_document(data, DocumentLimits(max_bytes=len(data) - 1))


@pytest.mark.parametrize("size", [(30_001, 1), (1, 30_001)])
def test_a_strip_is_too_large_however_few_its_pixels(size: tuple[int, int]) -> None:
    with pytest.raises(ImageTooLarge, match="limit of 30000 pixels on a side") as caught:
        inspect_document(tiff_of([Image.new("1", size)]), LIMITS)

    assert caught.value.details == {"page": 1, "width": size[0], "height": size[1], "limit": 30_000}
    assert inspect_document(tiff_of([Image.new("1", (30_000, 1))]), LIMITS).pages == (PageSize(1, 30_000, 1),)


def test_a_later_page_that_is_too_large_is_found() -> None:
    data = tiff_of([Image.new("1", (10, 10)), Image.new("1", (200, 100))])

    with pytest.raises(ImageTooLarge, match="page 2"):
        inspect_document(data, DocumentLimits(max_pixels=19_999))


def test_a_decode_bomb_is_refused_by_its_header() -> None:
    data = bomb_png()
    started = time.thread_time()

    with pytest.raises(ImageTooLarge) as caught:
        inspect_document(data, LIMITS)

    assert time.thread_time() - started < 0.5
    assert caught.value.details == {"page": 1, "width": 32_000, "height": 32_000, "limit": LIMITS.max_pixels}


def test_a_page_over_pillows_own_bound_is_too_large_too() -> None:
    data = tiff_of([Image.new("1", (8, 8)), Image.new("1", (20_000, 9_000))])

    with pytest.raises(ImageTooLarge):
        inspect_document(data, DocumentLimits(max_pixels=PILLOW_MAX_PIXELS))


def test_a_header_that_lies_passes_for_what_it_says() -> None:
    """Only decoding can tell; what matters here is that it costs nothing."""
    assert inspect_document(lying_png(), LIMITS).pages == (PageSize(1, 4_000, 4_000),)


def test_a_truncated_picture_still_has_a_size() -> None:
    assert inspect_document(truncated(sample_page().png), LIMITS).pages == (PageSize(1, 1240, 1754),)


@pytest.mark.parametrize(
    "bad",
    [
        {"max_bytes": 0},
        {"max_pixels": 0},
        {"max_side": 0},
        {"max_pages": 0},
        {"preview_side": 0},
        {"max_pixels": PILLOW_MAX_PIXELS + 1},
        {"max_text_characters": -1},
        {"max_preview_pages": -1},
    ],
)
def test_limits_that_make_no_sense_are_refused(bad: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(bad))):
        DocumentLimits(**bad)


def test_importing_the_package_and_inspecting_needs_neither_numpy_nor_an_engine() -> None:
    script = (
        "import sys\n"
        "for name in ('numpy', 'cv2', 'paddleocr', 'paddlex', 'onnxruntime'): sys.modules[name] = None\n"
        "import handlers.document\n"
        "from handlers.document.inspect import inspect_document\n"
        "from handlers.document.decode import decode_image, to_bgr\n"
        "from testing.documents import sample_page\n"
        "png = sample_page().png\n"
        "inspect_document(png, handlers.document.DocumentLimits())\n"
        "image = decode_image(png, 1, handlers.document.DocumentLimits())\n"
        "try: to_bgr(image)\n"
        "except Exception as error: print(error.code, error)\n"
    )

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == f"DEPENDENCY_MISSING numpy is not installed: {OCR_INSTALL_HINT}"
