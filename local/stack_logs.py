"""What the parts print: to a file each, and to the terminal with the part's name before each line."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, TextIO

from local.stack_plan import PARTS

LARGEST_FILE = 20_000_000
"""Bytes of a log, after which it begins anew; the one before is kept beside it."""

COLOURS = {"database": 34, "service_bus": 35, "storage": 36, "host": 32, "worker": 33, "stack": 1}
"""SGR codes of ECMA-48: blue, magenta, cyan, green, yellow, bold."""

_WIDTH = max(len(name) for name in PARTS)


class StackLog:
    """``terminal`` None shows nothing. For any number of threads."""

    def __init__(self, folder: Path, terminal: TextIO | None, *, coloured: bool = False) -> None:
        self.folder = folder
        self._terminal = terminal
        self._coloured = coloured
        self._files: dict[str, IO[str]] = {}
        self._lock = threading.Lock()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def of(self, name: str) -> Callable[[str], None]:
        """What passes on a line of the part ``name``; each stack begins its file anew."""
        with self._lock:
            if name not in self._files:
                self._files[name] = self._opened(name)

        def say(line: str) -> None:
            self._write(name, line)

        return say

    def path(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def close(self) -> None:
        with self._lock:
            for file in self._files.values():
                file.close()

    def _write(self, name: str, line: str) -> None:
        with self._lock, suppress(OSError, ValueError):  # a full disk or a closed terminal stops no part
            if self._terminal is not None:
                self._terminal.write(f"{prefix(name, coloured=self._coloured)} {line}\n")
                self._terminal.flush()
        with self._lock, suppress(OSError, ValueError):
            file = self._files[name]
            if file.tell() > LARGEST_FILE:
                file.close()
                self.path(name).replace(self.folder / f"{name}.1.log")
                file = self._files[name] = self._opened(name)
            file.write(f"{line}\n")
            file.flush()

    def _opened(self, name: str) -> IO[str]:
        return self.path(name).open("w", encoding="utf-8", errors="backslashreplace")


def prefix(name: str, *, coloured: bool) -> str:
    text = f"{name:{_WIDTH}} |"
    return f"\x1b[{COLOURS.get(name, 0)}m{text}\x1b[0m" if coloured else text
