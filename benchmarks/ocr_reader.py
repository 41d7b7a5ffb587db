"""The process that reads pages for the benchmark as the pipeline does: open, look for a text layer, decode, read whole.

``python -m benchmarks.ocr_reader --quality accurate --models DIR``. A request is a line of JSON on standard input,
``{"id": 1, "path": "…", "page": 1}``; the answer is a line on standard output, ``{"id", "text", "words": [[text,
[8 numbers in the page's unit]]], "seconds"}``, in the order in which pages are done. ``{"id": 0}`` is answered with
``"engine"`` and ``"concurrency"``. As many pages are read at once as the engine reads. It ends at the end of its input.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any, TextIO

from core.errors import CoreMachineError
from docker_worker.models import DEFAULT_ROOT
from docker_worker.ocr.languages import PADDLE_LANGUAGES
from docker_worker.ocr.paddle_engine import PaddleEngines
from docker_worker.ocr.scripts import EnginesByScript
from handlers.document.engine import EngineChoice, OcrEngine, Quality
from handlers.document.files import PagePixels, open_document
from handlers.document.limits import DocumentLimits
from handlers.document.pdf.pdfium import reader
from handlers.document.reading import ReadingOptions
from handlers.document.reading.whole import read_whole
from handlers.document.records import PageRecord, layer_record, page_record

PACKAGES = ("paddleocr", "paddlex", "onnxruntime", "opencv-python-headless", "numpy", "pillow", "pypdfium2")


def read_path(engine: OcrEngine, path: Path, number: int) -> PageRecord:
    """A page's record, as a job would store it."""
    with open_document(path.read_bytes(), DocumentLimits()) as file:
        layer = file.text_layer(number)
        if layer is not None:
            return layer_record(number, layer, reader())
        page: PagePixels = file.pixels(number)
    return page_record(number, read_whole(engine, page.pixels, ReadingOptions(), page.dpi), page)


def versions() -> dict[str, str]:
    return {"python": sys.version.split()[0]} | {package: version(package) for package in PACKAGES}


def _answer(engine: OcrEngine, request: dict[str, Any]) -> dict[str, object]:
    if not request["id"]:
        return {"id": 0, "versions": versions(), "concurrency": engine.concurrency}
    started = time.perf_counter()
    try:
        record = read_path(engine, Path(request["path"]), request["page"])
    except CoreMachineError as error:
        return {"id": request["id"], "error": f"{error.code}: {error}"}
    words = [[word.text, word.polygon] for line in record.lines for word in line.words]
    seconds = time.perf_counter() - started
    return {"id": request["id"], "text": record.text, "words": words, "seconds": seconds}


def serve(engine: OcrEngine, requests: Iterator[str], out: TextIO) -> None:
    lock = threading.Lock()

    def do(line: str) -> None:
        said = json.dumps(_answer(engine, json.loads(line)))
        with lock:
            print(said, file=out, flush=True)

    with ThreadPoolExecutor(engine.concurrency) as pool:
        for done in [pool.submit(do, line) for line in requests]:
            done.result()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quality", type=Quality, choices=list(Quality), default=Quality.ACCURATE)
    options.add_argument("--models", type=Path, default=DEFAULT_ROOT)
    chosen = options.parse_args()
    # What a library prints belongs to standard error; the answers have the descriptor to themselves.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        engine = EnginesByScript(PaddleEngines(chosen.models), PADDLE_LANGUAGES)(EngineChoice(chosen.quality))
    except CoreMachineError as error:
        print(json.dumps({"id": -1, "error": str(error)}), file=out, flush=True)
        return
    serve(engine, iter(sys.stdin), out)


if __name__ == "__main__":
    main()
