from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from core.errors import DependencyMissing
from docker_worker.models import DEFAULT_ROOT
from docker_worker.ocr import paddle_engine
from docker_worker.ocr.paddle_engine import PaddleEngines, PaddleOcrEngine
from handlers.document.engine import EngineChoice, Quality, read_page
from handlers.document.errors import LanguageNotSupported, OcrFailed
from tests.support.networks import paper, reads_grey, scripted_networks, sees_dark

if TYPE_CHECKING:
    from docker_worker.ocr.networks import Networks, Tensor

ROOT = Path(__file__).resolve().parents[4]


def test_importing_the_module_imports_no_engine_and_sets_nothing() -> None:
    script = (
        "import os, sys\n"
        "before = dict(os.environ)\n"
        "import docker_worker.ocr.paddle_engine\n"
        "found = {'paddleocr', 'paddlex', 'onnxruntime', 'cv2', 'numpy'} & set(sys.modules)\n"
        "print(sorted(found), dict(os.environ) == before)\n"
    )

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[] True"


def test_a_page_is_read_upright_and_as_it_stands() -> None:
    page = paper(400, 600)
    page[100:140, 100:400] = 0
    page[200:240, 100:500] = 80

    read = read_page(PaddleOcrEngine(scripted_networks(), 2), page)

    assert sorted(line.text for line in read.lines) == ["a", "b"]
    assert (read.width, read.height, read.angle, read.pieces) == (600, 400, 0.0, 2)
    assert (read.engine, read.models) == ("scripted 1", ("detection", "recognition"))


def test_what_the_networks_keep_is_given_back_after_finding_text_and_after_reading_it() -> None:
    done: list[str] = []

    def sees(tensor: Tensor) -> Tensor:
        done.append("detect")
        return sees_dark(tensor)

    def reads(tensor: Tensor) -> Tensor:
        done.append("recognise")
        return reads_grey(tensor)

    networks = scripted_networks(detect=sees, recognise=reads)
    engine = PaddleOcrEngine(replace(networks, give_back=lambda: done.append("give back")), 2)
    page = paper(400, 600)
    page[100:140, 100:400] = 0

    for _ in range(2):
        engine.read(page)

    assert done == ["detect", "give back", "recognise", "give back"] * 2


def test_a_page_without_ink_has_no_lines() -> None:
    assert read_page(PaddleOcrEngine(scripted_networks(), 1), paper(40, 60)).lines == ()


@pytest.mark.parametrize("broken", ["detection", "recognition"])
def test_a_network_that_breaks_is_the_engines_failure(broken: str) -> None:
    def breaks(tensor: Tensor) -> Tensor:
        raise RuntimeError("a secret")

    networks = scripted_networks(
        detect=breaks if broken == "detection" else sees_dark,
        recognise=breaks if broken == "recognition" else reads_grey,
    )
    page = paper(400, 600)
    page[100:140, 100:400] = 0

    with pytest.raises(OcrFailed, match="RuntimeError") as caught:
        PaddleOcrEngine(networks, 1).read(page)
    assert "secret" not in str(caught.value)


def test_memory_that_is_not_there_is_said_as_it_is() -> None:
    def exhausts(tensor: Tensor) -> Tensor:
        raise MemoryError

    page = paper(400, 600)
    page[100:140, 100:400] = 0

    with pytest.raises(MemoryError):
        PaddleOcrEngine(scripted_networks(detect=exhausts), 1).read(page)


def test_what_is_no_page_is_the_engines_failure() -> None:
    engine = PaddleOcrEngine(scripted_networks(), 1)

    with pytest.raises(OcrFailed):
        engine.read(np.zeros((20, 20), np.uint8))
    with pytest.raises(OcrFailed):
        engine.turn(np.zeros((20, 20), np.uint8))


def test_the_networks_run_on_as_many_threads_as_it_says_and_no_more() -> None:
    """Two pages at once, each of which waits in the network for the other; a third waits for its turn."""
    both = threading.Barrier(2, timeout=30)
    running, most = 0, 0
    lock = threading.Lock()

    def detect(tensor: Tensor) -> Tensor:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        both.wait()
        with lock:
            running -= 1
        return sees_dark(tensor)

    engine = PaddleOcrEngine(scripted_networks(detect=detect), 2)
    page = paper(400, 600)
    page[100:140, 100:400] = 0
    texts: list[str] = []
    readers = [threading.Thread(target=lambda: texts.append(engine.read(page).text)) for _ in range(4)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join(30)

    assert engine.concurrency == 2
    assert most == 2
    assert texts == ["a"] * 4


def built(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, Quality]]:
    calls: list[tuple[Path, Quality]] = []

    def load(root: Path, quality: Quality, cache: Path | None) -> Networks:
        calls.append((root, quality))
        return scripted_networks()

    monkeypatch.setattr(paddle_engine, "load_networks", load)
    return calls


def test_an_engine_is_built_once_a_quality(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = built(monkeypatch)
    engines = PaddleEngines(DEFAULT_ROOT, concurrency=3)

    fast = engines(EngineChoice(Quality.FAST))

    assert fast is engines(EngineChoice(Quality.FAST, ("en", "zh")))
    assert fast is not engines(EngineChoice(Quality.ACCURATE))
    assert fast.concurrency == 3
    assert calls == [(DEFAULT_ROOT, Quality.FAST), (DEFAULT_ROOT, Quality.ACCURATE)]


def test_a_language_that_is_not_read_is_refused_before_anything_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = built(monkeypatch)

    with pytest.raises(LanguageNotSupported, match="ru"):
        PaddleEngines(DEFAULT_ROOT)(EngineChoice(languages=("en", "ru")))
    assert calls == []


def test_an_engine_that_could_not_be_built_is_tried_again(tmp_path: Path) -> None:
    engines = PaddleEngines(tmp_path)

    for _ in range(2):
        with pytest.raises(DependencyMissing, match=r"docker_worker\.models"):
            engines(EngineChoice(Quality.FAST))
