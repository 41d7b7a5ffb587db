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
from handlers.document.files import DocumentInfo, PageSize, open_document
from handlers.document.formats import Format
from handlers.document.limits import PILLOW_MAX_PIXELS, DocumentLimits
from testing.documents import bomb_png, looping_tiff, lying_png, sample_page, sample_tiff, tiff_of, truncated

LIMITS = DocumentLimits()
ROOT = Path(__file__).resolve().parents[4]


def info_of(data: bytes, limits: DocumentLimits = LIMITS) -> DocumentInfo:
    with open_document(data, limits) as document:
        return document.info


def test_a_png_and_a_jpeg_are_one_page_of_their_headers_size() -> None:
    page = sample_page(1)

    for data, form in ((page.png, Format.PNG), (page.jpeg, Format.JPEG)):
        info = info_of(data)
        assert info.format is form
        assert info.byte_count == len(data)
        assert info.pages == (PageSize(1, 1240, 1754),)


def test_a_tiff_has_a_size_for_each_page() -> None:
    data = tiff_of([Image.new("L", (10 + n, 20 + n)) for n in range(3)])

    assert info_of(data).pages == (PageSize(1, 10, 20), PageSize(2, 11, 21), PageSize(3, 12, 22))


def test_a_chain_of_directories_that_loops_ends() -> None:
    assert info_of(looping_tiff()).pages == (PageSize(1, 8, 8),)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"GIF88a" + bytes(20),
        b"RIFF\x00\x00\x00\x00WEBP",
        b"RIFF\x00\x00\x00\x00WAVEfmt ",
        b"<svg/>",
        bytes(64),
        b"BM" * 9,
        b"\x00\x00\x00\x18ftypavif" + bytes(16),
        b"\x00\x00\x00\x18ftypisom" + bytes(16),
        bytes(1024) + b"%PDF-1.7",
    ],
)
def test_what_is_not_on_the_list_is_unsupported(data: bytes) -> None:
    with pytest.raises(UnsupportedFormat):
        info_of(data)


@pytest.mark.parametrize("signature", [b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II\x2a\0", b"MM\0\x2a", b"II\x2b\0"])
@pytest.mark.parametrize("rest", [b"", bytes(64), b"\xff" * 64, b"garbage!" * 8])
def test_a_signature_with_nothing_good_behind_it_cannot_be_decoded(signature: bytes, rest: bytes) -> None:
    with pytest.raises(DecodeFailed):
        info_of(signature + rest)


def test_bytes_pixels_and_pages_are_limited_each_with_its_code() -> None:
    data, _ = sample_tiff(pages=3)

    assert len(info_of(data, DocumentLimits(max_pages=3, max_pixels=1240 * 1754)).pages) == 3
    with pytest.raises(TooManyPages, match="more than 2 pages"):
        info_of(data, DocumentLimits(max_pages=2))
    with pytest.raises(ImageTooLarge, match="1240 x 1754"):
        info_of(data, DocumentLimits(max_pixels=1240 * 1754 - 1))
    with pytest.raises(DocumentTooLarge):
        info_of(data, DocumentLimits(max_bytes=len(data) - 1))


@pytest.mark.parametrize("size", [(30_001, 1), (1, 30_001)])
def test_a_strip_is_too_large_however_few_its_pixels(size: tuple[int, int]) -> None:
    with pytest.raises(ImageTooLarge, match="limit of 30000 pixels on a side") as caught:
        info_of(tiff_of([Image.new("1", size)]))

    assert caught.value.details == {"page": 1, "width": size[0], "height": size[1], "limit": 30_000}
    assert info_of(tiff_of([Image.new("1", (30_000, 1))])).pages == (PageSize(1, 30_000, 1),)


def test_a_later_page_that_is_too_large_is_found() -> None:
    data = tiff_of([Image.new("1", (10, 10)), Image.new("1", (200, 100))])

    with pytest.raises(ImageTooLarge, match="page 2"):
        info_of(data, DocumentLimits(max_pixels=19_999))


def test_a_decode_bomb_is_refused_by_its_header() -> None:
    data = bomb_png()
    started = time.thread_time()

    with pytest.raises(ImageTooLarge) as caught:
        info_of(data)

    assert time.thread_time() - started < 0.5
    assert caught.value.details == {"page": 1, "width": 32_000, "height": 32_000, "limit": LIMITS.max_pixels}


def test_a_page_over_pillows_own_bound_is_too_large_too() -> None:
    data = tiff_of([Image.new("1", (8, 8)), Image.new("1", (20_000, 9_000))])

    with pytest.raises(ImageTooLarge):
        info_of(data, DocumentLimits(max_pixels=PILLOW_MAX_PIXELS))


def test_a_header_that_lies_passes_for_what_it_says() -> None:
    """Only decoding can tell; what matters here is that it costs nothing."""
    assert info_of(lying_png()).pages == (PageSize(1, 4_000, 4_000),)


def test_a_truncated_picture_still_has_a_size() -> None:
    assert info_of(truncated(sample_page().png)).pages == (PageSize(1, 1240, 1754),)


@pytest.mark.parametrize(
    "bad",
    [
        {"max_bytes": 0},
        {"max_pixels": 0},
        {"max_side": 0},
        {"max_pages": 0},
        {"preview_side": 0},
        {"max_shrunk_pixels": 0},
        {"max_expansion": 0},
        {"max_decoder_bytes": 0},
        {"max_parts": 0},
        {"max_nesting": 0},
        {"max_scans": 0},
        {"max_page_pixels": 0},
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
        "for name in ('numpy', 'cv2', 'paddleocr', 'onnxruntime', 'pi_heif', 'pypdfium2'): sys.modules[name] = None\n"
        "import handlers.document\n"
        "from handlers.document.files import open_document\n"
        "from testing.documents import sample_page\n"
        "document = open_document(sample_page().png, handlers.document.DocumentLimits())\n"
        "print(document.info.pages[0].width)\n"
        "try: document.pixels(1)\n"
        "except Exception as error: print(error.code, error)\n"
    )

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout.splitlines() == [
        "1240.0",
        f"DEPENDENCY_MISSING numpy or OpenCV is not installed: {OCR_INSTALL_HINT}",
    ]
