"""Runs a client's command in this process."""

from __future__ import annotations

import argparse
import contextlib
import io

from local.client import add_commands


def run(*arguments: object) -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    parser = argparse.ArgumentParser(prog="python -m local")
    add_commands(parser.add_subparsers(required=True))
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            options = parser.parse_args([str(argument) for argument in arguments])
            code = int(options.run(options))
        except SystemExit as end:
            code = int(end.code or 0)
    return code, out.getvalue(), err.getvalue()
