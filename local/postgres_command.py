"""``python -m local postgres``: a PostgreSQL in the foreground, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from local.arguments import port as a_port
from local.postgres import EmbeddedPostgres
from local.postgres_errors import PostgresError

if TYPE_CHECKING:
    from local.arguments import Commands

LOOK_SECONDS = 0.5

_POSTGRES = "Runs PostgreSQL from the wheel, for this machine alone, and prints its DATABASE_URL."


def add_commands(commands: Commands) -> None:
    parser = commands.add_parser("postgres", help="run PostgreSQL until Ctrl-C", description=_POSTGRES)
    parser.add_argument(
        "--data", type=Path, help="data directory, made where it is absent, and kept (default: one that is removed)"
    )
    parser.add_argument("--port", type=a_port, help="port on loopback; 0 takes a free one (default: a socket alone)")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    return serve(options.data, options.port)


def serve(data: Path | None, port: int | None) -> int:
    """Prints one line, ``DATABASE_URL=...``, when it takes connections. 0 when it was stopped by a signal.

    Raises :class:`local.errors.LocalError` when it does not start, or ends by itself.
    """
    with _signalled() as stop, EmbeddedPostgres(data, port=port) as server:
        if not stop.is_set():
            print(f"DATABASE_URL={shlex.quote(server.uri)}", flush=True)
            kept = f"in {server.data_directory}" if data else "removed at the end"
            print(f"PostgreSQL {server.version}; its data is {kept}; Ctrl-C stops it.", file=sys.stderr)
        while not stop.wait(LOOK_SECONDS):
            if not server.running:
                raise PostgresError(f"PostgreSQL ended by itself:\n{_end_of(server.log)}")
    return 0


@contextmanager
def _signalled() -> Iterator[threading.Event]:
    """Set by the first Ctrl-C or SIGTERM; the second one counts as usual."""
    stop = threading.Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def on_signal(number: int, _frame: object) -> None:
        stop.set()
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, on_signal)
    try:
        yield stop
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _end_of(log: str) -> str:
    return "\n".join(log.splitlines()[-8:])
