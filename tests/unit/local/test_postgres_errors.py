from __future__ import annotations

import errno
from pathlib import Path

import pytest

from local.errors import LocalError, PortUnavailable
from local.postgres_errors import (
    DataDirectoryUnusable,
    DiskFull,
    LocaleMissing,
    NotPermitted,
    PostgresError,
    explained,
    translated,
)

DATA = Path("/data")

# What PostgreSQL 15 to 18 say, word for word.
SAID = [
    (
        'LOG:  could not bind IPv4 address "127.0.0.1": Address already in use',
        PortUnavailable,
        "in use",
    ),
    ('LOG:  could not bind IPv4 address "127.0.0.1": Permission denied', PortUnavailable, "over 1023"),
    ('FATAL:  could not write lock file "postmaster.pid": No space left on device', DiskFull, "the disk of /data"),
    (
        'FATAL:  could not resize shared memory segment "/PostgreSQL.1" to 1 bytes: No space left on device',
        DiskFull,
        "--shm-size",
    ),
    ('PANIC:  could not write to file "pg_wal/xlogtemp.1": Disk quota exceeded', DiskFull, "quota"),
    ('initdb: error: could not access directory "/data": Permission denied', NotPermitted, "the user somebody"),
    ('initdb: error: could not create directory "/data": Read-only file system', NotPermitted, "read-only"),
    ('FATAL:  data directory "/data" has wrong ownership', NotPermitted, "not owned by somebody"),
    ('FATAL:  data directory "/data" has invalid permissions', NotPermitted, "chmod 700"),
    (
        "initdb: error: could not look up effective user ID 1234: user does not exist",
        NotPermitted,
        "/etc/passwd",
    ),
    ('initdb: error: invalid locale name "xx_XX"', LocaleMissing, "leave it at C"),
    (
        'FATAL:  lock file "postmaster.pid" already exists\nHINT:  Is another postmaster (PID 1) running?',
        DataDirectoryUnusable,
        "stop it",
    ),
    ("FATAL:  pre-existing shared memory block (key 1, ID 1) is still in use", DataDirectoryUnusable, "wait for them"),
    ("FATAL:  database files are incompatible with server", DataDirectoryUnusable, "another version"),
    ('initdb: error: directory "/data" exists but is not empty', DataDirectoryUnusable, "something else"),
    (
        'FATAL:  Unix-domain socket path "/data/.s.PGSQL.5432" is too long (maximum 107 bytes)',
        NotPermitted,
        "set TMPDIR",
    ),
]


@pytest.mark.parametrize(("said", "kind", "advice"), SAID, ids=[said[:60] for said, *_ in SAID])
def test_each_says_what_to_do_and_what_was_said(said: str, kind: type[LocalError], advice: str) -> None:
    error = explained(f"LOG:  starting\n{said}\nLOG:  database system is shut down", DATA, "somebody")

    assert type(error) is kind
    assert advice in str(error)
    assert said.splitlines()[0] in str(error)
    assert "\n" not in str(error)


def test_what_is_not_recognised_is_shown_by_its_end() -> None:
    error = explained("\n".join(f"line {n}" for n in range(20)), DATA, "somebody")

    assert type(error) is PostgresError
    assert str(error).endswith("line 18\nline 19")
    assert "line 11\n" not in str(error)


@pytest.mark.parametrize(
    ("number", "kind"),
    [(errno.ENOSPC, DiskFull), (errno.EDQUOT, DiskFull), (errno.EACCES, NotPermitted), (errno.EROFS, NotPermitted)],
)
def test_what_the_system_refuses_us_is_the_same_error(number: int, kind: type[LocalError]) -> None:
    with pytest.raises(kind, match="/data/x"), translated(DATA, "somebody"):
        raise OSError(number, _text(number), "/data/x")


def _text(number: int) -> str:
    return {errno.EACCES: "Permission denied", errno.EROFS: "Read-only file system"}.get(number, "some words")
