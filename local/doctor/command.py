"""``python -m local doctor``.

Exit codes: 0 no error was found, 1 errors were, 2 wrong use, 130 Ctrl-C, 141 nobody reads the output any more.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local.client.pipes import until_reader_leaves
from local.doctor.checks import examine
from local.doctor.findings import Severity
from local.doctor.gathering import Place, gather
from local.doctor.hiding import secrets_of
from local.doctor.report import json_report, text_report
from local.settings_file import FILE_NAME
from local.stack_file import read_stack_file

ROOT = Path(__file__).resolve().parents[2]
CLEAN, ERRORS, WRONG_USE = 0, 1, 2
ABOUT = "Looks at settings, host.json, this machine and the services that it can reach, and says what will go wrong."
EXITS = (
    "Exit codes: 0 no error, 1 errors, 2 wrong use, 130 Ctrl-C, 141 nobody reads the output any more."
    " docs/operations.md explains each code."
)

Subparsers = Any  # argparse has no public name for what add_subparsers gives


def add_command(subparsers: Subparsers) -> None:
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "doctor", help="say what will go wrong, and how to mend it", description=ABOUT, epilog=EXITS
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument(
        "--settings", type=Path, metavar="FILE", help=f"settings (default: {FILE_NAME}, and the stack's)"
    )
    parser.add_argument("--script-root", type=Path, default=ROOT, help="folder with host.json (default: this clone)")
    parser.add_argument("--instances", type=_instances, metavar="N", help="function apps that will run (default: 1)")
    parser.add_argument("--offline", action="store_true", help="ask no service")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """The exit code."""
    return until_reader_leaves(lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    root: Path = options.script_root
    for path, missing in (
        (root, not root.is_dir()),
        (options.settings, options.settings and not options.settings.is_file()),
    ):
        if missing:
            print(f"doctor: there is no {path}", file=sys.stderr)
            return WRONG_USE
    place = Place(
        root=root.resolve(),
        settings_file=options.settings or root / FILE_NAME,
        environment=dict(os.environ),
        stack=None if options.settings else read_stack_file(root),
        instances=options.instances,
        offline=options.offline,
    )
    with _without_others_logs():
        gathered = gather(place)
    findings = examine(gathered.facts)
    report = json_report if options.json else text_report
    print(report(findings, gathered.facts, secrets_of(gathered.variables)), flush=True)
    return ERRORS if any(finding.severity is Severity.ERROR for finding in findings) else CLEAN


@contextmanager
def _without_others_logs() -> Iterator[None]:
    """What SDKs log of a service that does not answer is told as a finding, and not as a traceback besides."""
    silent = logging.NullHandler()
    logging.getLogger().addHandler(silent)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(silent)


def _instances(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text) <= 10_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to 10000")
    return int(text)
