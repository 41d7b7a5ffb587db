"""The local host as a child process, for commands that need it for a while."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from local.errors import HostDied
from local.up import READY

STOP_SECONDS = 30


@contextmanager
def child_host(
    script_root: Path, settings_file: Path, environment: Mapping[str, str], host_file: Path | None = None
) -> Iterator[str]:
    """Starts ``python -m local host`` on a free loopback port and gives its base URL; stops it at the end.

    Should this process end without that, the child notices by the end of its standard input, and stops too.

    ``environment`` goes before the inherited one, and both before the settings file. Raises :class:`HostDied` when
    the host does not start.
    """
    files = ["--script-root", str(script_root), "--settings-file", str(settings_file)]
    if host_file is not None:
        files += ["--host-json", str(host_file)]
    process = subprocess.Popen(
        [sys.executable, "-m", "local", "host", "--port", "0", "--grace", "0", "--while-stdin", *files],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        cwd=Path(__file__).resolve().parent.parent,
        env={**os.environ, **environment},
    )
    try:
        yield _url(process)
    finally:
        _stop(process)


def _url(process: subprocess.Popen[str]) -> str:
    output = process.stdout
    if output is None:
        raise HostDied("the host has no output")
    said: deque[str] = deque(maxlen=20)
    for line in output:
        said.append(line.rstrip())
        if line.startswith(READY):
            _drain(output)
            return line.removeprefix(READY).split()[0]
    raise HostDied("the host did not start:\n" + "\n".join(said))


def _drain(output: IO[str]) -> None:
    """Reads on, so that a full pipe never stops the host."""
    threading.Thread(target=deque, args=(output, 0), name="host-output", daemon=True).start()


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdin is not None:
        process.stdin.close()
