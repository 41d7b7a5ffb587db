"""Makes the parts of a stack from its data folder, and the variables by which they find each other."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping, Sequence
from typing import assert_never

from core.errors import CoreMachineError
from infrastructure.settings import Settings
from local.azurite import LOOPBACK, Azurite
from local.errors import SettingsInvalid
from local.postgres import NOT_DURABLE
from local.stack_bus import bus_config
from local.stack_data import DataFolder
from local.stack_keeper import Part
from local.stack_parts import DatabasePart, ProcessPart, StoragePart
from local.stack_plan import PartName
from local.stack_process import Command, Late, SayLine

HOST_IMPORTS = (
    "local.host_command",
    "infrastructure.backend",
    "infrastructure.web.blueprint",
    "testing.endpoints.service",
)
WORKER_IMPORTS = ("infrastructure.backend", "docker_worker.process")
"""What takes host and worker seconds to import, and can be while the services start."""

KEY_NAME = "RootManageSharedAccessKey"
BUS_READY = re.compile(r"^(?P<connection>Endpoint=sb://(?P<address>[^/;]+)\S*)$")
HOST_LISTENS = re.compile(r"^Listening on (?P<url>http://\S+)")
"""What :data:`local.up.READY` begins; that module takes half a second to import."""

WORKER_READY = re.compile(r"\bworker_ready\b.*?(?P<url>http://[^\s\"]+)")
"""The event that :mod:`docker_worker.process` logs when it takes work and answers."""

WORKER_PORT = "DOCKER_HTTP_PORT"
PASSWORD_KEYS = "DOCUMENT_PASSWORD_KEYS"  # noqa: S105 - the variable's name
PORTAL_KEYS, PORTAL_VAULT_KEYS = "PORTAL_KEYS", "PORTAL_KEY_VAULT_KEYS"


class Builder:
    """``environment`` is that of host and worker, but for the services; ``durable`` data outlives the machine."""

    def __init__(
        self,
        data: DataFolder,
        *,
        durable: bool,
        environment: Mapping[str, str],
        port: int,
        host_arguments: Sequence[str],
    ) -> None:
        self._data = data
        self._durable = durable
        self._environment = environment
        self._port = _free_port() if port == 0 and "--reload" in host_arguments else port  # each child has the same
        self._host_arguments = host_arguments
        self._queues = _queues(environment)
        self._bus_port = 0
        self._settings: dict[str, str] = {}
        self._database: DatabasePart | None = None
        self._storage: StoragePart | None = None

    def part(self, name: PartName, say: SayLine) -> Part:
        match name:
            case "database":
                self._database = self._make_database(say)
                return self._database
            case "service_bus":
                self._bus_port = _still_free(self._data.kept().service_bus_port)
                return ProcessPart(name, self._bus_command, self._bus_key, say, self._found_bus, [self._data.lock])
            case "storage":
                self._storage = self._make_storage(say)
                return self._storage
            case "host":
                return ProcessPart(name, self._host_command, self._services, say, self._found_host, [self._data.lock])
            case "worker":
                return ProcessPart(name, self._worker_command, self._services, say, _found_worker, [self._data.lock])
            case _:
                assert_never(name)

    def settings(self) -> dict[str, str]:
        """The variables that name the services, but for parts that were not ready yet, and the keys."""
        found = dict(self._settings)
        if self._database is not None and self._database.uri:
            found["DATABASE_URL"] = self._database.uri
        if self._storage is not None and self._storage.pid:
            found["AZURE_STORAGE_CONNECTION_STRING"] = self._storage.connection_string
            found["AzureWebJobsStorage"] = self._storage.connection_string
        if not self._environment.get(PASSWORD_KEYS, "").strip():
            found[PASSWORD_KEYS] = self._data.kept().password_key
        if not any(self._environment.get(name, "").strip() for name in (PORTAL_KEYS, PORTAL_VAULT_KEYS)):
            found[PORTAL_KEYS] = f"local={self._data.kept().portal_key}"
        return found

    def keep_ports(self) -> None:
        """For the next stack with this data; once all parts were ready."""
        self._data.keep_ports(self._bus_port, 0 if self._storage is None else self._storage.port)

    def _make_database(self, say: SayLine) -> DatabasePart:
        if self._durable:
            return DatabasePart(self._data.folder("postgres"), say, {})
        return DatabasePart(None, say, NOT_DURABLE)

    def _make_storage(self, say: SayLine) -> StoragePart:
        kept = self._data.kept()
        port = _still_free(kept.storage_port)
        return StoragePart(Azurite(self._data.own_folder("storage"), port=port, key=kept.storage_key, say=say))

    def _bus_command(self) -> Command:
        folder = self._data.own_folder("service_bus")
        config = folder / "Config.json"
        config.write_text(bus_config(self._queues), "utf-8")
        return Command(
            "testing.service_bus_emulator",
            ["--config", str(config), "--journal", str(folder / "journal"), "--port", str(self._bus_port)],
            BUS_READY,
            self._environment,
            secret=True,
        )

    def _bus_key(self) -> Late:
        return Late(["--key", f"{KEY_NAME}={self._data.kept().service_bus_key}"])

    def _found_bus(self, found: re.Match[str]) -> str:
        self._settings["SERVICE_BUS_CONNECTION"] = found["connection"]
        self._bus_port = int(found["address"].rpartition(":")[2])
        return f"sb://{found['address']}"

    def _host_command(self) -> Command:
        arguments = ["host", "--port", str(self._port), *self._host_arguments]
        imports = () if "--reload" in arguments else HOST_IMPORTS  # which a child of it would do
        return Command("local", arguments, HOST_LISTENS, self._environment, imports)

    def _found_host(self, found: re.Match[str]) -> str:
        self._port = int(found["url"].rpartition(":")[2])
        return found["url"]

    def _worker_command(self) -> Command:
        port = self._environment.get(WORKER_PORT, "").strip() or "0"
        return Command("docker_worker", [], WORKER_READY, {**self._environment, WORKER_PORT: port}, WORKER_IMPORTS)

    def _services(self) -> Late:
        return Late(environment=self.settings())


def _found_worker(found: re.Match[str]) -> str:
    return found["url"]


def _queues(environment: Mapping[str, str]) -> Sequence[str]:
    """Raises :class:`local.errors.SettingsInvalid`."""
    try:
        settings = Settings.from_environment(environment)
    except CoreMachineError as error:
        raise SettingsInvalid(error.message) from error
    return settings.jobs_queue, settings.tasks_queue, settings.long_running_queue


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _still_free(port: int) -> int:
    """The port that was used before; 0 where another process has it now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return 0
    return port
