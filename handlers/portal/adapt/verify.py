"""A finished file, held against the schema by what is read back from it: nothing that made it is asked."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from handlers.document.errors import DecodeFailed, DecodeTooCostly, UnsupportedFormat
from handlers.document.images.exif import Exif, read_exif
from handlers.document.images.header import ImageHeader
from handlers.document.images.jpeg import read_jpeg
from handlers.document.images.png import read_png
from handlers.document.limits import DocumentLimits
from handlers.portal.adapt.background import WHITE_SHARE, background_of
from handlers.portal.adapt.containers import METRES_AN_INCH, PADDING_CHUNK, PNG_SIGNATURE, exif, parts
from handlers.portal.adapt.heads import head_of, only_face
from handlers.portal.adapt.records import FaceDetector, Head, RuleCheck
from handlers.portal.adapt.search import ByteRange
from handlers.portal.errors import SchemaFailed
from handlers.portal.schema import Background, FaceRule, ImageFormat, SchemaDefinition

if TYPE_CHECKING:
    from handlers.document.engine import Page

FACE_TOLERANCE = 2.5
"""Percent of the height: a head is measured again with that much difference on a file of 10 KB."""

_LIMITS = DocumentLimits()
_NEEDED_CHUNKS = frozenset({"IHDR", "PLTE", "IDAT", "IEND", "pHYs", PADDING_CHUNK.decode()})
_NEEDED_SEGMENTS = frozenset({"DB", "C0", "C1", "C2", "C4", "DA", "DD", "FE"})


def verify(data: bytes, definition: SchemaDefinition, faces: FaceDetector | None = None) -> tuple[RuleCheck, ...]:
    """Each rule of the schema, as ``data`` is measured by it. The face is measured where there is a detector."""
    form = _format(data)
    header = _header(data, form)
    pixels = _pixels(data)
    return (
        _format_check(form, definition),
        *_size_checks(header, pixels, definition),
        _dpi_check(data, form, definition),
        *ByteRange.of(definition).check(len(data)),
        _orientation_check(header),
        _metadata_check(data, form),
        *_picture_checks(pixels, definition, faces),
    )


def _format(data: bytes) -> ImageFormat | None:
    if data.startswith(b"\xff\xd8\xff"):
        return ImageFormat.JPEG
    return ImageFormat.PNG if data.startswith(PNG_SIGNATURE) else None


def _header(data: bytes, form: ImageFormat | None) -> ImageHeader | None:
    if form is None:
        return None
    try:
        return (read_jpeg if form is ImageFormat.JPEG else read_png)(data, _LIMITS)
    except (DecodeFailed, DecodeTooCostly, UnsupportedFormat):
        return None


def _pixels(data: bytes) -> Page | None:
    """HxWx3 uint8 BGR, by another decoder than the one that the file was made with; all of the file has to be there."""
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
            return np.ascontiguousarray(np.asarray(image.convert("RGB"))[:, :, ::-1])
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None


def _format_check(form: ImageFormat | None, definition: SchemaDefinition) -> RuleCheck:
    measured = "none" if form is None else form.value
    return RuleCheck("format", definition.output_format.value, measured, form is definition.output_format)


def _size_checks(header: ImageHeader | None, pixels: Page | None, definition: SchemaDefinition) -> Iterator[RuleCheck]:
    decoded = (0, 0) if pixels is None else (pixels.shape[1], pixels.shape[0])
    told = (0, 0) if header is None else (header.width, header.height)
    wanted = definition.target_width, definition.target_height
    for rule, stated, seen, required in zip(("width", "height"), told, decoded, wanted, strict=True):
        measured = f"{seen} px" if seen == stated and seen else f"{stated} px stated, {seen} px decoded"
        yield RuleCheck(rule, f"{required} px", measured, seen == stated == required)


def _dpi_check(data: bytes, form: ImageFormat | None, definition: SchemaDefinition) -> RuleCheck:
    found = _resolutions(data, form)
    measured = ", ".join(f"{where} {across:g} x {down:g}" for where, across, down in found) or "none"
    wanted = {"JFIF", "EXIF"} if form is ImageFormat.JPEG else {"pHYs", "EXIF"}
    right = all(round(value) == definition.target_dpi for _, *both in found for value in both)
    passed = right and {where for where, *_ in found} == wanted and len(found) == len(wanted)
    return RuleCheck("dpi", f"{definition.target_dpi} in {' and '.join(sorted(wanted))}", measured, passed)


def _resolutions(data: bytes, form: ImageFormat | None) -> list[tuple[str, float, float]]:
    """Every place where one is written, in dots an inch; 0 where its unit is none."""
    found: list[tuple[str, float, float]] = []
    for kind, body in _parts(data, form):
        if kind == "E0" and body.startswith(b"JFIF\0") and len(body) >= 12:
            scale = {1: 1.0, 2: 2.54}.get(body[7], 0.0)
            found.append(("JFIF", *_both(body[8:12], scale)))
        elif kind == "pHYs" and len(body) == 9:
            scale = METRES_AN_INCH if body[8] == 1 else 0.0
            found.append(("pHYs", *_both(body[:8], scale)))
        elif kind == "eXIf" or (kind == "E1" and body.startswith(b"Exif\0\0")):
            found.append(("EXIF", *(read_exif(body, _LIMITS).resolution or (0.0, 0.0))))
    return found


def _both(values: bytes, scale: float) -> tuple[float, float]:
    half = len(values) // 2
    across, down = int.from_bytes(values[:half]), int.from_bytes(values[half:])
    return round(across * scale, 2), round(down * scale, 2)


def _parts(data: bytes, form: ImageFormat | None) -> list[tuple[str, bytes]]:
    """As far as they can be read."""
    found: list[tuple[str, bytes]] = []
    if form is not None:
        try:
            found.extend((part.kind, part.body) for part in parts(form, data))
        except ValueError:
            found.append(("damaged", b""))
    return found


def _orientation_check(header: ImageHeader | None) -> RuleCheck:
    measured = "none" if header is None else str(header.orientation)
    return RuleCheck("orientation", "1", measured, header is not None and header.orientation == Exif().orientation)


def _metadata_check(data: bytes, form: ImageFormat | None) -> RuleCheck:
    extra = sorted({kind for kind, body in _parts(data, form) if not _is_needed(kind, body)})
    measured = ", ".join(extra) or "none"
    return RuleCheck("metadata", "none but the resolution", measured, form is not None and not extra)


def _is_needed(kind: str, body: bytes) -> bool:
    """JFIF's, EXIF with nothing but what we write, the picture's own parts, and padding that says nothing."""
    if kind in ("FE", PADDING_CHUNK.decode()):
        return not body.strip(b" \0")
    if kind == "E0":
        return body.startswith(b"JFIF\0") and len(body) == 14
    if kind in ("E1", "eXIf"):
        return len(body.removeprefix(b"Exif\0\0")) == len(exif(1))
    return kind in _NEEDED_SEGMENTS or kind in _NEEDED_CHUNKS


def _picture_checks(
    pixels: Page | None, definition: SchemaDefinition, faces: FaceDetector | None
) -> Iterator[RuleCheck]:
    whole = pixels is not None
    yield RuleCheck("decodes", "whole", "whole" if whole else "none", whole)
    head = None if pixels is None or faces is None or definition.face is None else _head(pixels, faces)
    if definition.background is Background.WHITE:
        measure = None if pixels is None else background_of(pixels, None if isinstance(head, str) else head)
        shown = "none" if measure is None else f"{measure.white_share:.0%} of the edge"
        yield RuleCheck(
            "background", f"white, {WHITE_SHARE:.0%} of the edge", shown, measure is not None and measure.is_white
        )
    if definition.face is not None and faces is not None:
        yield _face_check(head, definition.target_height, definition.face)


def _head(pixels: Page, faces: FaceDetector) -> Head | str:
    """Or why there is none."""
    try:
        return head_of(only_face(faces(pixels)))
    except SchemaFailed as error:
        return str(error)


def _face_check(head: Head | str | None, height: int, rule: FaceRule) -> RuleCheck:
    required = f"{rule.min_percent:g} to {rule.max_percent:g} % of the height"
    if not isinstance(head, Head):
        return RuleCheck("face", required, head or "none", passed=False)
    percent = 100 * head.height / height
    passed = rule.min_percent - FACE_TOLERANCE <= percent <= rule.max_percent + FACE_TOLERANCE
    return RuleCheck("face", required, f"{percent:.1f} %", passed)
