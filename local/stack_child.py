"""Runs a module as ``python -m`` does, and ends with the process that started it.

``python -m local.stack_child MODULE ARGUMENT...``: the first line of the standard input is a JSON list of more
arguments, those that no list of processes shall show. Then the input says nothing, and ends with the process that
holds its other end, however that ends: that counts as SIGTERM, and :data:`GRACE_SECONDS` later as SIGKILL for the whole
process group.
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import sys
import threading
import time
from contextlib import suppress

GRACE_SECONDS = 10.0


def main() -> None:
    module, *arguments = sys.argv[1:]
    hidden = json.loads(_first_line() or "[]")
    threading.Thread(target=_end_with_stdin, name="stdin", daemon=True).start()
    sys.argv[1:] = [*arguments, *hidden]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _first_line() -> bytes:
    """Byte by byte, so that nothing is read ahead of who reads on."""
    line = b""
    while (byte := os.read(0, 1)) not in (b"", b"\n"):
        line += byte
    return line


def _end_with_stdin() -> None:
    with suppress(OSError):
        while os.read(0, 4096):
            pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
