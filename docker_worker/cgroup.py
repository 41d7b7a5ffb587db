"""The memory cgroup of this process: its limit, what is used of it, and whom the kernel had to kill.

From ``/proc/self/cgroup`` and ``mountinfo`` (cgroups(7), proc_pid_mountinfo(5)), so that it is found from inside of a
container and from its host, in version 1 and 2.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

UNLIMITED = 1 << 60
"""Version 1 says it as the largest number of pages that there may be."""


class _Names(NamedTuple):
    limit: str
    usage: str
    events: str
    file_pages: tuple[str, ...]
    """Of the cgroup and those below it: the page cache, which the kernel takes back before it kills."""


_V1 = _Names(
    "memory.limit_in_bytes", "memory.usage_in_bytes", "memory.oom_control", ("total_inactive_file", "total_active_file")
)
_V2 = _Names("memory.max", "memory.current", "memory.events", ("inactive_file", "active_file"))


@dataclass(frozen=True, slots=True)
class MemoryCgroup:
    """``limit`` in bytes is the least of those that count for this process, ``None`` where there is none."""

    own: Path
    limited: Path
    limit: int | None
    names: _Names

    def used(self) -> int | None:
        """Bytes of the cgroup with the limit that cannot just be dropped; ``None`` where it does not say."""
        usage = _number(self.limited / self.names.usage)
        if usage is None:
            return None
        statistics = _fields(self.limited / "memory.stat")
        return max(0, usage - sum(statistics.get(name, 0) for name in self.names.file_pages))

    def oom_kills(self) -> int | None:
        """How many processes of this one's cgroup the kernel killed for want of memory."""
        return _fields(self.own / self.names.events).get("oom_kill")


def memory_cgroup(root: Path = Path("/")) -> MemoryCgroup | None:
    """This process's; ``None`` where there is none to be read. ``root`` is where ``proc`` and ``sys`` are."""
    paths = dict(_memberships(_text(root / "proc/self/cgroup")))
    mounts = list(_mounts(_text(root / "proc/self/mountinfo")))
    for version, names in ((1, _V1), (2, _V2)):
        for mount in mounts:
            if mount.version == version and version in paths:
                found = _at(mount, paths[version], names, root)
                if found is not None:
                    return found
    return None


class _Mount(NamedTuple):
    version: int
    root: PurePosixPath
    point: PurePosixPath


def _memberships(text: str) -> Iterator[tuple[int, PurePosixPath]]:
    """Lines like ``0::/a`` for version 2, ``4:memory:/a`` for version 1."""
    for line in text.splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            yield 2, PurePosixPath(path)
        elif "memory" in controllers.split(","):
            yield 1, PurePosixPath(path)


def _mounts(text: str) -> Iterator[_Mount]:
    """Lines like ``35 31 0:32 ROOT POINT rw,relatime - cgroup cgroup rw,memory``."""
    for line in text.splitlines():
        mount, _, kind = line.partition(" - ")
        fields, described = mount.split(" "), kind.split(" ")
        if len(fields) < 5 or len(described) < 3:
            continue
        root, point = (PurePosixPath(_unescaped(field)) for field in fields[3:5])
        if described[0] == "cgroup2":
            yield _Mount(2, root, point)
        elif described[0] == "cgroup" and "memory" in described[2].split(","):
            yield _Mount(1, root, point)


def _unescaped(field: str) -> str:
    return field.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")


def _at(mount: _Mount, path: PurePosixPath, names: _Names, root: Path) -> MemoryCgroup | None:
    """What is mounted may begin below the hierarchy's root, as in a container that sees the host's paths."""
    top = root / mount.point.relative_to("/")
    below = path.relative_to(mount.root) if path.is_relative_to(mount.root) and ".." not in path.parts else None
    own = top if below is None else top / below
    levels = [own, *(level for level in own.parents if level.is_relative_to(top))]
    if not (own / names.events).is_file() and not any((level / names.usage).is_file() for level in levels):
        return None
    limits = [(limit, level) for level in levels if (limit := _number(level / names.limit)) is not None]
    least = min((one for one in limits if one[0] < UNLIMITED), default=None, key=lambda one: one[0])
    return MemoryCgroup(own, own if least is None else least[1], None if least is None else least[0], names)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""


def _number(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if text.isdecimal() else None


def _fields(path: Path) -> dict[str, int]:
    """Lines like ``oom_kill 3``."""
    pairs = (line.split() for line in _text(path).splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdecimal()}
