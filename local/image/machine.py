"""What a build takes from this machine, and never keeps: where its pip and its apt fetch packages from, and whom
they trust."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from local.image.errors import ToolsMissing

PROGRAMS = {
    "apt-get": "apt",
    "buildah": "buildah",
    "chroot": "coreutils",
    "debootstrap": "debootstrap",
    "git": "git",
    "unshare": "util-linux",
}
"""The programs that are run, and the package of Debian that each is in."""

INDEXES = ("index-url", "extra-index-url", "find-links")
KEPT = (*INDEXES, "cert", "client-cert", "default-timeout", "proxy", "retries", "timeout", "trusted-host")
"""The settings of pip that say where packages are and how they are fetched."""


@dataclass(frozen=True, slots=True)
class Handed:
    """``pip_conf`` is the text of a pip.conf; ``mounts`` are what it names of this machine, at the same paths."""

    pip_conf: str
    mounts: tuple[Path, ...]
    mirror: str | None


def check(which: Callable[[str], str | None] = shutil.which, user: int | None = None) -> None:
    """Raises :class:`ToolsMissing`, naming all that is missing. ``user`` is the user's number: it has to be root."""
    missing = sorted({package for program, package in PROGRAMS.items() if which(program) is None})
    if missing:
        raise ToolsMissing(f"Linux programs are missing; on Debian: apt-get install {' '.join(missing)}")
    if (os.geteuid() if user is None else user) != 0:
        raise ToolsMissing("root is needed: debootstrap makes devices, and the image is tried in namespaces of its own")


def gather(suite: str) -> Handed:
    """What pip and apt of this machine are set to. ``mirror`` is None where apt knows none for ``suite``."""
    listed = _output([sys.executable, "-m", "pip", "config", "list"])
    indexes = ["apt-get", "indextargets", "--format", "$(CODENAME) $(COMPONENT) $(REPO_URI)", "Created-By: Packages"]
    settings = pip_settings(listed)
    lines = "".join(f"{name} = {value}\n" for name, value in settings.items())
    return Handed(f"[global]\n{lines}", local_paths(settings), mirror_of(_output(indexes), suite))


def pip_settings(listed: str) -> dict[str, str]:
    """What ``pip config list`` printed, as settings of ``[global]``: the environment's go before the files'."""
    found: dict[str, str] = {}
    for line in sorted(listed.splitlines(), key=lambda line: line.startswith(":env:")):
        name, _, value = line.partition("=")
        key = name.rpartition(".")[2]
        if key in KEPT:
            found[key] = " ".join(str(ast.literal_eval(value)).split())
    return found


def local_paths(settings: dict[str, str]) -> tuple[Path, ...]:
    """The files and folders of this machine in ``settings``: of an index its parent too, where its files are."""
    paths = [Path(settings[name]) for name in ("cert", "client-cert") if name in settings]
    for name in INDEXES:
        places = [place.removeprefix("file://") for place in settings.get(name, "").split()]
        folders = [Path(place) for place in places if place.startswith("/")]
        paths += folders if name == "find-links" else [folder.parent for folder in folders]
    return tuple(sorted({path for path in paths if path.exists()}))


def mirror_of(targets: str, suite: str) -> str | None:
    """Where apt has ``suite`` from, in its list of ``CODENAME COMPONENT URI``."""
    rows = (line.split() for line in targets.splitlines())
    return next((row[2].rstrip("/") for row in rows if len(row) == 3 and row[:2] == [suite, "main"]), None)


def traces(handed: Handed, texts: Iterable[str]) -> list[str]:
    """The addresses and folders of ``handed`` that are in one of ``texts``."""
    values = [line.partition(" = ")[2] for line in handed.pip_conf.splitlines()]
    words = {word for value in values for word in value.split() if "/" in word} | {handed.mirror or ""}
    return sorted(word for word in words - {""} if any(word in text for text in texts))


def _output(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
