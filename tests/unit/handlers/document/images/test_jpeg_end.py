from __future__ import annotations

import io
import re
import zlib

import numpy as np
import pytest
from PIL import Image

from handlers.document.errors import DecodeFailed
from handlers.document.files import open_document
from handlers.document.limits import DocumentLimits
from handlers.document.warnings import PageWarning

LIMITS = DocumentLimits()
END = b"\xff\xd9"
NOISE = Image.fromarray(np.random.default_rng(2).integers(0, 256, (200, 300), np.uint8))


def jpeg(image: Image.Image, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", **options)
    return stream.getvalue()


def decoded(data: bytes, limits: DocumentLimits = LIMITS) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    with open_document(data, limits) as document:
        return document.pixels(1).pixels


@pytest.mark.parametrize("kept", [0.2, 0.6, 0.95])
@pytest.mark.parametrize(
    ("mode", "options"), [("L", {}), ("RGB", {}), ("CMYK", {}), ("L", {"restart_marker_rows": 1}), ("L", {"exif": b""})]
)
def test_data_that_ends_early_in_front_of_an_end_is_damaged(mode: str, options: dict[str, object], kept: float) -> None:
    data = jpeg(NOISE.convert(mode), **options)

    for limits in (LIMITS, DocumentLimits(max_page_pixels=2_000)):
        assert decoded(data, limits).size
        with pytest.raises(DecodeFailed):
            decoded(data[: int(kept * len(data))] + END, limits)


@pytest.mark.parametrize("level", [127, 128])
@pytest.mark.parametrize("behind", [b"", b"\0" * 9, jpeg(NOISE)])
def test_a_page_that_is_grey_to_its_end_is_whole(level: int, behind: bytes) -> None:
    grey = NOISE.copy()
    grey.paste(level, (0, 100, 300, 200))

    assert decoded(jpeg(grey) + behind)[-1].min() == level


def chunk(kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")


def deep_file(form: str, samples: np.ndarray[tuple[int, ...], np.dtype[np.uint16]], stated: int | None = None) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(samples).save(stream, form)
    data = stream.getvalue()
    return data if stated is None else data[:33] + chunk(b"sBIT", bytes([stated])) + data[33:]


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
@pytest.mark.parametrize(
    ("paper", "white"), [(65_535, 255), (40_000, 156), (4_095, 255), (3_000, 187), (1_000, 249), (1_500, 6), (300, 1)]
)
def test_samples_of_12_or_10_bits_in_16_are_as_light_as_they_were(form: str, paper: int, white: int) -> None:
    samples = np.full((20, 30), paper, np.uint16)
    samples[5:9] = paper // 10

    found = decoded(deep_file(form, samples))

    assert found[0, 0, 0] == white
    assert found[6, 0, 0] == pytest.approx(white / 10, abs=1)


def test_a_picture_that_states_its_bits_is_taken_at_its_word() -> None:
    assert decoded(deep_file("PNG", np.full((20, 30), 4_095, np.uint16), stated=12)).max() == 16


def scans(data: bytes) -> list[int]:
    return [found.start() for found in re.finditer(rb"\xff\xda", data)]


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_progressive_jpeg_without_its_last_scans_is_read_and_what_it_lost_told(mode: str) -> None:
    data = jpeg(NOISE.convert(mode), progressive=True)
    for scan in scans(data)[1:]:
        table = data.rfind(b"\xff\xc4", 0, scan)

        assert [(warning.code, warning.value) for warning in warned(data[:table] + END)] == [
            ("CONTENT_LOST", "pictures")
        ]


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_whole_jpeg_has_lost_nothing(mode: str, progressive: bool) -> None:
    assert warned(jpeg(NOISE.convert(mode), progressive=progressive)) == ()


def warned(data: bytes) -> tuple[PageWarning, ...]:
    with open_document(data, LIMITS) as document:
        return document.pixels(1).warnings
