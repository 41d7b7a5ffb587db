"""A JPEG of a picture at a scale of its tables: ours to the coefficients, mozjpeg's from there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from core.errors import DependencyMissing
from handlers.document.errors import OCR_INSTALL_HINT
from handlers.portal.adapt.entropy import coded
from handlers.portal.adapt.planes import Component, Plane, components
from handlers.portal.adapt.quantise import Levels, expected_bytes, quantised, steps_for

if TYPE_CHECKING:
    from handlers.document.engine import Page

Chroma = Literal["4:2:0", "4:4:4"]
SHRINK: dict[Chroma, Literal[1, 2]] = {"4:2:0": 2, "4:4:4": 1}

_FINEST, _COARSEST = 1 / 16, 16.0
_FEWER, _HEAD = 0.93, 450
"""What is made of the bytes expected, on photographs, and what is made before them."""

_IMAGE_START, _IMAGE_END, _TABLE, _FRAME, _CODE, _SCAN = 0xD8, 0xD9, 0xDB, 0xC0, 0xC4, 0xDA


def scale_of(quality: int) -> float:
    """What libjpeg scales its tables by at ``quality``, 1..100."""
    return 50 / quality if quality < 50 else 2 - quality / 50


def quality_of(scale: float) -> int:
    """The nearest of libjpeg's qualities, 1..100."""
    quality = 100 - 50 * scale if scale <= 1 else 50 / scale
    return min(100, max(1, round(quality)))


@dataclass(frozen=True)
class JpegEncoder:
    """Encodes one picture, HxWx3 uint8 BGR, as often as is needed: the same bytes for the same scale."""

    page: Page
    chroma: Chroma

    @cached_property
    def _components(self) -> tuple[Component, Component, Component]:
        return components(self.page, SHRINK[self.chroma])

    def __call__(self, scale: float) -> bytes:
        """Without any metadata, not even JFIF's. ``scale`` is of the tables, above 0.

        Raises :class:`core.errors.DependencyMissing`.
        """
        luma, chroma = steps_for(scale)
        levels = [
            quantised(component, steps, scale)
            for component, steps in zip(self._components, (luma, chroma, chroma), strict=True)
        ]
        height, width = self.page.shape[:2]
        return _optimised(_written(levels, (luma, chroma), height, width, SHRINK[self.chroma]))

    def likely_scale(self, most: int) -> float:
        """The scale at which about ``most`` bytes are made."""
        fine, coarse = _FINEST, _COARSEST
        while coarse > 1.05 * fine:
            middle = (fine * coarse) ** 0.5
            fits = expected_bytes(self._components, middle) * _FEWER + _HEAD < most
            fine, coarse = (fine, middle) if fits else (middle, coarse)
        return coarse


def _written(levels: list[Levels], tables: tuple[Plane, Plane], height: int, width: int, shrink: int) -> bytes:
    """A baseline JPEG, a scan a component."""
    parts = [bytes((0xFF, _IMAGE_START))]
    parts += [segment(_TABLE, bytes([n, *table.astype(int).tolist()])) for n, table in enumerate(tables)]
    sampling = [1, shrink << 4 | shrink, 0, 2, 0x11, 1, 3, 0x11, 1]
    parts.append(segment(_FRAME, bytes([8, *height.to_bytes(2), *width.to_bytes(2), 3, *sampling])))
    for number, component in enumerate(levels, 1):
        dc, ac, scan = coded(component)
        parts += [
            segment(_CODE, bytes([kind]) + code.lengths + code.symbols) for kind, code in ((0x00, dc), (0x10, ac))
        ]
        parts += [segment(_SCAN, bytes([1, number, 0x00, 0, 63, 0])), scan]
    return b"".join((*parts, bytes((0xFF, _IMAGE_END))))


def segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(body) + 2).to_bytes(2) + body


def _optimised(data: bytes) -> bytes:
    """The same coefficients, in the progressive scans that take the fewest bytes."""
    try:
        from mozjpeg_lossless_optimization import optimize  # noqa: PLC0415 - the worker's alone
    except ImportError as error:
        raise DependencyMissing(f"mozjpeg_lossless_optimization is not installed: {OCR_INSTALL_HINT}") from error
    return bytes(optimize(data))
