from __future__ import annotations

import struct

import numpy as np
import pytest
from PIL import Image

from handlers.document.errors import DecodeFailed, DecodeTooCostly, ImageTooLarge, UnsupportedFormat
from handlers.document.files import PageSize, open_document
from handlers.document.formats import Format
from handlers.document.limits import DocumentLimits
from testing.heic import Shape, heic_of

LIMITS = DocumentLimits()
RED, GREEN, BLUE, WHITE = (0, 0, 255), (0, 255, 0), (255, 0, 0), (255, 255, 255)


def quarters(width: int = 96, height: int = 64) -> Image.Image:
    """Red, green, blue and white quarters, clockwise from the upper left."""
    image = Image.new("RGB", (width, height), "white")
    image.paste("red", (0, 0, width // 2, height // 2))
    image.paste("lime", (width // 2, 0, width, height // 2))
    image.paste("blue", (width // 2, height // 2, width, height))
    return image


@pytest.mark.parametrize("tiles", [(1, 1), (3, 2)])
@pytest.mark.parametrize(
    ("turns", "mirror", "wanted"),
    [
        (0, None, [RED, GREEN, BLUE, WHITE]),
        (1, None, [GREEN, BLUE, WHITE, RED]),
        (2, None, [BLUE, WHITE, RED, GREEN]),
        (3, None, [WHITE, RED, GREEN, BLUE]),
        (0, 0, [WHITE, BLUE, GREEN, RED]),
        (0, 1, [GREEN, RED, WHITE, BLUE]),
        (1, 0, [RED, WHITE, BLUE, GREEN]),
        (3, 1, [RED, WHITE, BLUE, GREEN]),
    ],
)
def test_turns_and_mirrors_are_done_once_whatever_exif_repeats(
    tiles: tuple[int, int], turns: int, mirror: int | None, wanted: list[tuple[int, ...]]
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    shape = Shape(quarter_turns=turns, mirror=mirror, tiles=tiles)
    size = (64, 96) if turns % 2 else (96, 64)

    with open_document(heic_of(quarters(), shape, exif.tobytes()), LIMITS) as document:
        page = document.pixels(1)

        assert document.info.format is Format.HEIC
        assert document.info.pages == (PageSize(1, float(size[0]), float(size[1])),)
    assert page.pixels.shape == (size[1], size[0], 3)
    found = [page.pixels[y, x].tolist() for y, x in ((3, 3), (3, -4), (-4, -4), (-4, 3))]
    assert [pytest.approx(colour, abs=2) for colour in wanted] == found


@pytest.mark.parametrize("size", [(64, 32), (70, 50), (2, 2), (130, 34)])
def test_every_pixel_of_grey_is_what_was_put_in(size: tuple[int, int]) -> None:
    grey = np.random.default_rng(1).integers(0, 256, (size[1], size[0]), dtype=np.uint8)

    with open_document(heic_of(Image.fromarray(grey)), LIMITS) as document:
        found = document.pixels(1).pixels

    assert np.abs(found.astype(int) - grey[:, :, None]).max() <= 1


def test_the_size_is_known_before_anything_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pi_heif.open_heif", None)

    with pytest.raises(ImageTooLarge):
        open_document(heic_of(quarters()), DocumentLimits(max_pixels=96 * 64 - 1))
    with pytest.raises(ImageTooLarge):
        open_document(heic_of(quarters(), Shape(tiles=(3, 2))), DocumentLimits(max_pixels=96 * 64 - 1))


@pytest.mark.parametrize("shape", [Shape(stated=(16, 16)), Shape(stated=(30_000, 30_000)), Shape(stated=(0, 0))])
def test_a_size_that_is_not_the_pictures_is_refused(shape: Shape) -> None:
    data = heic_of(quarters(256, 128), shape)

    with pytest.raises((DecodeFailed, ImageTooLarge)), open_document(data, LIMITS) as document:
        document.pixels(1)


def test_parameters_within_the_picture_are_looked_at_too() -> None:
    """The decoder takes them from there as well, and allocates by them."""
    small, large = heic_of(quarters(32, 32)), heic_of(quarters(512, 512))
    start = large.index(b"\x42\x01")
    parameters = large[start : start + int.from_bytes(large[start - 2 : start], "big")]
    unit = struct.pack(">I", len(parameters)) + parameters
    place = small.index(b"mdat") + 4
    data = bytearray(small[:place] + unit + small[place:])
    at = data.index(b"iloc") + 12
    (length,) = struct.unpack_from(">I", data, at + 10)
    struct.pack_into(">I", data, at + 10, length + len(unit))

    with pytest.raises(DecodeFailed, match="larger than the file says"):
        open_document(bytes(data), LIMITS)


def test_parts_of_parts_and_endless_ones_are_refused() -> None:
    data = heic_of(quarters(), Shape(tiles=(3, 2)))
    links = data.index(b"dimg") + 8
    to_itself = bytearray(data)
    struct.pack_into(">H", to_itself, links, 7)

    with pytest.raises(DecodeTooCostly, match="nested"):
        open_document(bytes(to_itself), LIMITS)
    with pytest.raises(DecodeTooCostly, match="more than 5"):
        open_document(data, DocumentLimits(max_parts=5))


def test_pictures_that_are_not_hevc_are_unsupported() -> None:
    with pytest.raises(UnsupportedFormat, match="av01"):
        open_document(heic_of(quarters()).replace(b"hvc1\0", b"av01\0"), LIMITS)


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 0.6, 0.95])
def test_a_truncated_file_cannot_be_decoded(share: float) -> None:
    data = heic_of(quarters(320, 320))

    with (
        pytest.raises((DecodeFailed, UnsupportedFormat)),
        open_document(data[: int(len(data) * share)], LIMITS) as document,
    ):
        document.pixels(1)
