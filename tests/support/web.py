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
from core.ports import BlobStore
from handlers.document import SourceReader, document_handlers, document_jobs
from handlers.hello_world import hello_world_handlers, hello_world_jobs
from infrastructure.settings import Settings
from infrastructure.web.blueprint import create_api_blueprint
from infrastructure.web.parts import WebParts
from local.functions_host.server import serving
from testing.clock import FakeClock
from testing.factories import Registries, create_test_core_machine
from testing.harness import Harness
from testing.memory_blobs import MemoryBlobStore
from testing.mock_bus import MockServiceBusRepository
from testing.mock_state import MockStateManager
from testing.ocr_engines import ReadsText, always
from tests.support.streamed_app import streamed_app

READS = ["Hello"]


@dataclass
class World:
    """``parts`` may be replaced at any time: the API asks for them at each request."""

    parts: WebParts
    state: MockStateManager
    bus: MockServiceBusRepository
    clock: FakeClock
    harness: Harness

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
        """Everything that was asked for is done, failures included."""
        self.harness.drain(reraise=False)

    def step(self, messages: int, *queues: str) -> None:
        """Some messages, no more."""
        for queue in queues or ("jobs", "tasks"):
            for received in self.bus.receive(queue, messages):
                settle(self.bus, received, dispatch(self.machine, received.body))


def web_world(
    *,
    checks: Mapping[str, Callable[[], None]] | None = None,
    blobs: BlobStore | None = None,
    providers: Mapping[str, Mapping[str, JsonValue]] | None = None,
    statistics: Mapping[str, JsonValue] | None = None,
    **settings: Any,
) -> World:
    """All jobs of the project on fresh mocks; the OCR engine reads :data:`READS`."""
    documents = document_handlers(always(ReadsText(READS)), SourceReader())
    registries = Registries.of([*hello_world_jobs(), *document_jobs()], [*hello_world_handlers(), *documents])
    clock = FakeClock()
    machine, state, bus = create_test_core_machine(registries, clock=clock, blobs=blobs or MemoryBlobStore())
    parts = WebParts(
        machine=machine,
        operations=JobOperations(machine),
        dead_letters=DeadLetters(state, bus, machine.relay, clock),
        blobs=machine.blobs,
        settings=Settings.from_environment({name: str(value) for name, value in settings.items()}),
        checks=checks or {},
        providers=lambda: providers or {},
        clock=clock,
        statistics=lambda: statistics or {},
    )
    return World(parts, state, bus, clock, Harness(machine, state, bus))
