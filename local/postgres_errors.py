"""What stops the embedded PostgreSQL, and the one place where its words become these errors.

::

    LocalError
    +-- PostgresError              what is not recognised: the end of what was said
    |   +-- BinariesMissing        there is no server to start
    |   +-- DataDirectoryUnusable  in use, unfinished, of another version, or no data directory
    |   +-- DiskFull               the disk, or the shared memory
    |   +-- NotPermitted           a file or folder is not the server's to use
    |   +-- LocaleMissing          the machine does not have the locale
    +-- PortUnavailable            in use, or not ours to bind
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.errors import LocalError, PortUnavailable


class PostgresError(LocalError):
    pass


class BinariesMissing(PostgresError):
    pass


class DataDirectoryUnusable(PostgresError):
    pass


class DiskFull(PostgresError):
    pass


class NotPermitted(PostgresError):
    pass


class LocaleMissing(PostgresError):
    pass


IN_USE = ("pre-existing shared memory block", 'lock file "postmaster.pid" already exists')
"""How the server says that another one has the data directory, or had it a moment ago."""

_NO_SPACE = "No space left on device"

_SIGNS: tuple[tuple[tuple[str, ...], type[LocalError], str], ...] = (
    (("could not bind", "in use"), PortUnavailable, "the port is in use: give another one, or 0 for a free one"),
    (
        ("socket path", "too long"),
        NotPermitted,
        "the path of the temporary directory is too long: set TMPDIR to another",
    ),
    (("could not bind",), PortUnavailable, "the port cannot be listened on: give another one, over 1023"),
    (
        ("shared memory", _NO_SPACE),
        DiskFull,
        "the shared memory is full: give /dev/shm more room (a container: --shm-size), or the server less to do",
    ),
    ((_NO_SPACE,), DiskFull, "the disk of {data} is full: free some of it, or give another data directory"),
    (("Disk quota exceeded",), DiskFull, "the quota on the disk of {data} is used up: give another data directory"),
    (
        ("could not look up effective user",),
        NotPermitted,
        "this process runs under a user id without a name, which initdb refuses: add the user to /etc/passwd",
    ),
    (
        ("Permission denied",),
        NotPermitted,
        "the user {user} may not use {data}: give one that it can reach, under the temporary or the state directory",
    ),
    (("Operation not permitted",), NotPermitted, "the user {user} may not use {data}: give one that it owns"),
    (("Read-only file system",), NotPermitted, "{data} is on a read-only file system: give another data directory"),
    (("wrong ownership",), NotPermitted, "{data} is not owned by {user}: start as its owner, or change the owner"),
    (("invalid permissions",), NotPermitted, "{data} is open to others: chmod 700 it"),
    (("invalid locale",), LocaleMissing, "this machine does not have that locale: install it, or leave it at C"),
    (("locale", "not supported"), LocaleMissing, "these binaries cannot use that locale: leave it at C"),
    (
        IN_USE[:1],
        DataDirectoryUnusable,
        "{data} is in use by processes of a server that ended: wait for them, or end them",
    ),
    (
        IN_USE[1:],
        DataDirectoryUnusable,
        "{data} is in use by another server: stop it; where none runs, remove its postmaster.pid",
    ),
    (
        ("incompatible with server",),
        DataDirectoryUnusable,
        "{data} is of another version of PostgreSQL: give its binaries, or another data directory",
    ),
    (
        ("exists but is not empty",),
        DataDirectoryUnusable,
        "{data} holds something else: give an empty folder, or one that PostgreSQL made",
    ),
    (("error while loading shared libraries",), BinariesMissing, "the server lacks a library of the system"),
)


def explained(said: str, data: Path, user: str) -> LocalError:
    """The error for what ``initdb`` or ``postgres`` said before it ended, with the line that tells."""
    for signs, kind, advice in _SIGNS:
        lines = [line for line in said.splitlines() if all(sign in line for sign in signs)]
        if lines:
            return kind(f"PostgreSQL: {advice.format(data=data, user=user)} ({lines[-1].strip()})")
    end = "\n".join(said.strip().splitlines()[-8:]) or "it said nothing"
    return PostgresError(f"PostgreSQL did not start with {data}:\n{end}")


@contextmanager
def translated(data: Path, user: str) -> Iterator[None]:
    """What the operating system refuses us while we prepare ``data``, as these errors."""
    try:
        yield
    except OSError as error:
        text = {errno.ENOSPC: _NO_SPACE, errno.EDQUOT: "Disk quota exceeded"}.get(error.errno or 0, error.strerror)
        raise explained(f"{text}: {error.filename}", data, user) from error
