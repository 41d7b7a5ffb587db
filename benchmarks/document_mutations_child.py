"""The process in which hostile documents are opened: a line of JSON in, one out, within a limit of memory.

Not to be run by hand: :mod:`benchmarks.document_mutations_run` starts it.
"""

from __future__ import annotations

import gc
import json
import math
import os
import resource
import sys
import time
from pathlib import Path
from typing import IO

from benchmarks.document_bombs import bomb
from benchmarks.document_mutations_change import mutated
from benchmarks.document_mutations_files import valid_files
from core.errors import CoreMachineError
from handlers.document import DocumentLimits
from handlers.document.files import open_document

LIMITS = DocumentLimits()
_MIB = 1024 * 1024


def main() -> None:
    """Arguments: the limit in MiB of what this process may map beyond what it has once it is warm. The answers go to
    the standard output that it was started with, where no library prints: that is sent to the standard error."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    warm = _warm_up()
    allowed = int(sys.argv[1]) * _MIB
    resource.setrlimit(resource.RLIMIT_AS, (warm + allowed, warm + allowed))
    answers.write(json.dumps({"ready": True, "resident_mb": resident_mb()}) + "\n")
    _serve(sys.stdin, answers)


def outcome(data: bytes) -> str:
    """``ok`` for pages that were opened and decoded as promised, a code, or what broke."""
    try:
        with open_document(data, LIMITS) as document:
            for page in document.info.pages:
                _check(document.pixels(page.number).pixels if document.text_layer(page.number) is None else None)
    except CoreMachineError as error:
        return error.code
    except MemoryError:
        return "memory"
    except Exception as error:  # noqa: BLE001 - whatever gets here is what is looked for
        return f"broken: {type(error).__name__}: {error}"[:300]
    return "ok"


def resident_mb() -> float:
    return _status("VmRSS") / 1024


def peak_mb() -> float:
    """The most that was resident since :func:`forget_peak`."""
    return _status("VmHWM") / 1024


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def _serve(questions: IO[str], answers: IO[str]) -> None:
    for line in questions:
        question = json.loads(line)
        if "bomb" in question:
            name, data = question["bomb"], bomb(question["bomb"])
        else:
            name, data = mutated(valid_files(), question["case"], question["seed"])
        answers.write(json.dumps({"name": name}) + "\n")
        gc.collect()
        forget_peak()
        before, started, worked = resident_mb(), time.perf_counter(), time.process_time()
        answer = {"name": name, "outcome": outcome(data), "bytes": len(data)}
        answer |= {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - worked}
        answers.write(json.dumps({**answer, "grown_mb": peak_mb() - before, "peak_mb": peak_mb()}) + "\n")


def _warm_up() -> int:
    """Imports and first uses cost what no document is to be blamed for; bytes that are mapped after them."""
    for data in valid_files().values():
        outcome(data)
    return _status("VmSize") * 1024


def _check(pixels: object) -> None:
    if pixels is None:
        return
    shape, kind = getattr(pixels, "shape", ()), str(getattr(pixels, "dtype", ""))
    if len(shape) != 3 or kind != "uint8" or not 3 <= math.prod(shape) <= 3 * LIMITS.max_page_pixels:
        raise AssertionError(f"pixels of {kind} {shape}")


def _status(field: str) -> int:
    """In KiB (proc_pid_status(5))."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    raise LookupError(field)


if __name__ == "__main__":
    main()
