"""Each measure grows with what it measures, on pages that were spoilt on purpose."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from handlers.document.reading.cautions import cautions
from handlers.document.reading.ink import ink_of
from handlers.document.reading.quality import quality_of
from handlers.document.reading.records import PageQuality
from handlers.document.warnings import WarningCode
from tests.unit.handlers.document.reading.synthetic import KINDS, letter, light_on_dark, receipt, turned

if TYPE_CHECKING:
    from handlers.document.engine import Page

SUBJECTS: Sequence[Callable[[int], Page]] = (letter, receipt)
SEEDS = (1, 2)


def measured(page: Page) -> PageQuality:
    return quality_of(page, ink_of(page), runs_down=False)


def blurred(page: Page, deviation: float) -> Page:
    return page if not deviation else np.asarray(cv2.GaussianBlur(page, (0, 0), deviation), np.uint8)


def noisy(page: Page, deviation: float) -> Page:
    grain = np.random.default_rng(7).normal(0, deviation, (*page.shape[:2], 1))
    return np.asarray(np.clip(page * 0.7 + 30 + grain, 0, 255), np.uint8)


def compressed(page: Page, quality: int) -> Page:
    done, data = cv2.imencode(".jpg", page, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def moved(page: Page, length: int, degrees: float) -> Page:
    kernel = np.zeros((length, length), np.float32)
    kernel[length // 2] = 1 / length
    turn = cv2.getRotationMatrix2D((length / 2 - 0.5, length / 2 - 0.5), -degrees, 1.0)
    along = cv2.warpAffine(kernel, turn, (length, length))
    return np.asarray(cv2.filter2D(page, -1, along / along.sum()), np.uint8)


def smaller(page: Page, by: float) -> Page:
    return np.asarray(cv2.resize(page, None, fx=by, fy=by, interpolation=cv2.INTER_AREA), np.uint8)


def shaded(page: Page, lost: float) -> Page:
    light = np.linspace(1.0, 1.0 - lost, page.shape[1])[None, :, None]
    return np.asarray(page * light, np.uint8)


def faint(page: Page, share: float) -> Page:
    return np.asarray(255 - (255 - page.astype(np.float32)) * share, np.uint8)


GROWS: dict[str, tuple[Callable[[Page, float], Page], Sequence[float], Callable[[PageQuality], float | None]]] = {
    "blur": (blurred, (0, 0.7, 1.2, 2, 3), lambda quality: quality.blur),
    "noise": (noisy, (1, 4, 10, 20, 35), lambda quality: quality.noise),
    "compression": (lambda page, n: compressed(page, -int(n)), (-60, -25, -12, -6), lambda quality: quality.blockiness),
    "motion": (lambda page, n: moved(page, int(n), 0), (1, 5, 9, 15), lambda quality: quality.motion),
    "text height": (smaller, (0.35, 0.5, 0.7, 1), lambda quality: quality.text_height),
    "darkness": (lambda page, n: np.asarray(page * (1 - n), np.uint8), (0, 0.3, 0.6, 0.8), lambda q: -q.paper),
    "fading": (lambda page, n: faint(page, 1 - n), (0, 0.4, 0.7, 0.85), lambda q: -abs(q.contrast or 0.0)),
    "shading": (shaded, (0, 0.2, 0.4, 0.6), lambda quality: quality.shading),
}


@pytest.mark.parametrize("measure", GROWS)
@pytest.mark.parametrize("subject", SUBJECTS)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_measure_grows_with_what_it_measures(measure: str, subject: Callable[[int], Page], seed: int) -> None:
    spoil, amounts, value = GROWS[measure]
    values = [value(measured(spoil(subject(seed), amount))) for amount in amounts]
    known = [one for one in values if one is not None]
    assert len(known) == len(amounts)
    assert all(low < high for low, high in pairwise(known)), f"{measure} of {amounts}: {known}"


@pytest.mark.parametrize(
    ("spoil", "amounts"),
    [
        (blurred, (0, 3, 5, 8)),
        (noisy, (0, 20, 35)),
        (lambda page, n: compressed(page, -int(n)), (-90, -8, -4)),
        (lambda page, n: smaller(page, 1 - n), (0, 0.6, 0.7)),
        (lambda page, n: faint(page, 1 - n), (0, 0.8, 0.9)),
    ],
)
def test_the_score_falls_with_every_spoiling(spoil: Callable[[Page, float], Page], amounts: Sequence[float]) -> None:
    scores = [measured(spoil(letter(3), amount)).score for amount in amounts]
    assert scores[0] > 0.95
    assert all(high > low for high, low in pairwise(scores)), scores


@pytest.mark.parametrize("degrees", [0.0, 45.0, 90.0, 135.0])
def test_the_direction_of_a_movement_is_told(degrees: float) -> None:
    quality = measured(moved(letter(1), 15, degrees))
    assert quality.motion is not None
    assert quality.motion_angle is not None
    assert abs((quality.motion_angle - degrees + 90) % 180 - 90) <= 22.5
    assert quality.motion > measured(blurred(letter(1), 2.0)).motion  # type: ignore[operator]


@pytest.mark.parametrize("kind", KINDS)
def test_a_good_page_has_nothing_to_beware_of(kind: str) -> None:
    quality = measured(KINDS[kind](4))
    assert quality.score > 0.9
    assert list(cautions(quality, 200.0)) == []


@pytest.mark.parametrize(
    ("page", "code"),
    [
        (blurred(letter(1), 3.5), WarningCode.BLURRED),
        (moved(letter(1), 15, 90.0), WarningCode.MOTION_BLURRED),
        (np.asarray(letter(1) * 0.3, np.uint8), WarningCode.DARK),
        (faint(letter(1), 0.25), WarningCode.OVEREXPOSED),
        (faint(letter(1), 0.15), WarningCode.LOW_CONTRAST),
        (noisy(letter(1), 20), WarningCode.NOISY),
        (smaller(letter(1), 0.3), WarningCode.LOW_RESOLUTION),
        (compressed(letter(1), 5), WarningCode.HEAVILY_COMPRESSED),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_with_a_page_is_told_by_its_code(page: Page, code: WarningCode) -> None:
    assert code in {warning.code for warning in cautions(measured(page), None)}


def test_light_print_on_dark_has_a_contrast_below_nothing() -> None:
    quality = measured(light_on_dark(1))
    assert quality.contrast is not None
    assert quality.contrast < -200


def test_height_is_that_of_letters_on_a_page_on_its_side_too() -> None:
    upright = measured(letter(1))
    side = turned(letter(1), 90)
    lying = quality_of(side, ink_of(side), runs_down=True)
    assert lying.text_height == pytest.approx(upright.text_height, rel=0.15)


@pytest.mark.parametrize("shape", [(1, 1), (2, 900), (900, 2), (16, 16), (40, 3000)])
def test_any_shape_can_be_measured(shape: tuple[int, int]) -> None:
    quality = measured(np.full((*shape, 3), 200, np.uint8))
    assert quality.blur is None
    assert quality.paper == 200


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 13])
@pytest.mark.parametrize("light", [False, True])
def test_specks_give_numbers_or_nothing_and_never_what_is_no_number(count: int, light: bool) -> None:
    """Of all that is around them, so little is black that no percentile sees it: 0 / 0 is no number, and no JSON."""
    for seed in range(30):
        page = np.full((300, 400, 3), 255, np.uint8)
        generator = np.random.default_rng(seed)
        for y, x in generator.integers(0, (299, 396), (count, 2)):
            page[y, x : x + 3] = page[y + 1, x + 1 : x + 4] = 0
        measures = dataclasses.astuple(measured(255 - page if light else page))
        assert all(value is None or math.isfinite(value) for value in measures)


def test_a_few_steps_say_nothing_of_compression() -> None:
    page = np.full((200, 700, 3), 250, np.uint8)
    cv2.putText(page, "Total amount 123.45", (40, 90), cv2.FONT_HERSHEY_SIMPLEX, 1, (236, 236, 236), 1, cv2.LINE_AA)
    assert quality_of(page, ink_of(page), runs_down=False).blockiness == 0.0
