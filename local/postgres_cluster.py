"""The data directory: made by ``initdb`` where there is none, refused where it is not one for these binaries."""

from __future__ import annotations

import ctypes
import secrets
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from local.postgres_account import Account
from local.postgres_binaries import Binaries
from local.postgres_errors import DataDirectoryUnusable, explained, translated

SUPERUSER = "postgres"
_IPC_RMID = 0
LAST_MADE = Path("base", "5", "PG_VERSION")
"""Of the database ``postgres``, whose fixed id is 5 since PostgreSQL 15 and which initdb makes last."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A data directory that belongs to ``account``."""

    data: Path
    account: Account

    @property
    def log(self) -> Path:
        return self.data / "server.log"

    @property
    def password(self) -> str | None:
        """The superuser's, asked for over TCP; None in a data directory that was made by others."""
        path = self._password_file
        return path.read_text("utf-8").strip() if path.is_file() else None

    @property
    def _password_file(self) -> Path:
        return self.data / "superuser.password"

    def prepare(self, binaries: Binaries, locale: str, *, sync: bool) -> None:
        """Make it where it is absent or empty. ``sync`` false leaves writing it to the disk to the system.

        Raises :class:`DataDirectoryUnusable`, and the other errors of :mod:`local.postgres_errors`.
        """
        with translated(self.data, self.account.name):
            if self.data.is_dir() and any(self.data.iterdir()):
                self._check(binaries)
            else:
                self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
                self.account.own(self.data)
                self._make(binaries, locale, sync=sync)

    def remove_shared_memory(self) -> None:
        """What a killed server leaves, where none will come after it: a few bytes of System V memory.

        The lock file names them, and an orderly end removes both. Never for data that is kept: by these bytes the
        next server notices what still runs of this one.
        """
        with suppress(OSError, IndexError, ValueError):
            segment = (self.data / "postmaster.pid").read_text("ascii").splitlines()[6].split()[1]
            ctypes.CDLL(None).shmctl(int(segment), _IPC_RMID, None)

    def _check(self, binaries: Binaries) -> None:
        path = self.data / "PG_VERSION"
        if not path.is_file():
            raise DataDirectoryUnusable(f"{self.data} holds something else: give an empty folder, or a data directory")
        made_by = path.read_text("ascii", "replace").strip()
        if made_by != str(binaries.major):
            raise DataDirectoryUnusable(
                f"{self.data} is of PostgreSQL {made_by}, and this is {binaries.version}: give another data directory,"
                f" or the binaries of {made_by}"
            )
        if not (self.data / LAST_MADE).is_file():
            raise DataDirectoryUnusable(f"{self.data} was not made to its end: remove it, and start again")

    def _make(self, binaries: Binaries, locale: str, *, sync: bool) -> None:
        password = secrets.token_urlsafe(24)
        with tempfile.NamedTemporaryFile("w", prefix="coremachine-") as file:
            file.write(password)
            file.flush()
            self.account.own(file.fileno())
            command = [
                binaries.program("initdb"),
                f"--pgdata={self.data}",
                f"--username={SUPERUSER}",
                f"--pwfile={file.name}",
                f"--locale={locale}",
                "--encoding=UTF8",
                "--auth-local=trust",
                "--auth-host=scram-sha-256",
                "--no-instructions",
                *([] if sync else ["--no-sync"]),
            ]
            code, said = self.account.run(command)
        if code != 0:
            raise explained(said, self.data, self.account.name)
        self._password_file.touch(0o600)
        self._password_file.write_text(password, "utf-8")
        self.account.own(self._password_file)
