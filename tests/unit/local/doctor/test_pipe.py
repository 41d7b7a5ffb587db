"""``python -m local doctor | head``, with a real process and pipe."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from local.client.errors import READER_GONE

ROOT = Path(__file__).resolve().parents[4]


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_report_whose_reader_has_gone_ends_quietly(form: list[str]) -> None:
    command = [sys.executable, "-m", "local", "doctor", "--offline", *form]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as doctor:
        assert doctor.stdout is not None
        assert doctor.stderr is not None
        doctor.stdout.close()

        assert doctor.stderr.read() == b""
    assert doctor.returncode == READER_GONE
