"""``python -m local.demo`` as a user runs it: a process, the real engine, real files."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def demo(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "local.demo", "--output", str(folder), *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **environment},
        timeout=300,
        check=False,
    )


def test_the_demo_reads_its_sample_page_and_leaves_a_picture(tmp_path: Path) -> None:
    done = demo(tmp_path)
    assert done.returncode == 0, done.stderr
    found = re.search(r"Accuracy    (\d+) of (\d+) characters", done.stdout)
    assert found is not None
    assert int(found[1]) / int(found[2]) <= 0.015
    assert re.search(r"^Confidence  \d", done.stdout, re.MULTILINE)
    assert re.search(r"^Time        inspect .* s, recognise .* s, assemble .* s", done.stdout, re.MULTILINE)
    picture = tmp_path / "page-0001-overlay.jpg"
    assert f"Picture     {picture}" in done.stdout
    assert picture.read_bytes().startswith(b"\xff\xd8")


def test_a_file_that_is_not_a_document_is_refused_with_its_code(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not an image")
    done = demo(tmp_path, str(tmp_path / "notes.txt"))
    assert done.returncode == 1
    assert re.fullmatch(r"demo: [A-Z_]+: .+\n", done.stderr)


@pytest.mark.parametrize(("name", "line"), [("absent.png", "there is no file"), (".", "is not a file")])
def test_a_file_that_is_not_there_is_one_line(tmp_path: Path, name: str, line: str) -> None:
    done = demo(tmp_path, str(tmp_path / name))
    assert done.returncode == 1
    assert line in done.stderr
    assert done.stderr.count("\n") == 1


def test_models_that_are_not_there_are_named(tmp_path: Path) -> None:
    done = demo(tmp_path, OCR_MODEL_ROOT=str(tmp_path / "nowhere"))
    assert done.returncode == 1
    assert done.stderr.startswith("demo: DEPENDENCY_MISSING: ")
