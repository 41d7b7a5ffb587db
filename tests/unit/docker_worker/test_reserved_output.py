"""Standard output kept for one purpose, in a process of the test's own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]

PRINTS = """
import ctypes, os, subprocess, sys
from docker_worker.reserved_output import reserve_stdin, reserve_stdout
private_in, private_out = reserve_stdin(), reserve_stdout()
print("by Python")
os.write(1, b"by descriptor\\n")
libc = ctypes.CDLL(None)
libc.puts(b"by C")
libc.fflush(None)
subprocess.run(["sh", "-c", "echo by a program; cat"], check=True)
sys.stdout.flush()
os.write(private_out, b"the answer to " + os.read(private_in, 100))
os.write(private_out, str(os.get_inheritable(private_out) or os.get_inheritable(private_in)).encode())
"""


def run(program: str, **more: object) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", program]
    return subprocess.run(command, cwd=ROOT, input=b"the question ", check=True, stderr=subprocess.PIPE, **more)  # type: ignore[call-overload, no-any-return]


def test_only_what_is_meant_for_it_reaches_standard_output() -> None:
    done = run(PRINTS, stdout=subprocess.PIPE)

    assert done.stdout == b"the answer to the question False"
    for printed in (b"by Python", b"by descriptor", b"by C", b"by a program"):
        assert printed in done.stderr


def test_without_standard_error_what_is_printed_goes_nowhere() -> None:
    done = run("import os; os.close(2)\n" + PRINTS, stdout=subprocess.PIPE)

    assert done.stdout == b"the answer to the question False"
