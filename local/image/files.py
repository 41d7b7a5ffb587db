"""What may be in an image's root, found out by looking at its files."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

APP = {"core", "docker_worker", "handlers", "infrastructure", "testing"}
OURS = ("app", "models", "venv")
"""The folders that the Dockerfile fills; all others are the base's."""
OURS_INSIDE = tuple(f"/{folder}/" for folder in OURS)

BUILD_TOOLS = {"as", "c++", "c99", "cc", "clang", "cmake", "cpp", "g++", "gcc", "ld", "make", "ninja", "rustc"}
BASE_LIBRARIES = {
    "libc.so.6",
    "libdl.so.2",
    "libgcc_s.so.1",
    "libm.so.6",
    "libpthread.so.0",
    "libresolv.so.2",
    "librt.so.1",
    "libstdc++.so.6",
    "libutil.so.1",
    "libz.so.1",
}
"""Of libc6, libgcc-s1, libstdc++6 and zlib1g, which apt itself needs: any image of Debian that has apt has these."""
CACHES = ("root/.cache", "tmp", "var/tmp", "var/lib/apt/lists", "var/cache/apt/archives", "etc/pip.conf", "build")


def build_tools(root: Path) -> list[str]:
    """Compilers, linkers and their like in the folders of programs."""
    folders = [root / place for place in ("bin", "usr/bin", "usr/local/bin", "venv/bin", "usr/sbin", "sbin")]
    names = {path.name for folder in folders if folder.is_dir() for path in folder.iterdir()}
    return sorted(name for name in names if name in BUILD_TOOLS or name.startswith(("gcc-", "g++-", "clang-")))


def leftovers(root: Path) -> list[str]:
    """Files that building has left: caches, lists, settings that were handed in."""
    return sorted(
        str(path.relative_to(root))
        for place in CACHES
        for path in _files(root / place)
        if path.name not in {"lock", "partial"}
    )


def uncompiled(root: Path) -> list[str]:
    """Modules of the application and of the packages that have no byte-code."""
    return [
        str(path.relative_to(root))
        for place in ("app", "venv/lib")
        for path in _files(root / place)
        if path.suffix == ".py" and path.stem.isidentifier() and not any(_compiled(path))
    ]


def strangers(root: Path) -> list[str]:
    """What is in the application's folder and does not belong to a worker."""
    top = {path.name for path in (root / "app").iterdir()} ^ APP
    inside = {
        "app/docker_worker/Dockerfile",
        "app/docker_worker/requirements.txt",
        "app/docker_worker/opencv_contrib_shim",
    }
    return sorted(top | {name for name in inside if (root / name).exists()})


def writable(root: Path, user: int) -> list[str]:
    """What the ``user`` owns, or anybody may write to, but the folders for temporary files."""
    found = []
    for path in _all(root, root.stat().st_dev):
        status = path.lstat()
        opened = status.st_mode & stat.S_IWOTH and not stat.S_ISLNK(status.st_mode) and not stat.S_ISCHR(status.st_mode)
        if status.st_uid == user or (opened and not status.st_mode & stat.S_ISVTX):
            found.append(str(path.relative_to(root)))
    return found


def objects(root: Path) -> list[str]:
    """The shared objects of ours, by their paths within ``root``."""
    return [f"/{path.relative_to(root)}" for place in OURS for path in _files(root / place) if ".so" in path.name]


def linked(root: Path, shared_objects: Iterable[str]) -> str:
    """What ``ldd`` within ``root`` says of them."""
    command = ["chroot", str(root), "/usr/bin/ldd", *shared_objects]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def unexpected_libraries(said: Iterable[str]) -> dict[str, str]:
    """Of what ``ldd`` says: each library that is missing, or that only this base happens to have, and who wants it.

    One that lies beside who wants it is not missing: wheels that bring libraries have their extension load them all.
    """
    lines = list(said)
    present = {line.rstrip(":") for line in lines if not line.startswith("\t")}
    wanted: dict[str, str] = {}
    current = ""
    for line in lines:
        name, arrow, place = line.strip().partition(" => ")
        if not line.startswith("\t"):
            current = line.rstrip(":")
        elif arrow and not _is_there(name, place, f"{current.rpartition('/')[0]}/{name}" in present):
            wanted.setdefault(name, current)
    return wanted


def _is_there(name: str, place: str, beside: bool) -> bool:
    if place == "not found":
        return beside
    return place.startswith(OURS_INSIDE) or name in BASE_LIBRARIES


def _compiled(path: Path) -> Iterator[Path]:
    return (path.parent / "__pycache__").glob(f"{path.stem}.cpython-*.pyc")


def _files(folder: Path) -> Iterator[Path]:
    if folder.is_file():
        yield folder
    for parent, _, names in os.walk(folder):
        yield from (Path(parent, name) for name in names)


def _all(root: Path, device: int) -> Iterator[Path]:
    for parent, folders, names in os.walk(root):
        folders[:] = [name for name in folders if Path(parent, name).lstat().st_dev == device]
        yield from (Path(parent, name) for name in (*folders, *names))
