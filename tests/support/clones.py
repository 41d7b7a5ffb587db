"""A clone of this repository in a folder of a test: its own stack file, locks and settings."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("core", "handlers", "infrastructure", "testing", "docker_worker", "local")
FILES = ("function_app.py", "host.json", "local.settings.json.example")
FETCHED = (".models", ".cache/azurite")
MARK = "COREMACHINE_TEST_MARK"
PARTLY_WRITTEN = shutil.ignore_patterns("*.pyc.*")
"""What another process may be compiling, and renames when it is whole."""


def make_clone(folder: Path) -> Path:
    """The sources are copied, with what was compiled of them; what set-up fetched is shared."""
    for name in PACKAGES:
        shutil.copytree(ROOT / name, folder / name, ignore=PARTLY_WRITTEN)
    for name in FILES:
        shutil.copy(ROOT / name, folder)
    for name in FETCHED:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).symlink_to(ROOT / name)
    return folder


def marked_processes(mark: str) -> dict[int, str]:
    """The command of each process that inherited ``MARK=mark`` in its environment, but for those that ended."""
    return dict(_marked(f"{MARK}={mark}".encode()))


def _marked(sign: bytes) -> Iterator[tuple[int, str]]:
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdecimal() and sign in (folder / "environ").read_bytes().split(b"\0"):
                yield int(folder.name), os.fsdecode((folder / "cmdline").read_bytes().replace(b"\0", b" "))
        except OSError:  # it ended meanwhile
            continue
