from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from benchmarks.portal import LIMITS, Likeness, Outcome, _measured, faults
from benchmarks.portal_photos import photos, pictures
from handlers.portal.adapt.stage import adapt
from handlers.portal.errors import SchemaFailed
from handlers.portal.seed import NEET
from tests.support.portraits import FACES


def test_photos_have_what_their_truth_says() -> None:
    found = {photo.name: photo for photo in photos(FACES)}
    made = adapt(found["white mirrored"].pixels, NEET, FACES)
    assert faults(made.data, NEET) == ()
    with pytest.raises(SchemaFailed) as refused:
        adapt(found["five people"].pixels, NEET, FACES)
    assert refused.value.details["rule"] == found["five people"].refused_for == "face"


def test_a_file_that_breaks_rules_is_told_by_them() -> None:
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x112], exif[0x11A], exif[0x11B], exif[0x128] = 6, 72.0, 72.0, 2
    Image.new("RGB", (200, 231)).save(file, "JPEG", dpi=(200, 200), exif=exif)
    assert set(faults(file.getvalue(), NEET)) == {"pixels", "dpi", "bytes", "orientation"}


def test_pictures_have_the_pixels_that_are_asked_for() -> None:
    assert {page.shape for _, page in pictures(FACES, 150, 200)} == {(200, 150, 3)}
    assert len({page.tobytes() for _, page in pictures(FACES, 15, 20)}) > 4


def test_what_is_measured_is_held_against_the_better_peer() -> None:
    likeness = {
        limit: {"ours": Likeness(0.95, 0.96, 0), "a": Likeness(0.93, 0.94, 0), "b": Likeness(0.94, 0.93, 1)}
        for limit in LIMITS
    }
    right = Outcome("a", "b", None, None, (), 10.0, 5.0)
    wrong = Outcome("a", "b", "face", None, (), 20.0, 5.0)
    measured = _measured([right, right, wrong, wrong], likeness)
    assert measured["right_percent"] == 50
    assert measured["gain_10_kb"] == pytest.approx(0.01)
    assert measured["p95_ms"] == pytest.approx(float(np.percentile([10, 10, 20, 20], 95)))
