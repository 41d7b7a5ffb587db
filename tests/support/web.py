"""The API on the mocks, over ASGI: a client, and the machine behind it, which a test moves by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from pydantic import JsonValue
from starlette.testclient import TestClient
from starlette.types import ASGIApp

from core.consumer import dispatch, settle
from core.deadletters import DeadLetters
from core.machine import CoreMachine
from core.operations import JobOperations
from core.ports import BlobStore, StateStore
from handlers.document import SourceReader, document_handlers, document_jobs
from handlers.hello_world import hello_world_handlers, hello_world_jobs
from handlers.portal.memory_schemas import MemoryPortalSchemas
from handlers.portal.schema_store import PortalSchemaStore
from handlers.portal.transfer import Transfers
from infrastructure.settings import Settings
from infrastructure.web.blueprint import create_api_blueprint
from infrastructure.web.parts import WebParts
from local.functions_host.server import serving
from testing.clock import FakeClock, SeededIds
from testing.factories import Registries
from testing.memory_blobs import MemoryBlobStore
from testing.mock_bus import MockServiceBusRepository
from testing.mock_state import MockStateManager
from testing.ocr_engines import ReadsText, always
from tests.support.sealed import NamedLinks, sealed_store
from tests.support.streamed_app import streamed_app

READS = ["Hello"]


@dataclass
class World:
    """``parts`` may be replaced at any time: the API asks for them at each request."""

    parts: WebParts
    bus: MockServiceBusRepository
    clock: FakeClock

    @property
    def machine(self) -> CoreMachine:
        return self.parts.machine

    @property
    def blobs(self) -> BlobStore:
        return self.parts.blobs

    def app(self) -> ASGIApp:
        return streamed_app(create_api_blueprint(lambda: self.parts))

    def client(self) -> TestClient:
        return TestClient(self.app(), base_url="http://test/api")

    @contextmanager
    def hosted(self) -> Iterator[httpx.Client]:
        """A client of the same application over TCP."""
        with serving(self.app()) as url, httpx.Client(base_url=f"{url}/api", timeout=60, trust_env=False) as client:
            yield client

    def drain(self) -> None:
        """Everything that was asked for is done, failures and waits included; what is paused stays."""
        queues = self.machine.queues.all()
        while True:
            if self.step(100, *queues):
                continue
            due = self.bus.next_due(queues)
            if due is None:
                return
            self.clock.advance(max(0.0, (due - self.clock.now()).total_seconds()))

    def step(self, messages: int, *queues: str) -> int:
        """Some messages of each queue, no more; how many there were."""
        received = [message for queue in queues or ("jobs", "tasks") for message in self.bus.receive(queue, messages)]
        for message in received:
            settle(self.bus, message, dispatch(self.machine, message.body))
        return len(received)


def web_world(
    *,
    checks: Mapping[str, Callable[[], None]] | None = None,
    blobs: BlobStore | None = None,
    store: StateStore | None = None,
    schemas: PortalSchemaStore | None = None,
    providers: Mapping[str, Mapping[str, JsonValue]] | None = None,
    statistics: Mapping[str, JsonValue] | None = None,
    **settings: Any,
) -> World:
    """All jobs of the project on fresh mocks, or on ``store``; the OCR engine reads :data:`READS`."""
    documents = document_handlers(always(ReadsText(READS)), SourceReader())
    registries = Registries.of([*hello_world_jobs(), *document_jobs()], [*hello_world_handlers(), *documents])
    clock = FakeClock()
    state, bus = store or MockStateManager(clock), MockServiceBusRepository(clock)
    machine = CoreMachine(
        registries.jobs,
        registries.handlers,
        state,
        bus,
        blobs=blobs or MemoryBlobStore(),
        clock=clock,
        ids=SeededIds(),
    )
    parts = WebParts(
        machine=machine,
        operations=JobOperations(machine),
        dead_letters=DeadLetters(state, machine.relay, clock),
        blobs=machine.blobs,
        transfers=Transfers(machine.blobs, sealed_store(machine.blobs), NamedLinks(), clock),
        schemas=schemas or MemoryPortalSchemas(),
        settings=Settings.from_environment({name: str(value) for name, value in settings.items()}),
        checks=checks or {},
        providers=lambda: providers or {},
        clock=clock,
        statistics=lambda: statistics or {},
    )
    return World(parts, bus, clock)
