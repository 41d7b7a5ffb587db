"""Profiles, inks, palettes and transparency, against colours that are known or computed by another library."""

from __future__ import annotations

import io
import struct
import zlib

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageCms

from handlers.document.files import PagePixels, open_document
from handlers.document.images.colour import fitting_size, upright_pixels
from handlers.document.images.decoders import Picture
from handlers.document.limits import DocumentLimits
from handlers.document.warnings import WarningCode

LIMITS = DocumentLimits()
NOISE = np.random.default_rng(5).integers(0, 256, (24, 40, 3), dtype=np.uint8)
FORMATS = ("JPEG", "PNG", "TIFF", "WEBP")


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def page_of(data: bytes) -> PagePixels:
    with open_document(data, LIMITS) as document:
        return document.pixels(1)


def profile_with_gamma(gamma: float, space: bytes = b"RGB ", swapped: bool = False) -> bytes:
    """A display profile (ICC.1, 8.3) with the primaries of sRGB, red and green exchanged where ``swapped``."""

    def fixed(*values: float) -> bytes:
        return struct.pack(f">{len(values)}i", *(round(65_536 * value) for value in values))

    primaries = [(0.4360, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141)]
    if swapped:
        primaries[:2] = primaries[1::-1]
    curve = b"curv" + struct.pack(">IIH", 0, 1, round(256 * gamma)) + b"\0\0"
    tags = {b"wtpt": b"XYZ \0\0\0\0" + fixed(0.9642, 1.0, 0.8249)}
    if space == b"GRAY":
        tags[b"kTRC"] = curve
    else:
        for name, values in zip((b"r", b"g", b"b"), primaries, strict=True):
            tags[name + b"XYZ"] = b"XYZ \0\0\0\0" + fixed(*values)
            tags[name + b"TRC"] = curve
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for tag, content in tags.items():
        table += tag + struct.pack(">II", start + len(body), len(content))
        body += content
    head = struct.pack(">I4sI4s4s4s", start + len(body), b"test", 0x02400000, b"mntr", space, b"XYZ ")
    head = head.ljust(36, b"\0") + b"acsp"
    return head.ljust(68, b"\0") + fixed(0.9642, 1.0, 0.8249).ljust(60, b"\0") + table + body


def srgb_level(linear: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """IEC 61966-2-1, as 0..255."""
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("form", FORMATS)
def test_a_profile_is_applied(form: str) -> None:
    """Red and green change places, and a gamma of 1.0 becomes sRGB's."""
    flat = np.repeat(np.repeat(NOISE[:2, :3], 16, axis=0), 16, axis=1)
    options: dict[str, object] = {"quality": 100, "subsampling": 0} if form == "JPEG" else {"lossless": True}
    profile = profile_with_gamma(1.0, swapped=True)
    found = page_of(encoded(Image.fromarray(flat), form, icc_profile=profile, **options))

    assert found.warnings == ()
    wanted = srgb_level(flat / 255)[8::16, 8::16][:, :, [1, 0, 2]]
    assert np.abs(found.pixels[8::16, 8::16, ::-1].astype(float) - wanted).max() <= 8


def test_a_profile_of_grey_is_applied() -> None:
    levels = np.arange(256, dtype=np.uint8)[None]
    found = page_of(encoded(Image.fromarray(levels), "PNG", icc_profile=profile_with_gamma(1.0, b"GRAY"))).pixels

    assert np.abs(found[:, :, 0].astype(float) - srgb_level(levels / 255)).max() <= 3


def test_srgb_itself_changes_nothing() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

    assert np.array_equal(
        page_of(encoded(Image.fromarray(NOISE), "PNG", icc_profile=profile)).pixels, NOISE[:, :, ::-1]
    )


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("profile", [b"not a profile", profile_with_gamma(1.0)[:200], profile_with_gamma(2.0, b"CMYK")])
def test_a_profile_that_is_damaged_or_for_other_colours_is_passed_over(form: str, profile: bytes) -> None:
    flat = Image.new("RGB", (16, 16), (200, 100, 50))
    found = page_of(encoded(flat, form, icc_profile=profile))

    assert [warning.code for warning in found.warnings] == [WarningCode.PROFILE_IGNORED]
    assert found.pixels[8, 8].tolist() == pytest.approx([50, 100, 200], abs=3)


def test_a_profile_that_swells_is_passed_over_without_being_unpacked() -> None:
    data = encoded(Image.fromarray(NOISE), "PNG")
    body = b"swollen\0\0" + zlib.compress(bytes(64 * 2**20), 9)
    chunk = struct.pack(">I", len(body)) + b"iCCP" + body + struct.pack(">I", zlib.crc32(b"iCCP" + body))
    found = page_of(data[:33] + chunk + data[33:])

    assert [warning.code for warning in found.warnings] == [WarningCode.PROFILE_IGNORED]
    assert np.array_equal(found.pixels, NOISE[:, :, ::-1])


@pytest.mark.parametrize("adobe", [b"\0", b"\2"], ids=["CMYK", "YCCK"])
def test_inks_of_a_jpeg_are_inverted_as_adobe_has_them(adobe: bytes) -> None:
    """The same flat inks, stored as they are or as luma and chroma: the marker says which."""
    inks = (0, 200, 100, 40)
    data = encoded(Image.new("CMYK", (16, 16), inks), "JPEG", quality=100, subsampling=0)
    marker = data.index(b"Adobe")
    assert data[marker + 11] == 0
    if adobe == b"\2":
        luma = Image.new("RGB", (1, 1), inks[:3]).convert("YCbCr").getpixel((0, 0))
        assert isinstance(luma, tuple)
        stored = (*(255 - int(level) for level in luma), inks[3])
        data = encoded(Image.new("CMYK", (16, 16), stored), "JPEG", quality=100, subsampling=0)
        data = data[: marker + 11] + adobe + data[marker + 12 :]

    wanted = [(255 - ink) * (255 - inks[3]) / 255 for ink in inks[2::-1]]
    assert page_of(data).pixels[8, 8].tolist() == pytest.approx(wanted, abs=4)


@pytest.mark.parametrize("form", ["PNG", "TIFF", "WEBP"])
def test_transparency_is_laid_on_white(form: str) -> None:
    alpha = np.random.default_rng(6).integers(0, 256, (24, 40, 1), dtype=np.uint8)
    image = Image.fromarray(np.concatenate([NOISE, alpha], axis=2))
    options = {"lossless": True, "exact": True} if form == "WEBP" else {}
    found = page_of(encoded(image, form, **options)).pixels[:, :, ::-1]

    assert np.abs(found - (NOISE * (alpha / 255.0) + (255.0 - alpha))).max() <= 1


def test_a_transparent_entry_of_a_palette_is_white() -> None:
    image = Image.new("P", (4, 1))
    image.putpalette([255, 0, 0, 0, 0, 0, 0, 255, 0, 9, 9, 9])
    image.putdata([0, 1, 2, 3])

    for form in ("PNG", "GIF"):
        found = page_of(encoded(image, form, transparency=1)).pixels
        assert found[0].tolist() == [[0, 0, 255], [255, 255, 255], [0, 255, 0], [9, 9, 9]], form


def png_of(samples: npt.NDArray[np.uint16], colour_type: int) -> bytes:
    height, width = samples.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in (*chunks, (b"IEND", b""))
    )


@pytest.mark.parametrize(("colour_type", "samples"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_a_png_of_16_bits_is_what_opencv_sees(colour_type: int, samples: int) -> None:
    deep = np.random.default_rng(7).integers(0, 65_536, (20, 30, samples), dtype=np.uint16)
    data = png_of(deep, colour_type)
    seen = np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED), dtype=float) / 257
    seen = seen[:, :, None] if seen.ndim == 2 else seen
    if seen.shape[2] == 4:
        seen = (seen[:, :, :3] * seen[:, :, 3:] + 255 * (255 - seen[:, :, 3:])) / 255

    assert np.abs(page_of(data).pixels - seen).max() <= 2


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"subsampling": 2}, {"subsampling": 1}, {"optimize": True}]
)
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_jpeg_is_what_opencv_sees(mode: str, options: dict[str, object]) -> None:
    smooth = cv2.GaussianBlur(cv2.resize(NOISE, (167, 93)), (0, 0), 3)
    data = encoded(Image.fromarray(smooth).convert(mode), "JPEG", quality=90, **options)
    seen = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)

    assert np.abs(page_of(data).pixels.astype(int) - seen).max() <= 2


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_a_bmp_and_a_gif_are_what_was_put_in(mode: str) -> None:
    image = Image.fromarray(NOISE).convert(mode)
    wanted = np.asarray(image.convert("RGB"))[:, :, ::-1]

    assert np.array_equal(page_of(encoded(image, "BMP")).pixels, wanted)
    if mode != "RGB":
        assert np.array_equal(page_of(encoded(image, "GIF")).pixels, wanted)


PRESS = {(255, 0, 0, 0): (60, -25, -35), (0, 255, 0, 0): (55, 45, -5), (0, 0, 255, 0): (85, -5, 60)}
"""L*a*b* of single inks, paler than a press prints them: within what sRGB has. Paper and black are neutral."""


def press_profile() -> bytes:
    """A printer's profile (ICC.1, 8.4) whose table (``mft1``, 10.11) has the corners of the inks alone."""
    corners = b""
    for inks in np.ndindex(2, 2, 2, 2):
        key = tuple(255 * ink for ink in inks)
        light, a, b = PRESS.get(key, (100 if not any(inks) else 20 if not inks[3] else 5, 0, 0))
        corners += bytes((round(light * 2.55), a + 128, b + 128))
    straight = bytes(range(256))
    matrix = struct.pack(">9i", *(65_536 * (n % 4 == 0) for n in range(9)))
    table = b"mft1" + bytes(4) + bytes((4, 3, 2, 0)) + matrix + straight * 4 + corners + straight * 3
    table += b"\0" * (-len(table) % 4)
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63_190, 65_536, 54_061)
    start = 128 + 4 + 24
    tags = struct.pack(">I4sII4sII", 2, b"A2B0", start, len(table), b"wtpt", start + len(table), len(white))
    head = struct.pack(">I4sI4s4s4s", start + len(table) + len(white), b"test", 0x02400000, b"prtr", b"CMYK", b"Lab ")
    head = (head.ljust(36, b"\0") + b"acsp").ljust(68, b"\0") + struct.pack(">3i", 63_190, 65_536, 54_061)
    return head.ljust(128, b"\0") + tags + table + white


def lab_as_srgb(light: float, a: float, b: float) -> npt.NDArray[np.floating]:
    """By the definitions: CIE 15 for L*a*b* at D50, the inverse of sRGB's matrix adapted to D50, and sRGB's curve."""
    y = (light + 16) / 116
    powers = np.array([y + a / 500, y, y - b / 200])
    xyz = np.where(powers > 6 / 29, powers**3, 3 * (6 / 29) ** 2 * (powers - 4 / 29)) * [0.9642, 1.0, 0.8249]
    matrix = [[3.1339, -1.6169, -0.4906], [-0.9788, 1.9161, 0.0335], [0.0719, -0.2290, 1.4052]]
    return srgb_level(np.clip(np.array(matrix) @ xyz, 0, 1))


@pytest.mark.parametrize("form", ["JPEG", "TIFF"])
@pytest.mark.parametrize("inks", [(0, 0, 0, 0), *PRESS])
def test_inks_are_what_their_profile_says(form: str, inks: tuple[int, int, int, int]) -> None:
    options: dict[str, object] = {"quality": 100, "subsampling": 0} if form == "JPEG" else {}
    data = encoded(Image.new("CMYK", (16, 16), inks), form, icc_profile=press_profile(), **options)
    found = page_of(data)

    assert found.warnings == ()
    wanted = lab_as_srgb(*PRESS.get(inks, (100, 0, 0)))
    assert np.abs(found.pixels[8, 8, ::-1] - wanted).max() <= 4


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_a_page_that_is_shrunk_in_bands_is_as_if_it_were_shrunk_at_once(mode: str) -> None:
    picture = Image.fromarray(np.random.default_rng(6).integers(0, 256, (1_531, 2_003, 3), np.uint8)).convert(mode)
    size = fitting_size(2_003, 1_531, 700_000)

    pixels, _ = upright_pixels(Picture(picture), 1, 700_000)

    plain = picture.convert({"1": "L", "P": "RGB"}.get(mode, mode)).resize(size, Image.Resampling.BILINEAR)
    expected, _ = upright_pixels(Picture(plain), 1, 700_000)
    assert np.abs(pixels.astype(int) - expected).max() <= 1
