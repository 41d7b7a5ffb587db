from __future__ import annotations

import threading

import numpy as np
import pytest

from handlers.document.engine import Line, mean_confidence, read_page
from handlers.document.errors import OcrFailed
from testing.ocr_engines import (
    GARBAGE,
    Crashes,
    ExhaustsMemory,
    Hangs,
    ReadsNothing,
    ReadsText,
    ReturnsGarbage,
    scripted,
)

PAGE = np.zeros((200, 100, 3), dtype=np.uint8)
CORNERS = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))


def test_what_an_engine_reads_is_given_as_it_is() -> None:
    result = read_page(ReadsText(["one line", "another"]), PAGE)

    assert result == scripted(PAGE, ["one line", "another"])
    assert result.text == "one line\nanother"
    assert [word.text for word in result.lines[0].words or ()] == ["one", "line"]


def test_no_text_is_a_result() -> None:
    assert read_page(ReadsNothing(), PAGE).lines == ()


@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_is_the_engines_failure_and_never_a_page_without_text(kind: str) -> None:
    with pytest.raises(OcrFailed, match="cannot be used"):
        read_page(ReturnsGarbage(kind), PAGE)


def test_a_crash_passes_through_and_is_not_retryable() -> None:
    with pytest.raises(OcrFailed) as caught:
        read_page(Crashes(), PAGE)

    assert not caught.value.retryable
    assert caught.value.code == "OCR_FAILED"


def test_memory_running_out_passes_through() -> None:
    with pytest.raises(MemoryError):
        read_page(ExhaustsMemory(), PAGE)


def test_an_engine_that_hangs_waits_for_its_release_and_no_longer_than_its_bound() -> None:
    engine = Hangs()
    results = []
    thread = threading.Thread(target=lambda: results.append(read_page(engine, PAGE)))
    thread.start()
    assert engine.entered.wait(10)
    assert not results
    engine.released.set()
    thread.join(10)

    assert [result.lines for result in results] == [()]
    with pytest.raises(OcrFailed):
        Hangs(bound=0.0).read(PAGE)


def test_confidence_is_weighed_by_characters() -> None:
    lines = (Line("abc", 1.0, CORNERS), Line("d", 0.6, CORNERS))

    assert mean_confidence(lines) == pytest.approx(0.9)
    assert mean_confidence(()) is None
