"""The command line: ``python -m local COMMAND``.

Exit codes: 0 it ran and stopped in order (Ctrl-C and SIGTERM are how one stops it, so they count as such), 1 it could
not start or something had to be cut off, 2 wrong arguments, 130 Ctrl-C and 143 SIGTERM before it was ready; the
clients' commands and the doctor have more, which their help tells.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType

from local.ending import end_process
from local.errors import LocalError, NotSetUp

ROOT = Path(__file__).resolve().parent.parent
INTERRUPTED = 130

COMMANDS = {
    "up": "local.stack_command",
    "env": "local.stack_command",
    "host": "local.host_command",
    "postgres": "local.postgres_command",
    "doctor": "local.doctor",
    "portal": "local.client",
    **dict.fromkeys(
        ("ocr", "jobs", "events", "submit", "cancel", "pause", "resume", "resubmit", "replay", "dead-letters"),
        "local.client",
    ),
}
"""The module of each command, imported only where it is asked for: each has ``add_commands(subparsers)``."""


def main(arguments: Sequence[str] | None = None) -> int:
    given = sys.argv[1:] if arguments is None else arguments
    try:
        options = _parser(given).parse_args(given)
        return int(options.run(options))
    except LocalError as error:
        print(f"local: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED


def _parser(given: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local", description="CoreMachine on this machine.")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    asked = COMMANDS.get(given[0]) if given else None
    for module in dict.fromkeys(COMMANDS.values()) if asked is None else [asked]:
        _imported(module).add_commands(commands)
    return parser


def _imported(module: str) -> ModuleType:
    """Raises :class:`NotSetUp` where a package is missing: whoever has just cloned runs the system's Python."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or (ROOT / error.name.partition(".")[0]).is_dir():
            raise
        raise NotSetUp(
            f"the package {error.name} is not installed for {sys.executable}; run make setup, "
            "and then what it made: .venv/bin/python -m local"
        ) from error


if __name__ == "__main__":
    end_process(main())
