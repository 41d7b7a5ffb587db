from __future__ import annotations

import subprocess
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
    monkeypatch.setattr(interpreters, "run_tests", lambda *_, arguments: True)

    assert interpreters.main(["test", "3.99"]) == 1
    assert interpreters.main(["test", "3.11", "3.99"]) == 1
    assert interpreters.main(["test", "3.11"]) == 0
    assert interpreters.main(["test"]) == 0
    assert interpreters.main([]) == 0


def test_a_failure_and_no_python_at_all_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreters, "find", {"3.11": "python"}.get)
    monkeypatch.setattr(interpreters, "run_tests", lambda *_, arguments: False)
    assert interpreters.main(["test"]) == 1

    monkeypatch.setattr(interpreters, "find", {}.get)
    assert interpreters.main(["test"]) == 1


def recorded(monkeypatch: pytest.MonkeyPatch, *codes: int) -> list[list[str]]:
    """The commands that are run, which end with ``codes`` one after the other, and then with 0."""
    commands: list[list[str]] = []
    left = iter(codes)

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        commands.append([str(part) for part in command])
        return subprocess.CompletedProcess(command, next(left, 0))

    monkeypatch.setattr("subprocess.run", run)
    monkeypatch.setattr(interpreters, "find", {"3.11": "python"}.get)
    return commands


def test_the_tests_run_in_two_processes_unless_the_arguments_say_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    commands = recorded(monkeypatch)

    assert interpreters.main(["test", "3.11", "--pytest-args=-n0 -k 'a or b'"]) == 0

    made, tested = commands
    assert made == ["python", "-m", "local.setup", "--venv", ".venv-3.11"]
    assert tested[1:] == ["-m", "pytest", "-n", "2", "-n0", "-k", "a or b"]


def test_setup_makes_the_environment_and_runs_no_test(monkeypatch: pytest.MonkeyPatch) -> None:
    commands = recorded(monkeypatch)

    assert interpreters.main(["setup", "3.11"]) == 0

    assert [command[1:3] for command in commands] == [["-m", "local.setup"]]


@pytest.mark.parametrize("command", ["setup", "test"])
def test_where_the_environment_cannot_be_made_it_fails_and_no_test_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    commands = recorded(monkeypatch, 1)

    assert interpreters.main([command, "3.11"]) == 1

    assert len(commands) == 1
    assert f"{command} failed on Python 3.11" in capsys.readouterr().err
