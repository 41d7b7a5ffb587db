"""``python -m local.demo`` as a user runs it: a process, the real engine, real files."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from testing.documents import sample_page

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
    assert re.search(r"^Stack       ready in .* s at http://127\.0\.0\.1:\d+; logs in ", done.stdout, re.MULTILINE)
    assert re.search(r"^100%  recognise  completed  1/1$", done.stdout, re.MULTILINE)
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


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not an image")
    (tmp_path / "link.png").symlink_to(tmp_path / "notes.txt")
    done = demo(tmp_path, str(tmp_path / "link.png"))
    assert done.stderr.startswith("demo: UNSUPPORTED_")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every file name is text")
def test_a_name_that_is_not_text_is_no_obstacle(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"scan\xff;.png")
    path.write_bytes(sample_page().png)
    done = demo(tmp_path, "--ocr-engine", "test", str(path))
    assert done.returncode == 0, done.stderr
    assert "Read by the test engine" in done.stdout
    assert (tmp_path / os.fsdecode(b"scan\xff;-0001-overlay.jpg")).exists()


def test_an_output_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    done = demo(tmp_path / "file" / "folder")
    assert done.returncode == 1
    assert re.fullmatch(r"demo: .*: Not a directory\n", done.stderr)


def make_demo(*variables: str) -> str:
    """What ``make demo`` prints; not as a part of the make that may run these tests."""
    outer = {"MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS", "VENV", "PYTHON", "FILE", "DATA"}
    environment = {name: value for name, value in os.environ.items() if name not in outer}
    command = ["make", "demo", *variables]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("name", ['a"b', "a`id`b", "a$(id)b", "$HOME", "-x", "a b", "a'b"])
def test_make_passes_a_name_as_it_is(tmp_path: Path, name: str) -> None:
    (tmp_path / "bin").mkdir()
    fake = tmp_path / "bin" / "python"
    fake.write_text('#!/bin/sh\nprintf "<%s>" "$@"\n')
    fake.chmod(0o755)
    given = [f"FILE={name.replace('$', '$$')}", f"VENV={tmp_path}", f"PYTHON={fake}"]
    assert make_demo(*given) == f"<-m><local.setup><--venv={tmp_path}><-m><local.demo><--><{name}>"


def test_a_venv_with_a_space_and_a_quote_is_one_folder(tmp_path: Path) -> None:
    venv = tmp_path / 'a "b'
    (venv / "bin").mkdir(parents=True)
    fake = venv / "bin" / "python"
    fake.write_text('#!/bin/sh\nprintf "<%s>" "$@"\n')
    fake.chmod(0o755)
    assert make_demo(f"VENV={venv}", "PYTHON=echo") == f"-m local.setup --venv={venv}\n<-m><local.demo>"


def test_sigterm_ends_the_demo_in_order(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "local.demo", "--output", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("Starting ")
            process.send_signal(signal.SIGTERM)
            output, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 143
    assert (output, errors) == ("", "")


def test_models_that_are_not_there_are_named(tmp_path: Path) -> None:
    done = demo(tmp_path, OCR_MODEL_ROOT=str(tmp_path / "nowhere"))
    assert done.returncode == 1
    assert done.stderr.startswith("demo: DEPENDENCY_MISSING: ")
