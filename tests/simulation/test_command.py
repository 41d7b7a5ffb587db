"""The command line: what makes no sense is refused, and an interruption is one line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from testing.simulation.__main__ import main


@pytest.mark.parametrize(
    "arguments",
    [
        ["--seeds", "0"],
        ["--seeds", "-1"],
        ["--seeds=-5"],
        ["--seeds", "many"],
        ["--processes", "0"],
        ["--start=-1"],
        ["--seeds", "5", "--exhaustive"],
    ],
)
def test_arguments_without_sense_are_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        main(arguments)

    assert refused.value.code == 2
    assert "usage: python -m testing.simulation" in capsys.readouterr().err


def test_few_seeds_in_one_process_are_enough(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", "3", "--processes", "1"]) == 0
    assert capsys.readouterr().out.startswith("3 schedules in ")


TALKATIVE = (
    "import testing.simulation.__main__ as m; m.PROGRESS_EVERY = 0; raise SystemExit(m.main(['--seeds', '9999999']))"
)


def test_an_interruption_ends_all_processes_with_one_line() -> None:
    """As a terminal does it: all processes of the group are interrupted at once. Their pipe ends with the last."""
    with subprocess.Popen(
        [sys.executable, "-c", TALKATIVE],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert "schedules" in process.stdout.readline()
        os.killpg(process.pid, signal.SIGINT)
        _, told = process.communicate(timeout=60)

    assert (process.returncode, told) == (128 + signal.SIGINT, "interrupted\n")
