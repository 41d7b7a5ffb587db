from __future__ import annotations

import io
import zlib
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from handlers.portal.adapt.encode import encoded
from handlers.portal.adapt.verify import verify
from handlers.portal.errors import SizeExceeded, SizeTooSmall
from handlers.portal.schema import FaceRule, ImageFormat, SchemaDefinition
from tests.support.portraits import FACES, astronaut, definition, noise, plain


def passed(data: bytes, wanted: SchemaDefinition) -> dict[str, bool]:
    return {check.rule: check.passed for check in verify(data, wanted)}


def saved(form: str = "JPEG", **options: Any) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (120, 150), "white").save(file, form, **options)
    return file.getvalue()


@settings(max_examples=60, deadline=None)
@given(
    width=st.integers(1, 90),
    height=st.integers(1, 90),
    dpi=st.integers(1, 2_400),
    low=st.integers(512, 6_144),
    more=st.integers(0, 20_000),
    form=st.sampled_from(ImageFormat),
    quality=st.integers(1, 100),
    picture=st.sampled_from(["photo", "noise", "plain", "grey"]),
    seed=st.integers(0, 99),
)
def test_never_disagrees_with_an_independent_reader(
    *,
    width: int,
    height: int,
    dpi: int,
    low: int,
    more: int,
    form: ImageFormat,
    quality: int,
    picture: str,
    seed: int,
) -> None:
    pages = {
        "photo": astronaut()[100 : 100 + height, 150 : 150 + width],
        "noise": noise(height, width, seed),
        "plain": plain(height, width, seed),
        "grey": np.repeat(noise(height, width, seed)[:, :, :1], 3, axis=2),
    }
    wanted = definition(
        target_width=width,
        target_height=height,
        target_dpi=dpi,
        min_kb=low / 1024,
        max_kb=(low + more) / 1024,
        output_format=form,
        quality=quality,
    )
    try:
        data = encoded(np.ascontiguousarray(pages[picture]), wanted).data
    except (SizeExceeded, SizeTooSmall):
        return
    agrees(data, wanted)
    agrees(data, wanted.model_copy(update={"target_dpi": dpi % 2_400 + 1}))
    agrees(data, wanted.model_copy(update={"target_width": width + 1}))
    agrees(data, wanted.model_copy(update={"min_kb": wanted.max_kb + 1, "max_kb": wanted.max_kb + 2}))


def agrees(data: bytes, wanted: SchemaDefinition) -> None:
    """With Pillow's reading and OpenCV's decoding."""
    found = passed(data, wanted)
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert pixels is not None
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        exif, size = image.getexif(), image.size
        resolutions = [*image.info["dpi"], float(exif[0x11A]), float(exif[0x11B])]
        assert image.format is not None
        form = image.format.lower()
    assert size == (pixels.shape[1], pixels.shape[0])
    wide, high = size
    assert found == {
        "format": form == wanted.output_format.value,
        "width": wide == wanted.target_width,
        "height": high == wanted.target_height,
        "dpi": all(round(value) == wanted.target_dpi for value in resolutions),
        "min_kb": len(data) >= wanted.min_kb * 1024,
        "max_kb": len(data) <= wanted.max_kb * 1024,
        "orientation": exif[0x112] == 1,
        "metadata": True,
        "decodes": True,
    }


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff", b"GIF89a", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xd9" * 9])
def test_what_is_no_picture_passes_nothing_that_is_read_from_it(data: bytes) -> None:
    found = passed(data, definition())
    for rule in ("width", "height", "dpi", "orientation", "decodes"):
        assert not found[rule]


def test_a_file_cut_off_is_not_whole() -> None:
    data = encoded(np.ascontiguousarray(astronaut()[:150, :120]), definition()).data
    assert passed(data, definition())["decodes"]
    assert not passed(data[: len(data) // 2], definition())["decodes"]


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"dpi": (72, 72)}, "dpi"),
        ({"comment": b"made by me"}, "metadata"),
        ({"icc_profile": b"a profile" * 20}, "metadata"),
    ],
)
def test_what_others_write_is_found(options: dict[str, Any], rule: str) -> None:
    assert not passed(saved(**options), definition())[rule]


def test_a_turned_picture_is_found() -> None:
    exif = Image.Exif()
    exif[0x112] = 6
    assert not passed(saved(exif=exif), definition())["orientation"]


def test_resolutions_that_differ_are_found() -> None:
    exif = Image.Exif()
    exif[0x11A], exif[0x11B], exif[0x128] = 72.0, 72.0, 2
    assert not passed(saved(dpi=(200, 200), exif=exif), definition())["dpi"]


def test_text_in_a_png_is_found() -> None:
    data = saved("PNG")
    text = b"tEXtAuthor\0me"
    chunk = (len(text) - 4).to_bytes(4) + text + zlib.crc32(text).to_bytes(4)
    assert not passed(data[:33] + chunk + data[33:], definition(output_format=ImageFormat.PNG))["metadata"]


def test_no_face_is_said() -> None:
    wanted = definition(face=FaceRule(min_percent=50, max_percent=75))
    check = verify(saved(), wanted, FACES)[-1]
    assert (check.rule, check.passed) == ("face", False)
    assert "no face" in check.measured
