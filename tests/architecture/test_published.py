"""What is published to Azure is what the function app needs, and no more."""

from __future__ import annotations

import subprocess
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PATTERNS = [
    line for line in (ROOT / ".funcignore").read_text("utf-8").splitlines() if line and not line.startswith("#")
]


def left_behind(name: str) -> bool:
    return any(fnmatch(name, pattern) for pattern in PATTERNS)


def test_of_the_tracked_files_only_the_app_is_published() -> None:
    command = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    top = {name.partition("/")[0] for name in listed.split("\0") if name}

    assert {name for name in top if not left_behind(name)} == {
        "core",
        "docker_worker",
        "function_app.py",
        "handlers",
        "host.json",
        "infrastructure",
        "requirements.txt",
        "testing",
    }


@pytest.mark.parametrize(
    "name",
    [".venv", ".venv-3.13", ".models", ".git", ".cache", ".ci", "build", "tests", "benchmarks", "local.settings.json"],
)
def test_what_is_made_or_secret_stays(name: str) -> None:
    assert left_behind(name)
