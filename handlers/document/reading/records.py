"""What a reading of a page is asked for and gives. Importing this imports no numpy."""

from __future__ import annotations

from dataclasses import dataclass

from handlers.document.engine import PageText
from handlers.document.warnings import PageWarning


@dataclass(frozen=True, slots=True)
class ReadingOptions:
    """What may be done to a page before it is read.

    Without ``orient`` it is taken to stand upright within some degrees, without ``straighten`` skew and perspective
    stay in it, without ``enhance`` a bad page is read once as it is.
    """

    orient: bool = True
    straighten: bool = True
    enhance: bool = True


@dataclass(frozen=True, slots=True)
class PageQuality:
    """What can be measured of a page's pixels, and what follows for reading it. ``None``: the page has nothing to
    measure it by.

    ``score`` is 0..1: 1 where nothing stands in the way of reading. ``blur`` is the width of the print's edges as the
    standard deviation of a Gaussian, in pixels; ``motion`` how many times wider they are along ``motion_angle`` than
    across it (1 is none), the angle in degrees clockwise from the horizontal, 0 to 180. ``noise`` is a standard
    deviation in grey levels; ``paper`` and ``ink`` are grey levels, 0 to 255, and ``contrast`` their difference, how
    much brighter the paper is (below 0: light print on dark). ``shading`` is how much of the paper's brightness is
    lost from its brightest part to its darkest, 0..1. ``text_height`` is that of small letters, in pixels.
    ``blockiness`` is by how much, in times, steps in grey at the borders of JPEG's blocks of 8 pixels exceed those
    inside them (0 is none).
    """

    score: float
    blur: float | None
    motion: float | None
    motion_angle: float | None
    noise: float
    paper: float
    ink: float | None
    contrast: float | None
    shading: float
    text_height: float | None
    blockiness: float


@dataclass(frozen=True, slots=True)
class PageReading:
    """A page that was read. ``text`` has its lines in reading order, polygons in the given page's own pixels,
    confidences that are probabilities of being right, and the angle that the page stands at. ``warnings`` are in the
    order of :class:`handlers.document.warnings.WarningCode`, each code at most once."""

    text: PageText
    quality: PageQuality
    warnings: tuple[PageWarning, ...] = ()
