"""TIFFs of every layout that scanners and programs write, against the pixels that were put in."""

from __future__ import annotations

import zlib
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from handlers.document.errors import DecodeFailed, DecodeTooCostly, TooManyPages, UnsupportedFormat
from handlers.document.files import PagePixels, open_document
from handlers.document.limits import DocumentLimits
from tests.support.tiffs import SHORT, Order, Picture, tiff_file

LIMITS = DocumentLimits()
RANDOM = np.random.default_rng(3)
DEEP = RANDOM.integers(0, 65_536, (20, 30, 3), dtype=np.uint16)
SHALLOW = (DEEP >> 8).astype(np.uint8)
ALPHA = RANDOM.integers(0, 256, (20, 30, 1), dtype=np.uint8)
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR, LAB = 0, 1, 2, 3, 5, 6, 8

Grid = npt.NDArray[Any]


def page_of(data: bytes, number: int = 1) -> PagePixels:
    with open_document(data, LIMITS) as document:
        return document.pixels(number)


def check(data: bytes, wanted: Grid, within: int = 0) -> None:
    """``wanted`` is HxWx3 RGB, or HxWx1 grey."""
    found = page_of(data).pixels[:, :, ::-1].astype(int)

    assert found.shape == (*wanted.shape[:2], 3)
    assert np.abs(found - wanted.astype(int)).max() <= within


def halved(deep: Grid) -> Grid:
    return np.round(deep.astype(float) / 257)


def on_white(colours: Grid, alpha: Grid) -> Grid:
    return np.round((colours.astype(float) * alpha + 255.0 * (255 - alpha.astype(float))) / 255)


@pytest.fixture(params=["<", ">"])
def order(request: pytest.FixtureRequest) -> Order:
    found: Order = request.param
    return found


@pytest.mark.parametrize("big", [False, True])
def test_colours_of_8_and_16_bits(order: Order, big: bool) -> None:
    check(tiff_file(Picture(SHALLOW, RGB, rows_a_strip=7), order=order, big=big), SHALLOW)
    check(tiff_file(Picture(DEEP, RGB, rows_a_strip=7), order=order, big=big), halved(DEEP), within=1)


def test_planes_one_after_the_other(order: Order) -> None:
    check(tiff_file(Picture(list(SHALLOW.transpose(2, 0, 1)), RGB, rows_a_strip=7), order=order), SHALLOW)
    check(tiff_file(Picture(list(DEEP.transpose(2, 0, 1)), RGB, rows_a_strip=7), order=order), halved(DEEP), within=1)


@pytest.mark.parametrize("big", [False, True])
def test_grey_of_many_bits_is_scaled_whichever_end_is_white(order: Order, big: bool) -> None:
    grey = DEEP[:, :, :1]
    twelve = b"".join(int("".join(f"{v >> 4:012b}" for v in row), 2).to_bytes(45, "big") for row in grey[:, :, 0])
    for kind, wanted in ((BLACK_IS_ZERO, halved(grey)), (WHITE_IS_ZERO, 255 - halved(grey))):
        check(tiff_file(Picture(grey, kind, rows_a_strip=7), order=order, big=big), wanted, within=1)
        packed = Picture(grey, kind, tags={258: (SHORT, [12])}, chunks=[twelve])
        check(tiff_file(packed, order=order, big=big), wanted, within=1)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_floats_are_scaled(order: Order, kind: type) -> None:
    floats: Grid = (DEEP / 65_535).astype(kind)
    check(tiff_file(Picture(floats, RGB, tags={339: (SHORT, [3] * 3)}), order=order), halved(DEEP), within=1)
    check(tiff_file(Picture(floats[:, :, :1], BLACK_IS_ZERO, tags={339: (SHORT, [3])}), order=order),
          halved(DEEP[:, :, :1]), within=1)  # fmt: skip


def test_numbers_with_a_sign_and_of_32_bits_are_scaled(order: Order) -> None:
    grey = DEEP[:, :, :1]
    signed = (grey >> 1).astype(np.int16)
    check(tiff_file(Picture(signed, BLACK_IS_ZERO, tags={339: (SHORT, [2])}), order=order), halved(grey), within=1)
    check(tiff_file(Picture(grey.astype(np.uint32) * 65_537, BLACK_IS_ZERO), order=order), halved(grey), within=1)


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("deep", [False, True])
def test_transparency_is_laid_on_white_multiplied_in_or_not(order: Order, planar: bool, deep: bool) -> None:
    multiplied = np.round(SHALLOW.astype(float) * ALPHA / 255).astype(np.uint8)
    for colours, kind in ((SHALLOW, 2), (multiplied, 1)):
        pixels = np.concatenate([colours, ALPHA], axis=2)
        stored = pixels.astype(np.uint16) * 257 if deep else pixels
        picture = Picture(list(stored.transpose(2, 0, 1)) if planar else stored, RGB, tags={338: (SHORT, [kind])})
        check(tiff_file(picture, order=order), on_white(SHALLOW, ALPHA), within=1)


def test_a_sample_that_is_no_transparency_is_passed_over(order: Order) -> None:
    check(
        tiff_file(Picture(np.concatenate([SHALLOW, ALPHA], axis=2), RGB, tags={338: (SHORT, [0])}), order=order),
        SHALLOW,
    )


def test_grey_with_transparency(order: Order) -> None:
    grey = SHALLOW[:, :, :1]
    picture = Picture(np.concatenate([grey, ALPHA], axis=2), BLACK_IS_ZERO, tags={338: (SHORT, [2])})
    check(tiff_file(picture, order=order), on_white(grey, ALPHA))


@pytest.mark.parametrize("deep", [False, True])
def test_inks_without_a_profile_are_subtracted_from_white(order: Order, deep: bool) -> None:
    inks = np.concatenate([SHALLOW, ALPHA], axis=2)
    wanted = (255 - SHALLOW.astype(float)) * (255 - ALPHA.astype(float)) / 255
    check(tiff_file(Picture(inks.astype(np.uint16) * 257 if deep else inks, CMYK), order=order), wanted, within=1)
    check(tiff_file(Picture(list(inks.transpose(2, 0, 1)), CMYK), order=order), wanted, within=1)


def test_a_palette_of_16_bits(order: Order) -> None:
    palette = RANDOM.integers(0, 65_536, (3, 256))
    indexes = RANDOM.integers(0, 256, (20, 30), dtype=np.uint8)
    picture = Picture(indexes, PALETTE, tags={320: (SHORT, palette.ravel().tolist())})
    check(tiff_file(picture, order=order), (palette >> 8).T[indexes])


def test_lab_by_its_definition(order: Order) -> None:
    """CIE L*a*b* at D50 against OpenCV's, which is at D65: neutral greys are the same in both."""
    lightness = np.arange(0, 256, 5, dtype=np.uint8)[None, :, None]
    picture = Picture(np.concatenate([lightness, lightness * 0, lightness * 0], axis=2), LAB)
    neutral = np.concatenate([lightness, lightness * 0 + 128, lightness * 0 + 128], axis=2)
    check(tiff_file(picture, order=order), cv2.cvtColor(neutral, cv2.COLOR_LAB2RGB)[:, :, :1], within=2)


def test_luma_and_chroma_without_compression(order: Order) -> None:
    colours = cv2.GaussianBlur(SHALLOW, (0, 0), 4)
    stored = cv2.cvtColor(colours, cv2.COLOR_RGB2YCrCb)[:, :, [0, 2, 1]]
    check(tiff_file(Picture(stored, YCBCR, tags={530: (SHORT, [1, 1])}), order=order), colours, within=2)


@pytest.mark.parametrize("pixels", [SHALLOW, DEEP])
def test_tiles(order: Order, pixels: Grid) -> None:
    whole = np.pad(pixels, ((0, 12), (0, 2), (0, 0))).astype(pixels.dtype.newbyteorder(order))
    tiles = [zlib.compress(whole[y : y + 16, x : x + 16].tobytes()) for y in (0, 16) for x in (0, 16)]
    tags = {259: (SHORT, [8]), 322: (SHORT, [16]), 323: (SHORT, [16]), 324: (4, [0]), 325: (4, [0])}
    wanted = halved(pixels) if pixels.dtype == np.uint16 else pixels
    check(tiff_file(Picture(pixels, RGB, tags=tags, chunks=tiles), order=order), wanted, within=1)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_of_a_deep_tiff(orientation: int) -> None:
    grey = DEEP[:, :, :1]
    undone = {
        1: grey,
        2: grey[:, ::-1],
        3: grey[::-1, ::-1],
        4: grey[::-1],
        5: grey.transpose(1, 0, 2),
        6: np.rot90(grey, -1),
        7: grey[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(grey, 1),
    }[orientation]
    data = tiff_file(Picture(grey, BLACK_IS_ZERO, tags={274: (SHORT, [orientation])}))

    check(data, halved(undone), within=1)
    with open_document(data, LIMITS) as document:
        assert (document.info.pages[0].height, document.info.pages[0].width) == undone.shape[:2]


def test_smaller_copies_and_masks_are_no_pages() -> None:
    page = Picture(SHALLOW, RGB)
    thumbnail = Picture(SHALLOW[:4, :4], RGB, tags={254: (4, [1])})
    mask = Picture(SHALLOW[:, :, :1], BLACK_IS_ZERO, tags={254: (4, [4])})

    with open_document(tiff_file(thumbnail, page, mask, page), LIMITS) as document:
        assert [(size.number, size.width) for size in document.info.pages] == [(1, 30), (2, 30)]
        assert np.array_equal(document.pixels(2).pixels[:, :, ::-1], SHALLOW)
    with open_document(tiff_file(thumbnail), LIMITS) as document:
        assert [size.width for size in document.info.pages] == [4]


def test_pages_that_the_chain_does_not_reach_are_not_left_out_in_silence() -> None:
    data = bytearray(tiff_file(Picture(SHALLOW, RGB), Picture(SHALLOW, RGB)))
    second = int.from_bytes(data[-4:], "little")
    assert second == 0
    data[-4:] = (len(data) + 100).to_bytes(4, "little")

    with pytest.raises(DecodeFailed):
        open_document(bytes(data), LIMITS)


def test_more_pages_or_entries_than_the_limits_are_refused() -> None:
    data = tiff_file(*[Picture(SHALLOW[:1, :1], RGB)] * 3)

    assert len(open_document(data, DocumentLimits(max_pages=3)).info.pages) == 3
    with pytest.raises(TooManyPages):
        open_document(data, DocumentLimits(max_pages=2))
    with pytest.raises(DecodeTooCostly):
        open_document(data, DocumentLimits(max_parts=5))


@pytest.mark.parametrize("tags", [{259: (SHORT, [34_712])}, {258: (SHORT, [3])}, {262: (SHORT, [32_803])}])
def test_a_layout_that_nothing_here_reads_is_unsupported(tags: dict[int, tuple[int, list[int]]]) -> None:
    with pytest.raises(UnsupportedFormat):
        page_of(tiff_file(Picture(SHALLOW[:, :, :1], BLACK_IS_ZERO, tags=tags)))
