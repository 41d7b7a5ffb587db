"""The package ``paddleocr``: imported when it is asked for, quietly and offline, with its errors by name.

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
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import DependencyMissing
from handlers.document.errors import OCR_INSTALL_HINT, OcrFailed

if TYPE_CHECKING:
    from collections.abc import Iterator


def import_paddleocr(cache_dir: Path | None) -> Any:
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


class Translation:
    """Turns what PaddleX, OpenCV, numpy and onnxruntime raise into :class:`OcrFailed`; made once they are imported."""

    def __init__(self) -> None:
        # OpenCV's and onnxruntime's errors have trees of their own, right under Exception.
        cv2 = importlib.import_module("cv2")
        native = vars(importlib.import_module("onnxruntime.capi.onnxruntime_pybind11_state")).values()
        onnxruntime = (value for value in native if isinstance(value, type) and issubclass(value, Exception))
        self._foreign: tuple[type[Exception], ...] = (
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

    @contextmanager
    def to_ocr_failed(self, what: str) -> Iterator[None]:
        try:
            yield
        except self._foreign as error:
            raise OcrFailed(f"PaddleOCR could not {what}: {class_name(error)}") from error


def class_name(error: Exception) -> str:
    """With its module where it is not a built-in class: OpenCV's is called ``error``."""
    module, name = type(error).__module__, type(error).__qualname__
    return name if module == "builtins" else f"{module}.{name}"
