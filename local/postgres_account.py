"""Whom PostgreSQL runs as. It refuses to be root, so for root it is somebody else."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from local.postgres_errors import NotPermitted, PostgresError

try:
    import pwd
except ImportError:  # Windows, where POSIX_ONLY is raised
    pwd = None  # type: ignore[assignment]

UNPRIVILEGED = "nobody"
POSIX_ONLY = "the embedded PostgreSQL is for Linux and macOS; here, set DATABASE_URL to a server that runs"


@dataclass(frozen=True, slots=True)
class Account:
    """``uid`` and ``gid`` are None for the user that runs this process."""

    name: str
    uid: int | None = None
    gid: int | None = None

    def own(self, path: Path | int) -> None:
        """Give it the file or folder, or the open file, where it is another than ours."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)

    def popen(self, command: Sequence[str], output: int) -> subprocess.Popen[bytes]:
        """Start a process in a session of its own, so that Ctrl-C is for us to pass on, in order."""
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd="/",
            env=environment(os.environ),
            user=self.uid,
            group=self.gid,
            extra_groups=None if self.uid is None else [],
        )

    def run(self, command: Sequence[str]) -> tuple[int, str]:
        """The exit code and all that was said."""
        with self.popen(command, subprocess.PIPE) as process:
            assert process.stdout is not None
            said = process.stdout.read().decode("utf-8", "replace")
        return process.returncode, said


def account_for(data: Path) -> Account:
    """Ourselves; for root the owner of the data directory, or :data:`UNPRIVILEGED` where root owns it or it is new.

    Raises :class:`NotPermitted` where there is no such user.
    """
    if pwd is None:
        raise PostgresError(POSIX_ONLY)
    if os.geteuid() != 0:
        return Account(_name_of(os.geteuid()))
    owner = data.stat() if data.exists() else None
    if owner is not None and owner.st_uid != 0:
        return Account(_name_of(owner.st_uid), owner.st_uid, owner.st_gid)
    try:
        entry = pwd.getpwnam(UNPRIVILEGED)
    except KeyError as error:
        raise NotPermitted(
            f"PostgreSQL does not run as root, and there is no user {UNPRIVILEGED!r}: add one, or start as another user"
        ) from error
    return Account(UNPRIVILEGED, entry.pw_uid, entry.pw_gid)


def environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """``inherited`` without what would change the server's settings or the language that it speaks."""
    kept = {name: value for name, value in inherited.items() if not name.startswith(("PG", "LC_", "LANG"))}
    return {**kept, "LC_ALL": "C"}


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
