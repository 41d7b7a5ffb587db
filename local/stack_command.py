"""``python -m local up``: the stack in the foreground, until Ctrl-C or SIGTERM; ``python -m local env``: its settings.

The first Ctrl-C ends the parts in order, a second one at once.
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

from local.arguments import port
from local.errors import SettingsInvalid
from local.postgres import LOOPBACK
from local.settings_file import EXAMPLE_NAME, FILE_NAME, create_settings_file, read_settings_file
from local.stack import LOGS, Stack, StackOptions, own_settings_file
from local.stack_data import default_data
from local.stack_errors import StackError
from local.stack_file import read_stack_file
from local.stack_plan import PARTS, PartName, parse_parts
from local.stack_process import ROOT
from local.stack_table import Row, welcome

if TYPE_CHECKING:
    from local.arguments import Commands

LOOK_SECONDS = 0.2
CUT_OFF = 1

_UP = """Runs the whole stack on this machine: PostgreSQL, a Service Bus emulator, Azurite, the Functions host and the
worker. A service that the environment or local.settings.json names (DATABASE_URL, SERVICE_BUS_CONNECTION,
AZURE_STORAGE_CONNECTION_STRING) is used instead of one that is started."""
_ENV = 'Prints the settings of the running stack for a shell: eval "$(python -m local env)", then func start.'


def add_commands(commands: Commands) -> None:
    _add_up(commands.add_parser("up", help="run the whole stack until Ctrl-C", description=_UP))
    env = commands.add_parser("env", help="print the settings of the running stack", description=_ENV)
    env.set_defaults(run=_run_env)


def _add_up(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=port, help="the host's; 0 takes a free one (default: LocalHttpPort, or 7071)")
    parser.add_argument("--address", default=LOOPBACK, help="address of the host (default: %(default)s)")
    parser.add_argument("--data", type=Path, help="folder of what is kept (default: one of this clone, which is shown)")
    parser.add_argument("--fresh", action="store_true", help="throw away what was kept there")
    parser.add_argument("--only", type=_parts, metavar="PART,...", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--no-worker", action="store_true", help="without the worker")
    parser.add_argument("--ocr-engine", choices=("paddle", "test"), help="test reads a fixed text at once")
    parser.add_argument("--enable-auth", action="store_true", help="ask for function keys")
    parser.add_argument("--reload", action="store_true", help="the host begins anew when a source changes")
    parser.add_argument("--no-restart", action="store_true", help="end when a part ends, instead of starting it again")
    parser.add_argument(
        "--settings-file", type=Path, help="settings file (default: local.settings.json, made if absent)"
    )
    parser.set_defaults(run=_run_up)


def _run_up(options: argparse.Namespace) -> int:
    return serve(_stack_options(options))


def serve(options: StackOptions) -> int:
    """0 when every part ended in order, 1 when one had to be cut off, 128 and its number for a signal at the start.

    Raises :class:`local.errors.LocalError` where it does not start, or a part ended that is not started again.
    """
    begun = time.monotonic()
    stack = Stack(options)
    with _signalled(stack) as received:
        try:
            stack.start()
            if is_ready := not received:
                _say_ready(stack, time.monotonic() - begun)
            _wait(stack, received)
            _say("Stopping in order; Ctrl-C again ends everything at once ...")
        finally:
            late = stack.stop()
    if not is_ready:
        return 128 + received[0]
    _say(f"Stopped; cut off: {', '.join(late)}" if late else "Stopped.")
    return CUT_OFF if late else 0


def _wait(stack: Stack, received: list[int]) -> None:
    """Until a signal. Raises what ended a part for good."""
    pause = threading.Event()
    while not received:
        if (failure := stack.failure) is not None:
            raise failure
        pause.wait(LOOK_SECONDS)


@contextmanager
def _signalled(stack: Stack) -> Iterator[list[int]]:
    """Gets the number of the first Ctrl-C or SIGTERM; from the second one on the parts are killed.

    By a thread of its own: the main thread may hold a lock, of which it asks for another one in its signal's handler.
    """
    received: list[int] = []
    again: SimpleQueue[bool] = SimpleQueue()

    def on_signal(number: int, _frame: object) -> None:
        received.append(number)
        if len(received) == 1:
            stack.ask_to_stop()
        else:
            again.put(True)

    def kill() -> None:
        while again.get():
            stack.kill_all()

    killer = threading.Thread(target=kill, name="second-signal", daemon=True)
    killer.start()
    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
        again.put(False)
        killer.join()


def _stack_options(options: argparse.Namespace) -> StackOptions:
    file = _settings_file(options.settings_file)
    own_port = read_settings_file(file).port
    return StackOptions(
        data=options.data or default_data(ROOT, os.environ),
        fresh=options.fresh,
        port=own_port if options.port is None else options.port,
        address=options.address,
        enable_auth=options.enable_auth,
        reload=options.reload,
        only=options.only,
        without=frozenset[PartName](["worker"] if options.no_worker else []),
        ocr_engine=options.ocr_engine,
        restart=not options.no_restart,
        announced=True,
        settings_file=file,
        terminal=sys.stdout,
        coloured=sys.stdout.isatty() and not os.environ.get("NO_COLOR"),
    )


def _settings_file(named: Path | None) -> Path:
    if named is not None:
        if not named.is_file():
            raise SettingsInvalid(f"there is no {named}")
        return named.resolve()
    if create_settings_file(ROOT):
        _say(f"Created {FILE_NAME} from {EXAMPLE_NAME}: it is yours to change, and not in git.")
    return own_settings_file()


def _rows(stack: Stack) -> list[Row]:
    def row(name: PartName) -> Row:
        if name in stack.parts:
            part = stack.parts[name]
            return Row(name, part.pid, part.address, str(LOGS / f"{name}.log"))
        return Row(name, 0, f"named by {stack.plan.outside[name]}")

    return [row(name) for name in PARTS if name in stack.parts or name in stack.plan.outside]


def _say_ready(stack: Stack, seconds: float) -> None:
    _say(welcome(_rows(stack), stack.url, key=bool(stack.key), data=str(stack.data.path), seconds=seconds))


def _run_env(_: argparse.Namespace) -> int:
    """Raises :class:`StackError` where no stack runs."""
    running = read_stack_file(ROOT)
    if running is None:
        raise StackError("no stack runs in this clone; 'python -m local up' starts one")
    for name, value in sorted(running.settings.items()):
        print(f"export {name}={shlex.quote(value)}")
    return 0


def _say(text: str) -> None:
    print(text, flush=True)


def _parts(text: str) -> tuple[PartName, ...]:
    try:
        return parse_parts(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
