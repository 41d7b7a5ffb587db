"""``python -m local host``: the function app alone, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from local.arguments import port, whole_seconds
from local.functions_host.reload import run_with_reload
from local.functions_host.server import DEFAULT_GRACE_SECONDS, LOOPBACK
from local.up import UpOptions, stop_at_end_of_stdin, up

if TYPE_CHECKING:
    from local.arguments import Commands

_HOST = "Runs the functions of the app as Azure does, with the values of local.settings.json."


def add_commands(commands: Commands) -> None:
    parser = commands.add_parser("host", help="serve the function app alone until Ctrl-C", description=_HOST)
    parser.add_argument(
        "--port", type=port, help="port to listen on; 0 takes a free one (default: LocalHttpPort, or 7071)"
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
        type=whole_seconds,
        default=DEFAULT_GRACE_SECONDS,
        metavar="SECONDS",
        help="how long requests in progress may take at the end (default: %(default)s)",
    )
    parser.add_argument("--while-stdin", action="store_true", help="stop when the standard input ends")
    parser.add_argument("--reload", action="store_true", help="begin anew when a source changes")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    if options.reload:
        if options.while_stdin:
            stop_at_end_of_stdin()
        return run_with_reload(_without_reload(options), options.script_root)
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


def _without_reload(options: argparse.Namespace) -> list[str]:
    given = {
        "--port": options.port,
        "--address": options.address,
        "--script-root": options.script_root,
        "--host-json": options.host_json,
        "--settings-file": options.settings_file,
        "--grace": options.grace,
    }
    named = [part for name, value in given.items() if value is not None for part in (name, str(value))]
    return ["host", *named, *(["--enable-auth"] if options.enable_auth else [])]
