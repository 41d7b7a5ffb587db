"""PaddleOCR as an :class:`handlers.document.engine.OcrEngine`. Its networks are loaded when an engine is built, and no
package that computes is imported before.

What is done before and between the networks is here and in the modules beside: the classes that paddleocr has for
whole pages read one on one thread, and each piece of text by itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from docker_worker.ocr.cores import page_threads
from docker_worker.ocr.heap import give_back
from docker_worker.ocr.languages import check_languages
from docker_worker.ocr.networks import load_networks
from docker_worker.ocr.paddle_package import Translation
from handlers.document.engine import EngineChoice, PageText, Quality, Turn

if TYPE_CHECKING:
    from docker_worker.ocr.detection import Box
    from docker_worker.ocr.networks import Networks
    from handlers.document.engine import Page

A = TypeVar("A")
B = TypeVar("B")


class PaddleOcrEngine:
    """Reads with ``networks``, on ``concurrency`` threads of its own that all pages share: one page alone is read on
    all of them.
    """

    def __init__(self, networks: Networks, concurrency: int) -> None:
        import cv2  # noqa: PLC0415

        # Each page has its thread: threads of OpenCV's beside them would only wait for a core.
        cv2.setNumThreads(1)
        self._networks = networks
        self._concurrency = concurrency
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix="ocr")
        self._translation = Translation()

    @property
    def concurrency(self) -> int:
        return self._concurrency

    def turn(self, page: Page) -> Turn:
        from docker_worker.ocr.orientation import page_turn  # noqa: PLC0415

        with self._translation.to_ocr_failed("tell how the page is turned"):
            return self._threads.submit(page_turn, page, self._networks.classify).result()

    def read(self, page: Page) -> PageText:
        from docker_worker.ocr.detection import text_boxes  # noqa: PLC0415
        from docker_worker.ocr.recognition import read_boxes  # noqa: PLC0415

        with self._translation.to_ocr_failed("read the page"):
            boxes = sorted(text_boxes(page, self._networks.detect, self._run), key=_height_and_side)
            self._networks.give_back()  # what detection took, before recognition takes as much again
            lines = read_boxes(page, boxes, self._networks, self._run)
            self._networks.give_back()
        give_back()
        return PageText(
            lines=tuple(lines),
            width=int(page.shape[1]),
            height=int(page.shape[0]),
            angle=0.0,
            engine=self._networks.engine,
            models=self._networks.models,
            pieces=len(boxes),
        )

    def _run(self, function: Callable[[A], B], items: Iterable[A]) -> Iterable[B]:
        return self._threads.map(function, items)


def _height_and_side(box: Box) -> tuple[float, float]:
    left, top = box.mean(axis=0)
    return float(top), float(left)


class PaddleEngines:
    """The engines of this process, one a quality, each built when it is first asked for.

    ``model_root`` holds the models as ``docker_worker.models`` lays them out. ``cache_dir`` is a writable folder for
    PaddleX's own files (default: :func:`docker_worker.ocr.paddle_package.default_cache`). PaddleX asks for it once a
    process, so the first engine's counts, and an operator's ``PADDLE_PDX_CACHE_HOME`` before it.
    """

    def __init__(self, model_root: Path, cache_dir: Path | None = None, concurrency: int | None = None) -> None:
        self._model_root = model_root
        self._cache_dir = cache_dir
        self._concurrency = concurrency
        self._lock = threading.Lock()
        self._engines: dict[Quality, PaddleOcrEngine] = {}

    def __call__(self, choice: EngineChoice) -> PaddleOcrEngine:
        """Raises :class:`handlers.document.errors.LanguageNotSupported`; and what
        :func:`docker_worker.ocr.networks.load_networks` does, each time anew.
        """
        check_languages(choice.languages)
        with self._lock:
            engine = self._engines.get(choice.quality)
            if engine is None:
                engine = self._engines[choice.quality] = self._build(choice.quality)
            return engine

    def _build(self, quality: Quality) -> PaddleOcrEngine:
        networks = load_networks(self._model_root, quality, self._cache_dir)
        return PaddleOcrEngine(networks, self._concurrency or page_threads())
