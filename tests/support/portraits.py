"""Pictures for portals: a photograph with a face, and schemas of all kinds."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from skimage import data

from core.errors import CoreMachineError
from handlers.portal.adapt.cascade import CascadeDetector
from handlers.portal.schema import ImageFormat, SchemaDefinition

if TYPE_CHECKING:
    from handlers.document.engine import Page

FACES = CascadeDetector()


@cache
def astronaut() -> Page:
    """512x512 uint8 BGR: one face before a background that is neither white nor even."""
    return np.ascontiguousarray(data.astronaut()[:, :, ::-1])  # type: ignore[no-untyped-call]


def definition(**changes: Any) -> SchemaDefinition:
    wanted: dict[str, Any] = {
        "target_width": 120,
        "target_height": 150,
        "target_dpi": 200,
        "min_kb": 2,
        "max_kb": 20,
        "output_format": ImageFormat.JPEG,
        "filename_pattern": "{original}",
    }
    return SchemaDefinition(**{**wanted, **changes})


def noise(height: int, width: int, seed: int = 0) -> Page:
    """What encodes worst."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def plain(height: int, width: int, level: int = 255) -> Page:
    return np.full((height, width, 3), level, np.uint8)


def told(error: CoreMachineError, name: str) -> float:
    """A number of an error's details."""
    value = error.details[name]
    assert isinstance(value, int | float)
    return float(value)
