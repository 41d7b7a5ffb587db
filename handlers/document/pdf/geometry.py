"""Between a PDF's user space and the page as it is looked at.

User space is in points of 1/72 inch times the page's UserUnit, y up, its origin anywhere (ISO 32000-1, 8.3.2.3). The
page as it is looked at has its origin in the upper left corner of the effective box, y down, after the page's rotation.
"""

from __future__ import annotations

from dataclasses import dataclass

from handlers.document.engine import Point

POINTS_PER_INCH = 72.0


@dataclass(frozen=True, slots=True)
class Rectangle:
    left: float
    bottom: float
    right: float
    top: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.top - self.bottom

    def common(self, other: Rectangle) -> Rectangle:
        """Empty where nothing is in both."""
        left, bottom = max(self.left, other.left), max(self.bottom, other.bottom)
        right, top = max(left, min(self.right, other.right)), max(bottom, min(self.top, other.top))
        return Rectangle(left, bottom, right, top)


@dataclass(frozen=True, slots=True)
class PageGeometry:
    """``box`` is what is looked at of the page, in user space; ``turns`` are quarter turns clockwise, 0 to 3."""

    box: Rectangle
    turns: int

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of the page as it is looked at, in units of user space."""
        sides = (self.box.width, self.box.height)
        return sides if self.turns % 2 == 0 else (sides[1], sides[0])

    def seen(self, x: float, y: float) -> Point:
        """A point of user space on the page as it is looked at, in units of user space."""
        box = self.box
        match self.turns:
            case 0:
                return (x - box.left, box.top - y)
            case 1:
                return (y - box.bottom, x - box.left)
            case 2:
                return (box.right - x, y - box.bottom)
            case _:
                return (box.top - y, box.right - x)

    def placed(self, x: float, y: float) -> Point:
        """The way back: a point of the page as it is looked at, in user space."""
        box = self.box
        match self.turns:
            case 0:
                return (x + box.left, box.top - y)
            case 1:
                return (y + box.left, x + box.bottom)
            case 2:
                return (box.right - x, y + box.bottom)
            case _:
                return (box.right - y, box.top - x)
