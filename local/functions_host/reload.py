"""The host again when a source changes: a parent that watches, and a child that serves.

A child that ends by itself, as over a syntax error, is told and waited for: the next change starts it again. The child
ends with its parent, however that ends, by the end of its standard input.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from watchfiles import Change, DefaultFilter, watch

Changes = Iterable[Iterable[Path]]
"""What changed, again and again; an empty one says that time has passed."""

SETTINGS_FILES = frozenset({"host.json", "local.settings.json"})
OUTPUT_FOLDERS = frozenset({"__pycache__", "build", "dist", "node_modules", "site-packages", "venv", "env"})
LOOK_MILLISECONDS, SETTLED_MILLISECONDS = 500, 100
"""How often the child is looked at, and how long nothing may change before what changed counts."""

END_SECONDS = 60


def is_source(path: Path, root: Path) -> bool:
    """Whether the host has to begin anew for it: a module, host.json or the settings, outside of hidden folders,
    environments and what is built.
    """
    try:
        inside = path.relative_to(root)
    except ValueError:
        return False
    if any(part.startswith(".") or part in OUTPUT_FOLDERS for part in inside.parts[:-1]):
        return False
    return path.suffix == ".py" or (len(inside.parts) == 1 and path.name in SETTINGS_FILES)


def run_with_reload(arguments: Sequence[str], root: Path) -> int:
    """``python -m local ARGUMENTS``, again after each change under ``root``, until SIGINT or SIGTERM.

    ``arguments`` begin with ``host``, the command that has ``--while-stdin``. The exit code is the last child's.
    """
    command = [sys.executable, "-m", "local", *arguments, "--while-stdin"]
    with _set_at_signals() as stop:
        return reloading(command, root, _changes(root.resolve(), stop), stop)


def reloading(
    command: Sequence[str],
    root: Path,
    changes: Changes,
    stop: threading.Event,
    say: Callable[[str], None] | None = None,
) -> int:
    """Runs ``command`` until ``stop`` is set or ``changes`` end. ``say`` tells a line; without it, it is printed."""
    tell = say or _print
    child = _Child(command)
    told = False
    try:
        for changed in changes:
            if stop.is_set():
                break
            first = next((path for path in sorted(changed) if is_source(path, root.resolve())), None)
            if first is not None:
                tell(f"{first.relative_to(root.resolve())} changed: the host begins anew")
                child.end()
                child, told = _Child(command), False
            elif child.code is not None and not told:
                tell(f"The host ended with {child.code}; the next change starts it again")
                told = True
    finally:
        child.end()
    return child.code or 0


class _Child:
    """In the parent's process group, so that a terminal's Ctrl-C and the end of the group reach it."""

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE)

    @property
    def code(self) -> int | None:
        return self._process.poll()

    def end(self) -> None:
        """In order, with SIGTERM; killed where that does not help."""
        if self.code is None:
            self._process.terminate()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()


class _SourceFilter(DefaultFilter):
    def __init__(self, root: Path) -> None:
        super().__init__()
        self._root = root

    def __call__(self, change: Change, path: str) -> bool:
        return is_source(Path(path), self._root)


def _changes(root: Path, stop: threading.Event) -> Iterator[list[Path]]:
    for found in watch(
        root,
        watch_filter=_SourceFilter(root),
        stop_event=stop,
        step=SETTLED_MILLISECONDS,
        rust_timeout=LOOK_MILLISECONDS,
        yield_on_timeout=True,
        raise_interrupt=False,
    ):
        yield [Path(path) for _, path in found]


@contextmanager
def _set_at_signals() -> Iterator[threading.Event]:
    stop = threading.Event()
    handled = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in handled}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _print(line: str) -> None:
    print(line, flush=True)
