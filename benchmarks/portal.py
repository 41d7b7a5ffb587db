"""Portals' pictures: are the rules met or rightly refused, how good is what is left, and how long does it take.

``python -m benchmarks.portal [--check]``. Photographs, each with what has to come of it, go through the five schemas;
each file that is made is read back with Pillow. Then the same pixels are encoded by us and by ImageMagick and
jpegoptim, where they are installed, within 10, 20 and 100 KB; likeness is scikit-image's SSIM with those pixels, as
the mean of the channels, and of luma alone. A peer's file that is larger than it may be is counted as such.
"""

from __future__ import annotations

import io
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import Image
from skimage.metrics import structural_similarity

from benchmarks.portal_peers import Encoder, installed
from benchmarks.portal_photos import Photo, photos, pictures
from benchmarks.report import Goal, finish, parser
from handlers.portal.adapt.cascade import CascadeDetector
from handlers.portal.adapt.encode import encoded
from handlers.portal.adapt.stage import adapt
from handlers.portal.errors import SchemaFailed
from handlers.portal.schema import Background, ImageFormat, PortalSchema, SchemaDefinition
from handlers.portal.seed import SEED

if TYPE_CHECKING:
    from handlers.document.engine import Page

LIMITS = (10, 20, 100)
ROUNDS = 3

GOALS = (
    Goal("right_percent", ">=", 100, "%"),
    *(Goal(f"gain_{limit}_kb", ">=", 0.010, "SSIM over the better peer") for limit in LIMITS),
    Goal("p95_ms", "<=", 250, "ms"),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """``refused_for`` is the rule, ``None`` where a file was made, whose ``faults`` an independent reader found."""

    photo: str
    schema: str
    wanted: str | None
    refused_for: str | None
    faults: tuple[str, ...]
    milliseconds: float
    cpu_milliseconds: float

    @property
    def is_right(self) -> bool:
        return self.refused_for == self.wanted and not self.faults


@dataclass(frozen=True, slots=True)
class Likeness:
    """Means over pictures and sizes; ``over`` is files larger than the limit."""

    channels: float
    luma: float
    over: int


def main(arguments: Sequence[str]) -> int:
    options = parser("what portals' pictures are worth").parse_args(arguments)
    faces = CascadeDetector()
    outcomes = [_outcome(photo, schema, faces) for photo in photos(faces) for schema in SEED]
    peers = installed()
    likeness = {limit: _compared(limit, faces, {name: one for name, (_, one) in peers.items()}) for limit in LIMITS}
    measured = _measured(outcomes, likeness)
    _print(outcomes, likeness, {name: told for name, (told, _) in peers.items()}, measured)
    goals = GOALS if peers else tuple(goal for goal in GOALS if not goal.name.startswith("gain"))
    return finish(options, measured, goals)


def _outcome(photo: Photo, schema: PortalSchema, faces: CascadeDetector) -> Outcome:
    """The first round warms up, and the median of the others counts."""
    wanted = photo.anywhere if schema.schema_definition.background is Background.ANY else photo.refused_for
    times: list[float] = []
    busy: list[float] = []
    refused_for: str | None = None
    broken: tuple[str, ...] = ()
    for _ in range(ROUNDS):
        begun, begun_busy = time.perf_counter(), time.process_time()
        try:
            made = adapt(photo.pixels, schema.schema_definition, faces)
        except SchemaFailed as error:
            refused_for = str(error.details.get("rule", error.code))
        else:
            broken = faults(made.data, schema.schema_definition)
        times.append(1_000 * (time.perf_counter() - begun))
        busy.append(1_000 * (time.process_time() - begun_busy))
    took = float(np.median(times[1:])), float(np.median(busy[1:]))
    return Outcome(photo.name, schema.name, wanted, refused_for, broken, *took)


def faults(data: bytes, definition: SchemaDefinition) -> tuple[str, ...]:
    """The rules that a file breaks, read by Pillow alone."""
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        exif = image.getexif()
        resolutions = {round(float(one)) for one in (*image.info["dpi"], exif[0x11A], exif[0x11B])}
        found = {
            "pixels": image.size == (definition.target_width, definition.target_height),
            "dpi": resolutions == {definition.target_dpi},
            "bytes": definition.min_kb * 1024 <= len(data) <= definition.max_kb * 1024,
            "format": image.format == definition.output_format.value.upper(),
            "orientation": exif[0x112] == 1,
        }
    return tuple(name for name, holds in found.items() if not holds)


def _compared(limit: int, faces: CascadeDetector, peers: Mapping[str, Encoder]) -> dict[str, Likeness]:
    scores: dict[str, list[tuple[float, float, bool]]] = {}
    for schema in SEED:
        definition = schema.schema_definition.model_copy(
            update={"min_kb": 1, "max_kb": limit, "quality": 100, "output_format": ImageFormat.JPEG}
        )
        for _, page in pictures(faces, definition.target_width, definition.target_height):
            files = {"ours": encoded(page, definition).data}
            files |= {name: encode(page, limit * 1024) for name, encode in peers.items()}
            for name, data in files.items():
                scores.setdefault(name, []).append((*_alike(page, data), len(data) > limit * 1024))
    return {
        name: Likeness(_mean(rows, 0), _mean(rows, 1), sum(row[2] for row in rows)) for name, rows in scores.items()
    }


def _mean(rows: Sequence[tuple[float, float, bool]], column: int) -> float:
    return float(np.mean([row[column] for row in rows]))


def _alike(page: Page, data: bytes) -> tuple[float, float]:
    found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert found is not None
    grey = [cv2.cvtColor(one, cv2.COLOR_BGR2GRAY) for one in (page, found)]
    channels = structural_similarity(page, found, channel_axis=2)  # type: ignore[no-untyped-call]
    return float(channels), float(structural_similarity(*grey))  # type: ignore[no-untyped-call]


def _measured(outcomes: Sequence[Outcome], likeness: Mapping[int, Mapping[str, Likeness]]) -> dict[str, object]:
    made = [one.milliseconds for one in outcomes if one.refused_for is None]
    measured: dict[str, object] = {
        "right_percent": round(100 * float(np.mean([one.is_right for one in outcomes])), 2),
        "files": len(made),
        "refusals": len(outcomes) - len(made),
        "p50_ms": round(float(np.percentile(made, 50)), 1),
        "p95_cpu_ms": round(
            float(np.percentile([one.cpu_milliseconds for one in outcomes if one.refused_for is None], 95)), 1
        ),
        "p95_ms": round(float(np.percentile(made, 95)), 1),
    }
    for limit, found in likeness.items():
        measured |= {f"ssim_{limit}_kb_{name}": round(one.channels, 4) for name, one in found.items()}
        measured |= {f"luma_{limit}_kb_{name}": round(one.luma, 4) for name, one in found.items()}
        peers = [one.channels for name, one in found.items() if name != "ours"]
        if peers:
            measured[f"gain_{limit}_kb"] = round(found["ours"].channels - max(peers), 4)
    return measured


def _print(
    outcomes: Sequence[Outcome],
    likeness: Mapping[int, Mapping[str, Likeness]],
    peers: Mapping[str, str],
    measured: Mapping[str, object],
) -> None:
    print(f"{platform.python_implementation()} {platform.python_version()}, {platform.machine()}")
    for name in ("opencv-python-headless", "mozjpeg-lossless-optimization", "pillow", "scikit-image", "numpy"):
        print(f"  {name} {version(name)}")
    for name in ("ImageMagick", "jpegoptim"):
        print(f"  {peers.get(name, f'{name}: not installed, not compared')}")
    for one in outcomes:
        if not one.is_right:
            print(f"  wrong: {one.photo}, {one.schema}: {one.refused_for} {one.faults}, wanted {one.wanted}")
    for name, value in measured.items():
        print(f"  {name}: {value}")
    for schema in SEED:
        made = [one.milliseconds for one in outcomes if one.schema == schema.name and one.refused_for is None]
        print(
            f"  {schema.name}: {len(made)} files" + (f", {np.median(made):.0f} to {max(made):.0f} ms" if made else "")
        )
    for limit, found in likeness.items():
        for name, like in found.items():
            over = f", {like.over} files over the limit" if like.over else ""
            print(f"  {limit} KB, {name}: SSIM {like.channels:.4f}, of luma {like.luma:.4f}{over}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
