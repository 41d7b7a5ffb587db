"""The parts of the stack, each as :class:`local.stack_keeper.Part`."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote

from core.errors import CoreMachineError
from infrastructure.postgres.connection import ConnectionSource
from infrastructure.postgres.migrations import migrate
from infrastructure.settings import Settings
from local.azurite import Azurite
from local.postgres import EmbeddedPostgres
from local.stack_errors import PartFailed
from local.stack_plan import PartName
from local.stack_process import Command, Late, ModuleProcess, SayLine

GRACE_SECONDS: Mapping[PartName, float] = {"host": 40.0, "worker": 40.0, "service_bus": 15.0}


class ProcessPart:
    """A module of this repository.

    ``command`` is asked for when its process is made, ``late`` when it begins; ``found`` is given what it said when it
    was ready, for its address.
    """

    def __init__(
        self,
        name: PartName,
        command: Callable[[], Command],
        late: Callable[[], Late],
        say: SayLine,
        found: Callable[[re.Match[str]], str],
        kept: Sequence[int] = (),
    ) -> None:
        self._name = name
        self._command = command
        self._late = late
        self._say = say
        self._found = found
        self._kept = kept
        self._process: ModuleProcess | None = None
        self.address = ""

    @property
    def name(self) -> PartName:
        return self._name

    @property
    def pid(self) -> int:
        process = self._process
        return 0 if process is None else process.pid

    def prepare(self) -> None:
        self._process = ModuleProcess(self._command(), self._say, self._kept)

    def start(self, stop: threading.Event) -> None:
        if self._process is None:
            self.prepare()
        assert self._process is not None
        self._process.begin(self._late())
        try:
            match = self._process.wait_until_ready(stop)
        except PartFailed:
            self._process = None
            raise
        if match is not None:
            self.address = self._found(match)

    def look(self) -> str | None:
        process = self._process
        if process is None or process.code is None:
            return None
        process.release()
        self._process = None
        return how_it_ended(process.code)

    def stop(self) -> bool:
        process = self._process  # stays, for kill_all
        ended = process is None or process.stop(GRACE_SECONDS[self._name]) in (0, -signal.SIGTERM)
        self._process = None
        return ended

    def kill(self) -> None:
        _kill(self.pid)

    def kill_all(self) -> None:
        process = self._process
        if process is not None:
            process.kill()


class DatabasePart:
    """The embedded PostgreSQL, its schema made or updated by the first start."""

    name: PartName = "database"

    def __init__(self, data: Path | None, say: SayLine, settings: Mapping[str, str]) -> None:
        self._server = EmbeddedPostgres(data, settings=settings)
        self._say = say
        self._log: BinaryIO | None = None
        self._migrated = False
        self.pid = 0
        self.address = ""
        self.uri = ""

    def prepare(self) -> None:
        """Nothing can be done before its start."""

    def start(self, stop: threading.Event) -> None:
        self._server.start()
        self.pid, self.uri = self._server.pid, self._server.uri
        self.address = shown_address(self.uri)
        self._tell()
        if not self._migrated:
            self._migrate()

    def look(self) -> str | None:
        self._tell()
        return None if self._server.running else "its process is gone"

    def stop(self) -> bool:
        if self._log is not None:
            self._log.close()
        self._server.close()
        self.pid = 0
        return True

    def kill(self) -> None:
        _kill(self.pid)

    def kill_all(self) -> None:
        """Its processes end with the first one."""
        self.kill()

    def _migrate(self) -> None:
        try:
            source = ConnectionSource.from_settings(Settings.from_environment({"DATABASE_URL": self.uri}))
            with source.connect() as connection:
                for name in migrate(connection):
                    self._say(f"applied {name}")
        except CoreMachineError as error:
            raise PartFailed(f"the schema cannot be made: {error.message}") from error
        self._migrated = True

    def _tell(self) -> None:
        """Passes on what it wrote to its log since the last time."""
        if self._log is None:
            self._log = (self._server.data_directory / "server.log").open("rb")
            self._log.seek(0, os.SEEK_END)
        for line in self._log.read().decode("utf-8", "replace").splitlines():
            self._say(line)


class StoragePart:
    """Azurite."""

    name: PartName = "storage"

    def __init__(self, azurite: Azurite) -> None:
        self._azurite = azurite
        self.pid = 0

    @property
    def address(self) -> str:
        return self._azurite.blob_endpoint

    @property
    def port(self) -> int:
        return self._azurite.port

    @property
    def connection_string(self) -> str:
        return self._azurite.connection_string

    def prepare(self) -> None:
        """Nothing can be done before its start."""

    def start(self, stop: threading.Event) -> None:
        self._azurite.start()
        self.pid = self._azurite.pid

    def look(self) -> str | None:
        return None if self._azurite.running else "its process is gone"

    def stop(self) -> bool:
        self._azurite.stop()
        self.pid = 0
        return True

    def kill(self) -> None:
        _kill(self.pid)

    def kill_all(self) -> None:
        self.kill()


def how_it_ended(code: int) -> str:
    """In words: ``exit code 1``, ``signal SIGKILL``."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"


def _kill(pid: int) -> None:
    if pid:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def shown_address(uri: str) -> str:
    """For a person: without its password and with what was escaped as it is."""
    return unquote(re.sub(r"(?<=//)([^:@/]*):[^@]*@", r"\1@", uri))
