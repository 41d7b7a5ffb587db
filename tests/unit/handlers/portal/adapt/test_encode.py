from __future__ import annotations

import io
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage.metrics import structural_similarity

from handlers.portal.adapt.containers import parts, wrapped
from handlers.portal.adapt.encode import encoded
from handlers.portal.adapt.entropy import made_code
from handlers.portal.adapt.jpeg import Chroma, JpegEncoder, quality_of, scale_of
from handlers.portal.adapt.planes import ZIGZAG
from handlers.portal.adapt.search import COARSEST, finest
from handlers.portal.adapt.similarity import similarity
from handlers.portal.schema import ImageFormat
from tests.support.portraits import astronaut, definition, noise, plain

if TYPE_CHECKING:
    from handlers.document.engine import Page

FACE = np.ascontiguousarray(astronaut()[5:155, 160:280])


def pillow(page: Page, most: int) -> Page:
    """The best of Pillow's qualities that fits."""
    best = b""
    for quality in range(1, 101):
        file = io.BytesIO()
        Image.fromarray(page[:, :, ::-1]).save(file, "JPEG", quality=quality, optimize=True, progressive=True)
        best = file.getvalue() if len(file.getvalue()) <= most else best
    found = cv2.imdecode(np.frombuffer(best, np.uint8), cv2.IMREAD_COLOR)
    assert found is not None
    return np.asarray(found, np.uint8)


@pytest.mark.parametrize("kb", [3, 5])
def test_more_of_the_picture_is_left_than_by_libjpeg_at_the_same_bytes(kb: int) -> None:
    ours = encoded(FACE, definition(max_kb=kb))
    theirs = pillow(FACE, kb * 1024)
    assert ours.similarity > similarity(FACE, theirs) + 0.005
    assert len(ours.data) <= kb * 1024


def test_similarity_is_what_scikit_image_counts() -> None:
    other = cv2.GaussianBlur(FACE, (0, 0), 1.5)
    assert similarity(FACE, np.asarray(other, np.uint8)) == pytest.approx(
        structural_similarity(FACE, other, channel_axis=2),  # type: ignore[no-untyped-call]
        abs=1e-9,
    )


@pytest.mark.parametrize("chroma", ["4:2:0", "4:4:4"])
@pytest.mark.parametrize("page", [FACE, noise(33, 17), plain(1, 1), plain(1, 70, 0), noise(70, 1)])
def test_readers_agree_on_what_was_written(page: Page, chroma: Chroma) -> None:
    data = JpegEncoder(page, chroma)(0.02)
    found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert found is not None
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        assert np.abs(np.asarray(image)[:, :, ::-1].astype(int) - found).max() <= 3
    assert found.shape == page.shape
    if chroma == "4:4:4":
        assert np.abs(found.astype(int) - page).max() <= 8


def test_zigzag_is_the_standards() -> None:
    assert ZIGZAG[:10].tolist() == [0, 1, 8, 16, 9, 2, 3, 10, 17, 24]
    assert sorted(ZIGZAG.tolist()) == list(range(64))


def test_codes_have_16_bits_at_most_and_never_all_ones() -> None:
    counts = np.array([int(1.6**n) for n in range(50)] + [0] * 206, np.int64)
    code = made_code(counts)
    assert sum(code.lengths) == len(code.symbols) == 50
    used = sum(count * 2.0**-bits for bits, count in enumerate(code.lengths, 1))
    assert used < 1


@pytest.mark.parametrize("quality", range(1, 101))
def test_scales_are_libjpegs(quality: int) -> None:
    assert quality_of(scale_of(quality)) == quality


@pytest.mark.parametrize("padding", [0, 4, 5, 65_537, 65_538, 65_540, 200_000])
def test_padding_has_the_bytes_that_are_asked_for(padding: int) -> None:
    bare = JpegEncoder(plain(9, 9), "4:2:0")(1.0)
    without, padded = (wrapped(ImageFormat.JPEG, bare, 300, size) for size in (0, padding))
    assert len(padded) - len(without) == padding
    assert list(parts(ImageFormat.JPEG, padded))[-1].kind == "DA"


def test_quality_is_a_bound() -> None:
    assert encoded(FACE, definition(quality=40)).quality == 40


@pytest.mark.parametrize("most", [600, 5_000, 90_000])
def test_the_search_stops_near_what_fits(most: int) -> None:
    found = finest(lambda scale: bytes(int(3_000 / scale**0.8)), most, 0.01, 1.0)
    assert found.best is not None
    assert 0.9 * most <= len(found.best.data) <= most
    assert found.encodings <= 6


def test_the_search_ends_where_nothing_fits() -> None:
    found = finest(lambda _: bytes(500), 499, 0.01, 1.0)
    assert found.best is None
    assert found.smallest.scale <= COARSEST
    assert found.encodings < 12


def test_a_png_has_all_colours_where_they_fit_and_fewer_where_not() -> None:
    form = ImageFormat.PNG
    assert encoded(FACE, definition(output_format=form, max_kb=200)).chroma == "truecolour"
    few = encoded(FACE, definition(output_format=form, max_kb=10))
    assert few.chroma.endswith("colours")
    assert len(few.data) <= 10 * 1024
