"""Runs a module as ``python -m`` does, and ends with the process that started it.

``python -m local.stack_child GRACE IMPORTS MODULE ARGUMENT...``: the modules of IMPORTS, with commas between them, are
imported; then it waits for the first line of the standard input, which is JSON: more ``arguments``, and more of the
``environment``, those that are known late or that no list of processes shall show. Then the input says nothing, and
ends with the process that holds its other end, however that ends: that counts as SIGTERM, and what is left of the
process group when the module ended, or ``GRACE`` seconds later, is killed by :mod:`local.stack_reaper`.
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from importlib import import_module
from pathlib import Path

REAPER = Path(__file__).with_name("stack_reaper.py")


def main() -> None:
    grace, imports, module, *arguments = sys.argv[1:]
    for name in filter(None, imports.split(",")):
        import_module(name)
    line = _first_line()
    if not line:
        return
    hidden = json.loads(line)
    os.environ.update(hidden["environment"])
    threading.Thread(target=_end_with_stdin, args=(grace,), name="stdin", daemon=True).start()
    sys.argv[1:] = [*arguments, *hidden["arguments"]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _first_line() -> bytes:
    """Byte by byte, so that nothing is read ahead of who reads on."""
    line = b""
    while (byte := os.read(0, 1)) not in (b"", b"\n"):
        line += byte
    return line


def _end_with_stdin(grace: str) -> None:
    with suppress(OSError):
        while os.read(0, 4096):
            pass
    with suppress(OSError):
        subprocess.Popen(
            [sys.executable, "-I", "-S", str(REAPER), str(os.getpid()), grace],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
