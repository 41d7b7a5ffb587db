from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from docker_worker.ocr.paddle_package import class_name, default_cache
from handlers.document.errors import OCR_INSTALL_HINT

ROOT = Path(__file__).resolve().parents[4]


@pytest.mark.parametrize("missing", ["paddleocr", "onnxruntime"])
def test_without_a_package_it_says_what_to_install(missing: str) -> None:
    script = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from docker_worker.ocr.paddle_package import import_paddleocr\n"
        "from core.errors import DependencyMissing\n"
        "try: import_paddleocr(None)\n"
        "except DependencyMissing as error: print(error)\n"
    )

    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == f"{missing} is not installed: {OCR_INSTALL_HINT}"


def test_onnxruntime_is_told_to_send_nothing_before_it_is_imported() -> None:
    script = (
        "import os, sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'onnxruntime':\n"
        "            print(os.environ.get('ORT_DISABLE_TELEMETRY'))\n"
        "            raise SystemExit\n"
        "sys.meta_path.insert(0, Finder())\n"
        "from docker_worker.ocr.paddle_package import import_paddleocr\n"
        "import_paddleocr(None)\n"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ORT_")}

    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "1"


@pytest.mark.parametrize("page", ["README.md", "docker_worker/opencv_contrib_shim/README.md"])
def test_what_it_says_to_install_is_what_the_documents_say(page: str) -> None:
    assert OCR_INSTALL_HINT in (ROOT / page).read_text("utf-8")


def test_the_cache_is_a_folder_of_this_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PaddleX unpickles what it finds there."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    first = default_cache()

    assert first.parent == tmp_path
    assert first.stat().st_mode & 0o077 == 0
    assert default_cache() == first
    first.chmod(0o755)
    assert default_cache() == first
    first.chmod(0o777)
    assert default_cache() != first
    first.rmdir()
    first.symlink_to(tmp_path)
    assert default_cache() != first


def test_a_cache_that_was_made_because_the_usual_one_will_not_do_is_gone_after_the_process(tmp_path: Path) -> None:
    (tmp_path / f"coremachine-paddlex-{os.getuid()}").write_text("in the way")
    script = (
        "from docker_worker.ocr.paddle_package import default_cache\n"
        "folder = default_cache()\n"
        "(folder / 'kept').mkdir()\n"
        "print(folder)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )

    made = Path(done.stdout.strip())
    assert made.parent == tmp_path
    assert [path.name for path in tmp_path.iterdir()] == [f"coremachine-paddlex-{os.getuid()}"]


def test_a_foreign_class_is_named_with_its_module() -> None:
    """OpenCV's only class is ``error``."""
    assert class_name(cv2.error("secret")) == "cv2.error"
    assert class_name(ValueError("secret")) == "ValueError"
