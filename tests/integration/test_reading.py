"""Pages in every position with the real classifier and recogniser. ``python -m benchmarks.ocr_orientation`` has the
whole of it."""

from __future__ import annotations

import pytest

from docker_worker.models import DEFAULT_ROOT
from docker_worker.ocr.paddle_engine import PaddleEngines
from handlers.document.engine import EngineChoice, OcrEngine, Quality
from handlers.document.reading import ReadingOptions
from handlers.document.reading.whole import read_whole
from tests.unit.handlers.document.reading.synthetic import KINDS, turned


@pytest.fixture(scope="module")
def engine() -> OcrEngine:
    return PaddleEngines(DEFAULT_ROOT)(EngineChoice(Quality.FAST))


@pytest.mark.parametrize("kind", ["letter", "sparse", "receipt", "form"])
def test_a_page_is_read_the_right_way_up_in_every_position(engine: OcrEngine, kind: str) -> None:
    page = KINDS[kind](11)[:800]
    expected = len(read_whole(engine, page, ReadingOptions()).text.text)
    for angle in (2.0, 90.0, -173.0, -92.0):
        reading = read_whole(engine, turned(page, angle), ReadingOptions())
        assert reading.text.angle == pytest.approx(angle, abs=0.15), kind
        assert not reading.text.orientation_unsure
        assert len(reading.text.text) == pytest.approx(expected, rel=0.1)
