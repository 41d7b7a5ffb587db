from __future__ import annotations

import sys
from pathlib import Path

import pytest

from local import interpreters

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


def place(folder: Path, name: str, script: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
    path.chmod(0o755)
    return path


def test_one_that_does_not_start_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place(tmp_path, f"shims/python{HERE}", "echo 'command not found' >&2; exit 127")
    real = place(tmp_path, f"pyenv/versions/{HERE}.9/bin/python", f'exec "{sys.executable}" "$@"')
    monkeypatch.setenv("PATH", str(tmp_path / "shims"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))

    assert interpreters.find(HERE) == str(real)


def test_python3_of_another_version_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place(tmp_path, "python3", "echo 3.8")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "none"))

    assert interpreters.find("3.12") is None
