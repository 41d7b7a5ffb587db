"""``python -m local`` itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_a_python_without_the_packages_is_told_to_set_up() -> None:
    run = subprocess.run(
        [sys.executable, "-S", "-m", "local", "ocr", "scan.pdf"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    assert run.stdout == ""
    assert run.stderr.startswith("local: the package ")
    assert f"is not installed for {sys.executable}; run make setup" in run.stderr
    assert len(run.stderr.splitlines()) == 1
