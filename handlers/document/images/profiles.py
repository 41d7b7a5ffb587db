"""Colour profiles (ICC.1), and the one colour space that needs a conversion like theirs."""

from __future__ import annotations

import io
from collections.abc import Callable

from PIL import ImageCms
from PIL.Image import Image

_MODES = {"GRAY": "L", "RGB": "RGB", "CMYK": "CMYK", "Lab": "LAB"}
"""Pillow's mode by the profile's colour space (ICC.1, table 19)."""


def profile_converter(mode: str, profile: bytes) -> Callable[[Image], Image]:
    """From ``mode`` through ``profile`` to sRGB, as mode ``RGB``, with the profile's perceptual intent.

    Raises :class:`ValueError` for a profile that is damaged or is for other colours.
    """
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        taken = _MODES.get(source.profile.xcolor_space.strip(), "")
        if taken == "RGB" and "sRGB" in (source.profile.profile_description or ""):
            return _as_rgb
        # Its table for grey has so few steps that dark ones are 10 levels off.
        flags = ImageCms.Flags.NOOPTIMIZE if taken == "L" else ImageCms.Flags.NONE
        transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), taken, "RGB", flags=flags)
    except (ImageCms.PyCMSError, OSError, TypeError) as error:
        raise ValueError("the colour profile is damaged") from error
    if mode != taken and (mode, taken) != ("L", "RGB"):
        raise ValueError("the colour profile is for other colours")
    return lambda band: transform.apply(band if band.mode == taken else band.convert(taken))


def lab_converter() -> Callable[[Image], Image]:
    """From CIE L*a*b* at D50 to sRGB."""
    return ImageCms.buildTransform(ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB").apply


def _as_rgb(band: Image) -> Image:
    return band.convert("RGB")
