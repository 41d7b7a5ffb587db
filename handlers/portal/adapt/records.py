"""What is measured on a picture, and what is told of the file that was made of it.

Positions are pixels, x to the right and y down, (0, 0) the upper left corner of the first pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from handlers.document.engine import Page

Point: TypeAlias = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Box:
    left: float
    top: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.left + self.width

    @property
    def bottom(self) -> float:
        return self.top + self.height


@dataclass(frozen=True, slots=True)
class Face:
    """``eyes`` and ``mouth`` are their middles: the eyes', and the corners of the mouth. ``confidence`` is 0..1."""

    box: Box
    eyes: Point
    mouth: Point
    confidence: float


@dataclass(frozen=True, slots=True)
class Head:
    """From ``crown`` to ``chin``, both y; ``middle`` is the x that it is even about."""

    crown: float
    chin: float
    middle: float

    @property
    def height(self) -> float:
        return self.chin - self.crown


class FaceDetector(Protocol):
    def __call__(self, page: Page, /) -> tuple[Face, ...]:
        """The faces of an HxWx3 uint8 BGR picture, the surest first; the same for the same pixels."""
        ...


@dataclass(frozen=True, slots=True)
class RuleCheck:
    """``required`` and ``measured`` are for people; ``measured`` is "none" where there is nothing to measure."""

    rule: str
    required: str
    measured: str
    passed: bool


@dataclass(frozen=True, slots=True)
class AdaptReport:
    """How a file was made, of JSON values.

    ``crop`` is left, top, width and height in pixels of the picture that was given, and reaches beyond it where room
    was added. ``scale`` is pixels made for each pixel given. ``face_percent`` is the head's height in percent of the
    file's.
    ``quality`` is the encoder's, as libjpeg counts (1..100), ``None`` for a PNG; ``chroma`` is "4:2:0" or
    "4:4:4", for a PNG "truecolour" or the colours of its palette. ``padding`` is bytes that stand for nothing.
    ``similarity`` is the mean SSIM of the three channels with the picture before it was encoded.
    """

    fit: str
    crop: tuple[float, float, float, float]
    scale: float
    face_percent: float | None
    background_replaced: bool
    quality: int | None
    chroma: str
    padding: int
    encodings: int
    similarity: float
    checks: tuple[RuleCheck, ...]


@dataclass(frozen=True, slots=True)
class Adapted:
    """``format`` is "jpeg" or "png"; ``warnings`` are codes."""

    data: bytes
    format: str
    report: AdaptReport
    warnings: tuple[str, ...] = ()
