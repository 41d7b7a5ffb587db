"""Which OCR engine a process reads with."""

from __future__ import annotations

from pathlib import Path

from docker_worker.ocr.languages import PADDLE_LANGUAGES
from docker_worker.ocr.paddle_engine import PaddleEngines
from docker_worker.ocr.scripts import EnginesByScript
from handlers.document.engine import EngineProvider
from infrastructure.settings import Settings
from testing.ocr_engines import ReadsText, always

TEST_TEXT = ("Read by the test engine,", "which looks at nothing.")


def engine_provider(settings: Settings) -> EngineProvider:
    """By ``OCR_ENGINE``: PaddleOCR, whose models are loaded when a page is first read, with Tesseract for what it does
    not read, where that is installed; or the test engine."""
    if settings.ocr_engine == "test":
        return always(ReadsText(TEST_TEXT))
    return EnginesByScript(PaddleEngines(Path(settings.ocr_model_root)), PADDLE_LANGUAGES)
