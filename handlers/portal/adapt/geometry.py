"""Which part of a picture is shown, and how large: decided from sizes and positions alone."""

from __future__ import annotations

from dataclasses import dataclass

from handlers.portal.adapt.records import Box, Head
from handlers.portal.errors import ResizeFailed, SchemaFailed
from handlers.portal.schema import FaceRule

MOST_ENLARGED = 4.0
"""Pixels made for each one given, down and across. What is enlarged by more is no picture of anything."""

HEADROOM = 0.42
"""The share, of what the head leaves of the height, that is above it: portals' samples have the eyes a little above the
middle and some of the shoulders."""

_LEAST_HEADROOM = 0.02
_STEP = 0.5
_FIRST, _ENDS = 0.35, 0.1
"""Shares of a range of percents: what is tried first, under the middle, as hair makes a head higher than its skull is,
and what is never come nearer to than that from either end."""

_NARROWEST, _CROWNLESS = 0.3, 0.05
"""Shares of a head's height: half of its width, at least, and how far out its crown may seem to be, as that is
measured from eyes and chin. With less beside its middle, or more out, the picture ends in it."""

_ASIDE = 0.06
"""How far the head may be from the middle, in shares of the width, before another size is taken."""


@dataclass(frozen=True, slots=True)
class Size:
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Window:
    """Whole pixels of a picture that become a target. It may reach beyond the picture, where room is added."""

    left: int
    top: int
    width: int
    height: int

    def reaches_beyond(self, picture: Size) -> bool:
        return (
            min(self.left, self.top) < 0
            or self.left + self.width > picture.width
            or self.top + self.height > picture.height
        )


def check_scale(window: Window, target: Size) -> float:
    """Pixels made for each one of the window. Raises :class:`handlers.portal.errors.ResizeFailed`."""
    scale = max(target.width / window.width, target.height / window.height)
    if scale > MOST_ENLARGED:
        raise ResizeFailed(
            f"{window.width} x {window.height} pixels are too few for {target.width} x {target.height}",
            available=[window.width, window.height],
            required=[target.width, target.height],
            most_enlarged=MOST_ENLARGED,
        )
    return scale


def covering(picture: Size, target: Size) -> Size:
    """The largest part of a picture with the target's shape."""
    if picture.width * target.height > picture.height * target.width:
        return Size(max(1, round(picture.height * target.width / target.height)), picture.height)
    return Size(picture.width, max(1, round(picture.width * target.height / target.width)))


def containing(picture: Size, target: Size) -> Window:
    """All of the picture in the middle of the target's shape."""
    if picture.width * target.height > picture.height * target.width:
        width, height = picture.width, max(picture.height, round(picture.width * target.height / target.width))
    else:
        width, height = max(picture.width, round(picture.height * target.width / target.height)), picture.height
    return Window(-((width - picture.width) // 2), -((height - picture.height) // 2), width, height)


def placed(head: Head, rule: FaceRule, picture: Size, target: Size, *, room: bool) -> Window:
    """The window in which the head is as high as the rule has it, as near to the middle of its range as can be.

    With ``room`` it may reach beyond the picture above and beside it, where there is nothing but background; never
    below, where the body would end, and never where the picture ends in the head.
    Raises :class:`handlers.portal.errors.SchemaFailed`.
    """
    for percent in _percents(rule):
        window = _window(head, percent, picture, target)
        if window is not None:
            return window
    if room and _is_whole(head, picture):
        for percent in _percents(rule):
            window = _roomy(head, percent, target)
            if window.top + window.height <= picture.height:
                return window
    shown = 100 * head.height / min(picture.height, picture.width * target.height / target.width)
    raise SchemaFailed(
        f"the head would be {shown:.0f} % of the height or more, or at the edge, and {_range(rule)} is wanted",
        rule="face",
        face_percent=round(shown, 1),
        required=[rule.min_percent, rule.max_percent],
        head=[round(head.middle), round(head.crown), round(head.chin)],
        picture=[picture.width, picture.height],
    )


def interest_window(size: Size, picture: Size, interest: Box) -> Window:
    """``size`` about the middle of what is of interest, within the picture."""
    left = round(interest.left + interest.width / 2 - size.width / 2)
    top = round(interest.top + interest.height / 2 - size.height / 2)
    return Window(_within(left, picture.width - size.width), _within(top, picture.height - size.height), *_pair(size))


def _percents(rule: FaceRule) -> list[float]:
    """From below the middle of the range outwards; its ends are left to those who measure differently."""
    whole = rule.max_percent - rule.min_percent
    first, least, most = (rule.min_percent + share * whole for share in (_FIRST, _ENDS, 1 - _ENDS))
    steps = int(whole / _STEP)
    found = [first, *(first + sign * step * _STEP for step in range(1, steps + 1) for sign in (-1, 1))]
    return [percent for percent in found if least <= percent <= most]


def _size(head: Head, percent: float, target: Size) -> Size:
    height = max(1, round(100 * head.height / percent))
    return Size(max(1, round(height * target.width / target.height)), height)


def _window(head: Head, percent: float, picture: Size, target: Size) -> Window | None:
    """Within the picture, moved no farther than looks right; ``None`` where there is none."""
    size = _size(head, percent, target)
    if size.width > picture.width or size.height > picture.height:
        return None
    wanted = _roomy(head, percent, target)
    left = _within(wanted.left, picture.width - size.width)
    top = _within(wanted.top, picture.height - size.height)
    above = (head.crown - top) / size.height
    if abs(left - wanted.left) > _ASIDE * size.width or above < _LEAST_HEADROOM or head.chin > top + size.height:
        return None
    return Window(left, top, *_pair(size))


def _is_whole(head: Head, picture: Size) -> bool:
    half = _NARROWEST * head.height
    return head.crown >= -_CROWNLESS * head.height and half <= head.middle <= picture.width - half


def _roomy(head: Head, percent: float, target: Size) -> Window:
    size = _size(head, percent, target)
    top = round(head.crown - HEADROOM * (size.height - head.height))
    return Window(round(head.middle - size.width / 2), top, *_pair(size))


def _pair(size: Size) -> tuple[int, int]:
    return size.width, size.height


def _within(value: int, most: int) -> int:
    return max(0, min(value, most))


def _range(rule: FaceRule) -> str:
    return f"{rule.min_percent:g} to {rule.max_percent:g} %"
