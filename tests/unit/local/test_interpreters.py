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


def test_a_word_that_is_no_command_is_wrong_arguments() -> None:
    with pytest.raises(SystemExit) as caught:
        interpreters.main(["bogus"])
    assert caught.value.code == 2


def test_a_version_that_was_named_and_is_not_there_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreters, "find", {"3.11": "python"}.get)
    monkeypatch.setattr(interpreters, "run_tests", lambda *_: True)

    assert interpreters.main(["test", "3.99"]) == 1
    assert interpreters.main(["test", "3.11", "3.99"]) == 1
    assert interpreters.main(["test", "3.11"]) == 0
    assert interpreters.main(["test"]) == 0
    assert interpreters.main([]) == 0


def test_a_failure_and_no_python_at_all_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreters, "find", {"3.11": "python"}.get)
    monkeypatch.setattr(interpreters, "run_tests", lambda *_: False)
    assert interpreters.main(["test"]) == 1

    monkeypatch.setattr(interpreters, "find", {}.get)
    assert interpreters.main(["test"]) == 1
