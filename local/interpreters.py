"""``python -m local.interpreters``: list the supported Pythons of this machine, or run the tests on each.

``python -m local.interpreters test [3.13 ...]`` makes ``.venv-3.13`` and runs the tests in it; ``setup`` in the place
of ``test`` makes it alone. Exit codes: 0 all passed, 1 tests or a set-up failed or a version that was named is not
there (without names, that not one is), 2 wrong arguments.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from local.environment import ROOT, interpreter

SUPPORTED = ("3.11", "3.12", "3.13")
IN_TWO_PROCESSES = ("-n", "2")
"""As ``make test`` has it; of two such arguments pytest heeds the last."""


def find(version: str) -> str | None:
    """The path of a Python of this minor version that starts, from PATH or from pyenv's folder; None without one."""
    return next((path for path in _candidates(version) if _version_of(path) == version), None)


def _candidates(version: str) -> list[str]:
    on_path = [path for name in (f"python{version}", "python3") if (path := shutil.which(name))]
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path("~/.pyenv").expanduser()) / "versions"
    return [*on_path, *(str(path) for path in sorted(pyenv.glob(f"{version}.*/bin/python"), reverse=True))]


def _version_of(path: str) -> str | None:
    """``major.minor``; None where it does not start, as pyenv's stand-ins for a version not chosen."""
    asked = [path, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, timeout=30, check=False)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def set_up(version: str, path: str) -> bool:
    """Whether there is an environment of this Python, made now or before."""
    print(f"environment of Python {version}, {path}", flush=True)
    return _passed([path, "-m", "local.setup", "--venv", _venv(version)])


def run_tests(version: str, path: str, arguments: Sequence[str] = ()) -> bool:
    """Whether setup and the tests passed on this Python. ``arguments`` are pytest's."""
    python = str(interpreter(ROOT / _venv(version)))
    return set_up(version, path) and _passed([python, "-m", "pytest", *IN_TWO_PROCESSES, *arguments])


def _venv(version: str) -> str:
    return f".venv-{version}"


def _passed(command: Sequence[str]) -> bool:
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def main(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    found = {version: path for version in options.versions or SUPPORTED if (path := find(version))}
    missing = [version for version in options.versions or SUPPORTED if version not in found]
    for version in options.versions or SUPPORTED:
        print(f"Python {version}: {found.get(version, 'not found')}", flush=True)
    if options.command == "list":
        return 0
    run = partial(run_tests, arguments=options.pytest_args) if options.command == "test" else set_up
    failed = [version for version, path in found.items() if not run(version, path)]
    if failed:
        print(f"{options.command} failed on Python {', '.join(failed)}", file=sys.stderr)
    return 1 if failed or not found or (options.versions and missing) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local.interpreters", description="The Pythons of this machine.")
    parser.add_argument("command", nargs="?", choices=("list", "setup", "test"), default="list", help="default: list")
    parser.add_argument("versions", nargs="*", metavar="VERSION", help=f"default: {', '.join(SUPPORTED)}")
    parser.add_argument("--pytest-args", type=shlex.split, default="", help="passed on, split as a shell does")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
