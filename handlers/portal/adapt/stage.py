"""The stage: a picture in, the file that meets every rule of a schema out, or the rule that cannot be met."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

import cv2
import numpy as np

from handlers.portal.adapt.background import background_of, on_white, refusal
from handlers.portal.adapt.encode import Encoded, encoded
from handlers.portal.adapt.geometry import Size, Window, check_scale, containing, covering, interest_window, placed
from handlers.portal.adapt.heads import head_of, only_face
from handlers.portal.adapt.records import Adapted, AdaptReport, Box, FaceDetector, Head, RuleCheck
from handlers.portal.adapt.resize import WHITE, Colour, resized
from handlers.portal.adapt.verify import verify
from handlers.portal.errors import SchemaFailed
from handlers.portal.schema import Background, Fit, SchemaDefinition

if TYPE_CHECKING:
    from handlers.document.engine import Page

ENLARGED, BACKGROUND_REPLACED, FEW_COLOURS, PADDED = "ENLARGED", "BACKGROUND_REPLACED", "FEW_COLOURS", "PADDED"
"""Warnings."""

_INTEREST_SIDE = 256


@dataclass(frozen=True, slots=True)
class _Shown:
    """The picture at its size; ``head`` is in its pixels."""

    page: Page
    window: Window
    scale: float
    head: Head | None
    replaced: bool = False


def adapt(page: Page, definition: SchemaDefinition, faces: FaceDetector) -> Adapted:
    """``page`` is HxWx3 uint8 BGR. The same file for the same pixels and definition.

    Raises :class:`handlers.portal.errors.SchemaFailed` for a rule that cannot be met, with what was measured,
    its kinds :class:`handlers.portal.errors.ResizeFailed`, :class:`handlers.portal.errors.SizeExceeded` and
    :class:`handlers.portal.errors.SizeTooSmall`, and :class:`core.errors.DependencyMissing`.
    """
    shown = _with_background(_shown(page, definition, faces), definition)
    made = encoded(shown.page, definition)
    checks = verify(made.data, definition, faces)
    _refuse_failed(checks)
    report = _report(shown, made, definition, checks)
    return Adapted(made.data, definition.output_format.value, report, tuple(_warnings(shown, made)))


def _shown(page: Page, definition: SchemaDefinition, faces: FaceDetector) -> _Shown:
    picture = Size(page.shape[1], page.shape[0])
    target = Size(definition.target_width, definition.target_height)
    needs_head = definition.fit is Fit.FACE or definition.face is not None
    head = head_of(only_face(faces(page))) if needs_head else None
    window = _window(page, definition, head, picture, target)
    scale = check_scale(window, target)
    shown = resized(page, window, target, _room(page, definition, head))
    return _Shown(shown, window, scale, None if head is None else _moved(head, window, scale))


def _window(page: Page, definition: SchemaDefinition, head: Head | None, picture: Size, target: Size) -> Window:
    match definition.fit:
        case Fit.CONTAIN:
            return containing(picture, target)
        case Fit.COVER:
            interest = _interest(page) if head is None else _around(head)
            return interest_window(covering(picture, target), picture, interest)
        case Fit.FACE:
            assert definition.face is not None
            assert head is not None
            behind = background_of(page, head)
            wanted = behind.is_white or definition.background is Background.ANY or definition.replace_background
            return placed(head, definition.face, picture, target, room=behind.is_even and wanted)
        case other:
            assert_never(other)


def _around(head: Head) -> Box:
    return Box(head.middle - head.height / 2, head.crown, head.height, head.height)


def _interest(page: Page) -> Box:
    """About the point around which the picture's edges are."""
    height, width = page.shape[:2]
    scale = min(1.0, _INTEREST_SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    grey = cv2.cvtColor(cv2.resize(page, size, interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY).astype(np.float32)
    edges = np.abs(cv2.Sobel(grey, cv2.CV_32F, 1, 0)) + np.abs(cv2.Sobel(grey, cv2.CV_32F, 0, 1))
    total = float(edges.sum())
    if not total:
        return Box(0, 0, width, height)
    across = float((edges.sum(axis=0) * (np.arange(size[0]) + 0.5)).sum()) / total
    down = float((edges.sum(axis=1) * (np.arange(size[1]) + 0.5)).sum()) / total
    return Box(across * width / size[0], down * height / size[1], 0, 0)


def _room(page: Page, definition: SchemaDefinition, head: Head | None) -> Colour:
    if definition.background is Background.WHITE and not definition.replace_background:
        return WHITE
    return background_of(page, head).colour


def _moved(head: Head, window: Window, scale: float) -> Head:
    return Head(
        (head.crown - window.top) * scale, (head.chin - window.top) * scale, (head.middle - window.left) * scale
    )


def _with_background(shown: _Shown, definition: SchemaDefinition) -> _Shown:
    if definition.background is Background.ANY or background_of(shown.page, shown.head).is_white:
        return shown
    if not definition.replace_background:
        raise refusal(shown.page, shown.head)
    return _Shown(on_white(shown.page, shown.head), shown.window, shown.scale, shown.head, replaced=True)


def _refuse_failed(checks: tuple[RuleCheck, ...]) -> None:
    failed = [check for check in checks if not check.passed]
    if failed:
        told = "; ".join(f"{check.rule} is {check.measured}, {check.required} is wanted" for check in failed)
        rules = [{"rule": one.rule, "required": one.required, "measured": one.measured} for one in failed]
        raise SchemaFailed(told, rule=failed[0].rule, rules=rules)


def _report(shown: _Shown, made: Encoded, definition: SchemaDefinition, checks: tuple[RuleCheck, ...]) -> AdaptReport:
    window, head = shown.window, shown.head
    return AdaptReport(
        fit=definition.fit.value,
        crop=(window.left, window.top, window.width, window.height),
        scale=round(shown.scale, 4),
        face_percent=None if head is None else round(100 * head.height / definition.target_height, 1),
        background_replaced=shown.replaced,
        quality=made.quality,
        chroma=made.chroma,
        padding=made.padding,
        encodings=made.encodings,
        similarity=round(made.similarity, 4),
        checks=checks,
    )


def _warnings(shown: _Shown, made: Encoded) -> list[str]:
    found = {
        ENLARGED: shown.scale > 1,
        BACKGROUND_REPLACED: shown.replaced,
        FEW_COLOURS: made.chroma.endswith("colours"),
        PADDED: made.padding > 0,
    }
    return [code for code, is_so in found.items() if is_so]
