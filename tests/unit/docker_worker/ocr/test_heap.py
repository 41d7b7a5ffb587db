from __future__ import annotations

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest

from docker_worker.ocr.heap import give_back

ROOT = Path(__file__).resolve().parents[4]

HELD = """
import numpy
from docker_worker.ocr.heap import give_back

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4 // 1024

blocks = [numpy.ones(12_000) for _ in range(1_500)]
last = numpy.ones(12_000)
del blocks
before = resident()
give_back()
print(before - resident())
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="another C library than glibc")
def test_what_was_freed_below_something_that_is_held_goes_back_to_the_system() -> None:
    done = subprocess.run([sys.executable, "-c", HELD], cwd=ROOT, capture_output=True, text=True, check=True)

    assert int(done.stdout) > 100


def test_a_c_library_that_cannot_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def has_none(name: None) -> object:
        return object()

    monkeypatch.setattr(ctypes, "CDLL", has_none)

    give_back()
