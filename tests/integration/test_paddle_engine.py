"""The real engine on pages whose text is known. The models are those that the set-up brought."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from benchmarks.ocr_scores import score
from docker_worker.models import DEFAULT_ROOT
from docker_worker.ocr.paddle_engine import PaddleEngines
from handlers.document.engine import EngineChoice, OcrEngine, PageText, Quality, read_page
from handlers.document.errors import OcrFailed
from handlers.document.files import open_document
from handlers.document.layout import ordered
from handlers.document.limits import DocumentLimits
from handlers.document.reading import ReadingOptions
from handlers.document.reading import whole as reading
from testing.documents import SamplePage, sample_page
from tests.support.documents import run_job

if TYPE_CHECKING:
    from handlers.document.engine import Page

ROOT = Path(__file__).parents[2]
SEED = 7
SHORT_TEXT = "Harbour Lane Printers"


@pytest.fixture(scope="module")
def engines() -> PaddleEngines:
    return PaddleEngines(DEFAULT_ROOT)


@pytest.fixture(scope="module")
def engine(engines: PaddleEngines) -> OcrEngine:
    """The small models: what they are asked here does not depend on the size, and they take a third of the time."""
    return engines(EngineChoice(Quality.FAST))


@pytest.fixture(scope="module")
def sample() -> SamplePage:
    return sample_page(SEED)


def pixels(sample: SamplePage) -> Page:
    with open_document(sample.png, DocumentLimits()) as document:
        return document.pixels(1).pixels


def short_page() -> Page:
    font = ImageFont.load_default(size=60)
    image = Image.new("RGB", (int(font.getlength(SHORT_TEXT)) + 40, 106), "white")
    ImageDraw.Draw(image).text((20, 14), SHORT_TEXT, fill=0, font=font)
    return np.ascontiguousarray(np.asarray(image))


def error_rate(sample: SamplePage, read: str) -> float:
    return score(sample.text, read).cer_percent


def in_order(read: PageText) -> str:
    return "\n".join(line.text for line in ordered(read.lines, read.width, read.height))


def read_whole(engine: OcrEngine, page: Page) -> PageText:
    return reading.read_whole(engine, page, ReadingOptions()).text


@pytest.fixture(scope="module")
def upright(engine: OcrEngine, sample: SamplePage) -> PageText:
    return read_page(engine, pixels(sample))


def test_a_page_is_read_with_positions_words_and_confidence(sample: SamplePage, upright: PageText) -> None:
    assert error_rate(sample, in_order(upright)) < 2.0
    assert (upright.width, upright.height, upright.angle) == (1240, 1754, 0.0)
    first = upright.lines[0]
    assert first.text == sample.text.splitlines()[0]
    assert first.confidence > 0.9
    (left, top), _, (_, bottom), _ = first.polygon
    assert 100 < left < 125
    assert 100 < top < bottom < 190
    assert [word.text for word in first.words or ()] == first.text.split()
    assert all(word.confidence is not None and word.confidence > 0.8 for word in first.words or ())


def test_words_end_where_their_ink_does(sample: SamplePage, upright: PageText) -> None:
    """To 6 pixels, which is a third of a letter; all but a few that were not read as they are printed."""
    ink = pixels(sample).max(axis=2) < 128
    words = [word for line in upright.lines for word in line.words or ()]
    exact = 0
    for word in words:
        (left, top), (right, _), (_, bottom), _ = word.polygon
        columns = ink[round(top) : round(bottom)].any(axis=0)
        edges = [columns[round(edge) - 6 : round(edge) + 6] for edge in (left, right)]
        exact += all(edge.any() and not edge.all() for edge in edges)

    assert exact >= 0.95 * len(words)


@pytest.mark.parametrize("quarter_turns", [0, 1, 2, 3])
def test_which_way_up_a_page_stands_is_told_and_it_is_read_where_it_lies(
    engine: OcrEngine, sample: SamplePage, quarter_turns: int
) -> None:
    turned = np.ascontiguousarray(np.rot90(pixels(sample), quarter_turns))
    degrees = {0: 0, 1: 270, 2: 180, 3: 90}[quarter_turns]

    turn = engine.turn(turned)
    read = read_whole(engine, turned)

    assert turn.degrees == degrees
    assert turn.confidence > 0.5
    assert error_rate(sample, read.text) < 2.0
    assert read.angle == pytest.approx((degrees + 180) % 360 - 180 or 0, abs=0.1) or abs(read.angle) == 180
    for line in read.lines:
        xs, ys = ([int(point[axis]) for point in line.polygon] for axis in (0, 1))
        inside = turned[min(ys) : max(ys), min(xs) : max(xs)]
        assert inside.min() < 64, f"there is no ink where {line.text!r} should be"


@pytest.mark.parametrize("shape", [(1, 1), (300, 200), (2, 900)])
def test_a_blank_page_is_read_and_has_no_text(engine: OcrEngine, shape: tuple[int, int]) -> None:
    read = read_page(engine, np.full((*shape, 3), 255, dtype=np.uint8))

    assert read.lines == ()
    assert (read.height, read.width) == shape


def test_a_page_of_noise_is_read(engine: OcrEngine) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (200, 300, 3), dtype=np.uint8)

    read_page(engine, noise)


def test_a_short_wide_page_is_read_as_it_stands(engine: OcrEngine) -> None:
    read = read_whole(engine, short_page())

    assert read.text == SHORT_TEXT
    assert read.angle == pytest.approx(0.0, abs=0.1)


def test_pages_are_read_by_several_threads_as_by_one(engine: OcrEngine, sample: SamplePage, upright: PageText) -> None:
    page = pixels(sample)

    with ThreadPoolExecutor(3) as readers:
        together = list(readers.map(lambda _: engine.read(page), range(3)))

    assert together == [upright] * 3


@pytest.mark.parametrize("shape", [(1, 30_000), (30_000, 1)])
def test_a_strip_at_the_limit_is_read_quickly(engine: OcrEngine, shape: tuple[int, int]) -> None:
    """Looking for its orientation alone took up to 30 seconds."""
    started = time.process_time()

    assert read_page(engine, np.full((*shape, 3), 255, dtype=np.uint8)).lines == ()
    assert time.process_time() - started < 10.0


def test_what_is_no_page_is_the_engines_failure(engine: OcrEngine) -> None:
    with pytest.raises(OcrFailed):
        engine.read(np.zeros((20, 20), dtype=np.uint8))


def test_the_same_page_gives_the_same_result(engine: OcrEngine, sample: SamplePage, upright: PageText) -> None:
    page = pixels(sample)
    before = page.copy()

    assert read_page(engine, page) == upright
    assert np.array_equal(page, before)


@pytest.mark.parametrize(("quality", "size"), [(Quality.ACCURATE, "small"), (Quality.FAST, "tiny")])
def test_both_qualities_read_the_page_with_their_models(
    engines: PaddleEngines, sample: SamplePage, quality: Quality, size: str
) -> None:
    read = read_page(engines(EngineChoice(quality)), pixels(sample))

    assert error_rate(sample, in_order(read)) < 2.0
    assert read.models == (f"PP-OCRv6_{size}_det", f"PP-OCRv6_{size}_rec", "PP-LCNet_x1_0_doc_ori")


def test_a_whole_job_reads_a_page(engine: OcrEngine, sample: SamplePage) -> None:
    result, _ = run_job(engine, {"source": {"content_base64": base64.b64encode(sample.jpeg).decode()}})

    assert error_rate(sample, result.text) < 2.0
    assert result.mean_confidence is not None
    assert result.mean_confidence > 0.9


def test_the_engine_prints_nothing_and_writes_only_where_it_may(tmp_path: Path) -> None:
    code = """
import os
import subprocess
import sys
import numpy as np
from pathlib import Path
from docker_worker.models import DEFAULT_ROOT
from docker_worker.ocr.paddle_engine import PaddleEngines
from handlers.document.engine import EngineChoice, Quality
PaddleEngines(DEFAULT_ROOT)(EngineChoice(Quality.FAST)).read(np.full((60, 60, 3), 255, dtype=np.uint8))
assert Path(os.environ["PADDLE_PDX_CACHE_HOME"]).is_dir()
"""
    environment = {**os.environ, "HOME": os.fspath(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )

    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []
