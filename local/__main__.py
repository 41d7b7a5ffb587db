"""The command line: ``python -m local COMMAND``.

Exit codes: 0 it ran and stopped in order (Ctrl-C and SIGTERM are how one stops it, so they count as such), 1 it could
not start or a function had to be cut off, 2 wrong arguments, 130 Ctrl-C before it was ready.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from local.errors import LocalError
from local.functions_host.server import DEFAULT_GRACE_SECONDS, LOOPBACK
from local.postgres_command import serve
from local.up import UpOptions, end_process, up

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except LocalError as error:
        print(f"local: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local", description="CoreMachine on this machine.")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_up(commands.add_parser("up", help="serve the function app until Ctrl-C", description=_UP))
    _add_postgres(commands.add_parser("postgres", help="run PostgreSQL until Ctrl-C", description=_POSTGRES))
    return parser


_UP = "Serves the HTTP functions of the app as Azure does, with the values of local.settings.json."
_POSTGRES = "Runs PostgreSQL from the wheel, for this machine alone, and prints its DATABASE_URL."


def _add_up(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--port", type=_port, help="port to listen on; 0 takes a free one (default: LocalHttpPort, or 7071)"
    )
    parser.add_argument("--address", default=LOOPBACK, help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--script-root", type=Path, default=Path(), help="folder with function_app.py (default: the current one)"
    )
    parser.add_argument("--host-json", type=Path, help="host file (default: host.json in the script root)")
    parser.add_argument(
        "--settings-file", type=Path, help="settings file (default: local.settings.json, made if absent)"
    )
    parser.add_argument(
        "--enable-auth", action="store_true", help="ask for function keys; they are asked for anyway when there are any"
    )
    parser.add_argument(
        "--grace",
        type=_seconds,
        default=DEFAULT_GRACE_SECONDS,
        metavar="SECONDS",
        help="how long requests in progress may take at the end (default: %(default)s)",
    )
    parser.add_argument("--while-stdin", action="store_true", help="stop when the standard input ends")
    parser.set_defaults(run=_run_up)


def _run_up(options: argparse.Namespace) -> int:
    return up(
        UpOptions(
            script_root=options.script_root,
            host_file=options.host_json,
            settings_file=options.settings_file,
            address=options.address,
            port=options.port,
            enable_auth=options.enable_auth,
            grace_seconds=options.grace,
            while_stdin=options.while_stdin,
        )
    )


def _add_postgres(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", type=Path, help="data directory, made where it is absent, and kept (default: one that is removed)"
    )
    parser.add_argument("--port", type=_port, help="port on loopback; 0 takes a free one (default: a socket alone)")
    parser.set_defaults(run=lambda options: serve(options.data, options.port))


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 0 to 65535")
    return int(text)


def _seconds(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of seconds")
    return int(text)


if __name__ == "__main__":
    end_process(main())
