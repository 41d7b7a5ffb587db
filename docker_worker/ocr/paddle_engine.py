"""PaddleOCR on onnxruntime. The only module that imports ``paddleocr``, when an engine is built and not before.

PaddleX and onnxruntime read settings from the environment when they are imported, so these are set there too.
PaddleX looks for the distribution ``opencv-contrib-python``: docker_worker/opencv_contrib_shim stands in for it and
brings the headless build. It is not part of docker_worker/requirements.txt; ``OCR_INSTALL_HINT`` names both.
"""

from __future__ import annotations

import atexit
import importlib
import logging
import os
import shutil
import stat
import tempfile
import threading
from collections.abc import Callable
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import DependencyMissing
from docker_worker.models import model_dir
from docker_worker.ocr.paddle_result import Origin, better_reading, page_text_of, turned_in_doubt
from handlers.document.engine import EngineChoice, PageText, Quality, Turn
from handlers.document.errors import OCR_INSTALL_HINT, OcrFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from handlers.document.engine import Page

ORIENTATION_MODEL = "PP-LCNet_x1_0_doc_ori"
MODEL_SIZES = {Quality.ACCURATE: "small", Quality.FAST: "tiny"}

DETECTION_SIDE = 1280
"""The longer side of what detection sees, in pixels. Without a limit a 12-megapixel photo takes 2 to 5 GB."""

CLASSIFIED_ASPECT = 50
"""The longest side over the shortest up to which a page's orientation is looked for. The classifier's page is first
scaled to 256 pixels on its shorter side, which makes 6 GB of a strip of 30,000 pixels."""


class PaddleOcrEngine:
    """:class:`handlers.document.engine.OcrEngine` by PaddleOCR: page orientation, detection, recognition.

    ``model_root`` holds the models as ``docker_worker.models`` lays them out. ``cache_dir`` is a writable
    folder for PaddleX's own files (default: :func:`default_cache`). PaddleX asks for it once a process, so
    the first engine's counts, and an operator's ``PADDLE_PDX_CACHE_HOME`` before it. A page that is turned upright
    and then read badly is read again as it came, and the better reading kept. One page is read at a time, on one
    thread; a process that does nothing else takes 0.6 (fast) to 0.8 GB (accurate) at its peak.
    """

    def __init__(self, model_root: Path, quality: Quality = Quality.ACCURATE, cache_dir: Path | None = None) -> None:
        """Load the models, which takes seconds.

        Raises :class:`core.errors.DependencyMissing` where a package or model is not installed, and
        :class:`OcrFailed` where the engine cannot be built from them.
        """
        size = MODEL_SIZES[quality]
        names = (f"PP-OCRv6_{size}_det", f"PP-OCRv6_{size}_rec", ORIENTATION_MODEL)
        detection, recognition, orientation = (model_dir(model_root, name) for name in names)
        paddleocr = _import_paddleocr(cache_dir)
        self._lock = threading.Lock()
        self._foreign_errors = _foreign_errors()
        self._engine = f"paddleocr {paddleocr.__version__}"
        self._models = names
        with self._translated("be built"):
            self._pipeline = paddleocr.PaddleOCR(
                engine="onnxruntime",
                device="cpu",
                engine_config={"intra_op_num_threads": 1, "inter_op_num_threads": 1, "enable_cpu_mem_arena": False},
                text_detection_model_name=names[0],
                text_detection_model_dir=str(detection),
                text_recognition_model_name=names[1],
                text_recognition_model_dir=str(recognition),
                doc_orientation_classify_model_name=names[2],
                doc_orientation_classify_model_dir=str(orientation),
                use_doc_orientation_classify=True,
                use_doc_unwarping=False,
                use_textline_orientation=False,
                text_det_limit_type="max",
                text_det_limit_side_len=DETECTION_SIDE,
                text_recognition_batch_size=1,
                return_word_box=True,
            )

    concurrency = 1

    def turn(self, page: Page) -> Turn:
        """Reading turns the page itself."""
        return Turn(0, 0.0)

    def read(self, page: Page) -> PageText:
        height, width = int(page.shape[0]), int(page.shape[1])
        if max(height, width) > CLASSIFIED_ASPECT * min(height, width):
            return self._read(page, classify=False)
        turned = self._read(page, classify=True)
        if not turned_in_doubt(turned):
            return turned
        return better_reading(turned, self._read(page, classify=False))

    def _read(self, page: Page, *, classify: bool) -> PageText:
        height, width = int(page.shape[0]), int(page.shape[1])
        with self._lock, self._translated("read the page"):
            results = self._pipeline.predict(page, use_doc_orientation_classify=classify)
        return page_text_of(results, Origin(width, height, self._engine, self._models), classified=classify)

    @contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        try:
            yield
        except self._foreign_errors as error:
            raise OcrFailed(f"PaddleOCR could not {what}: {_class_name(error)}") from error


class PaddleEngines:
    """The engines of this process, one a quality, each built when it is first asked for.

    They read whatever language they can, and are not asked which.
    """

    def __init__(self, model_root: Path, cache_dir: Path | None = None) -> None:
        self._build: Callable[[Quality], PaddleOcrEngine] = lambda quality: PaddleOcrEngine(
            model_root, quality, cache_dir
        )
        self._lock = threading.Lock()
        self._engines: dict[Quality, PaddleOcrEngine] = {}

    def __call__(self, choice: EngineChoice) -> PaddleOcrEngine:
        """Raises as :class:`PaddleOcrEngine` does, each time anew."""
        quality = choice.quality
        with self._lock:
            engine = self._engines.get(quality)
            if engine is None:
                engine = self._engines[quality] = self._build(quality)
            return engine


def default_cache() -> Path:
    """A folder of this user's own under the system's temporary one.

    PaddleX unpickles files from its cache, so a folder that others could have made or may write to is not
    used; then it is a fresh one, which is removed when the process exits.
    """
    if hasattr(os, "getuid"):
        folder = Path(tempfile.gettempdir()) / f"coremachine-paddlex-{os.getuid()}"
        with suppress(OSError):
            folder.mkdir(mode=0o700, exist_ok=True)
            status = folder.lstat()
            if stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o022:
                return folder
    fresh = Path(tempfile.mkdtemp(prefix="coremachine-paddlex-"))
    atexit.register(shutil.rmtree, fresh, ignore_errors=True)
    return fresh


def _import_paddleocr(cache_dir: Path | None) -> Any:
    """The package, quiet, offline, and with its files in ``cache_dir``. Raises :class:`DependencyMissing`."""
    # onnxruntime looks up its maker's host and writes to the temporary folder as soon as it is imported.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    os.environ["PADDLE_PDX_DISABLE_MODEL_SOURCE_CHECK"] = "True"
    if "PADDLE_PDX_CACHE_HOME" not in os.environ:
        os.environ["PADDLE_PDX_CACHE_HOME"] = str(cache_dir or default_cache())
    try:
        importlib.import_module("onnxruntime")
        package = importlib.import_module("paddleocr")
    except ImportError as error:
        raise DependencyMissing(f"{error.name or 'paddleocr'} is not installed: {OCR_INSTALL_HINT}") from error
    for name in ("paddlex", "paddleocr"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return package


def _class_name(error: Exception) -> str:
    """With its module where it is not a built-in class: OpenCV's is called ``error``."""
    module, name = type(error).__module__, type(error).__qualname__
    return name if module == "builtins" else f"{module}.{name}"


def _foreign_errors() -> tuple[type[Exception], ...]:
    """What PaddleX, OpenCV and onnxruntime raise. The last two have trees of their own, right under Exception."""
    cv2 = importlib.import_module("cv2")
    native = importlib.import_module("onnxruntime.capi.onnxruntime_pybind11_state")
    onnxruntime = (value for value in vars(native).values() if isinstance(value, type) and issubclass(value, Exception))
    return (
        ArithmeticError,
        AssertionError,
        AttributeError,
        LookupError,
        OSError,
        RuntimeError,
        TypeError,
        ValueError,
        cv2.error,
        *onnxruntime,
    )
