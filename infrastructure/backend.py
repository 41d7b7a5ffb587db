"""All of a process that reaches outside: its store, bus and blobs, and what works on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Self

from core.background_relay import BackgroundRelay
from core.claim_check import ClaimCheckBus
from core.claim_garbage import ClaimGarbage
from core.deadletters import DeadLetters
from core.group_commit import GroupCommit
from core.heartbeat import Heartbeat
from core.ids import JobId
from core.machine import CoreMachine
from core.ports import StateStore
from core.queues import QueueNames
from core.reconciler import Reconciler
from core.registry import HandlerRegistry, JobRegistry
from core.relay import OutboxRelay
from core.retention import Retention, RetentionPolicy
from core.runner import HandlerRunner
from core.system import RandomIds, SystemClock
from handlers.portal.transfer import Transfers
from infrastructure.blob_storage.connection import blob_service
from infrastructure.blob_storage.links import BlobLinks
from infrastructure.blob_storage.store import AzureBlobStore
from infrastructure.functions.hand_over import HandOver
from infrastructure.functions.queue_trigger import QueueTrigger
from infrastructure.lazy import Lazy
from infrastructure.postgres.connection import ENTRA_SCOPE, ConnectionSource
from infrastructure.postgres.pool import ConnectionPoolManager
from infrastructure.postgres.portal_schemas import PostgresPortalSchemas
from infrastructure.postgres.store import PostgresStateStore
from infrastructure.sealed.ring import key_ring
from infrastructure.sealed.store import SealedBlobStore
from infrastructure.service_bus.bus import AzureServiceBus
from infrastructure.service_bus.connection import BusConnection
from infrastructure.settings import Settings
from infrastructure.tokens import TokenCache

if TYPE_CHECKING:
    from infrastructure.task_start.client import TaskStartClient

NO_JOB = JobId("")
DAY = 86_400.0
HEADER_BYTES = 2 * 1024
"""What is left for a message's headers and its envelope under the tier's limit, more than ours take."""

LEASE_SHARE = 0.95
"""Of the time that a task is held by a process that is not heard of: its lease. The rest is for noticing that it ran
out, and for waking another worker, so that the task is claimed again when that time is over and not some time after.
"""

LETTERS_A_PASS = 1_000
"""Dead letters of a queue that are moved each time."""


def queue_names(settings: Settings) -> QueueNames:
    """Where a function calls the worker, long tasks wake functions like any other."""
    long_running = settings.tasks_queue if settings.calls_worker else settings.long_running_queue
    return QueueNames(settings.jobs_queue, settings.tasks_queue, long_running)


class Backend:
    """Made of settings, without a connection to anything: each part connects when it is first used.

    For any number of threads. ``wait_seconds``: how long the bus waits for a message to be received. Raises
    :class:`infrastructure.settings.SettingsInvalid`, and :class:`core.errors.BusMisconfigured`, for settings that name
    nothing.
    """

    def __init__(
        self, settings: Settings, jobs: JobRegistry, handlers: HandlerRegistry, *, wait_seconds: float = 0.0
    ) -> None:
        self.settings = settings
        self.jobs = jobs
        self.handlers = handlers
        self.clock = SystemClock()
        self.ids = RandomIds()
        self.queues = queue_names(settings)
        self.tokens = TokenCache(self.clock)
        self.pool = ConnectionPoolManager.from_settings(
            settings, ConnectionSource.from_settings(settings, credential=self.tokens)
        )
        self.tokens.on_renewal(ENTRA_SCOPE, self.pool.recreate_pool)
        self.store: StateStore = PostgresStateStore(self.pool)
        self.schemas = PostgresPortalSchemas(self.pool)
        storage = blob_service(settings, credential=self.tokens)
        self.blobs = AzureBlobStore(storage, settings.storage_container)
        self.sealing_keys = key_ring(settings, self.clock, self.tokens)
        self.transfers = Transfers(
            self.blobs,
            SealedBlobStore(self.blobs, self.sealing_keys),
            BlobLinks(storage, settings.storage_container, self.clock),
            self.clock,
            settings.portal_link_seconds,
            settings.document_max_bytes,
        )
        self.service_bus = AzureServiceBus(BusConnection(settings, credential=self.tokens), self.clock, wait_seconds)
        body_limit = settings.service_bus_max_message_bytes - HEADER_BYTES
        self.bus = ClaimCheckBus(self.service_bus, self.blobs, self.clock, body_limit)
        self._relay = BackgroundRelay(self.store, self.bus, self.clock)
        self.dead_letters = DeadLetters(self.store, self._relay, self.clock)
        self.heartbeat = Heartbeat(self.store, self.clock, settings.lease_seconds * LEASE_SHARE)
        self._trigger_machine = self._machine(GroupCommit.wrap(self.store))
        self._reconciler = Reconciler(self._trigger_machine, self.bus)
        self._open = ExitStack()
        self._hand_over = HandOver(self._trigger_machine, Lazy(self._client))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End every connection. What is under way fails as if the other side had gone."""
        self.tokens.close()
        self._open.close()
        self.service_bus.close()
        self._relay.close()
        self.heartbeat.close()
        self.pool.close()
        self.sealing_keys.close()
        self.blobs.close()

    def worker_machine(self, runner: HandlerRunner | None = None) -> CoreMachine:
        """For a loop that claims and commits by itself. ``runner`` calls handlers, by default in the loop's thread."""
        return self._machine(self.store, runner=runner)

    def request_machine(self) -> CoreMachine:
        """For those who are to be answered once the store has it, whether or not the bus is there."""
        return self._machine(self.store, self._relay)

    def queue_trigger(self, queue: str) -> QueueTrigger:
        """For any number of threads: what they claim and commit at the same time goes to the store together."""
        trigger = partial(QueueTrigger, queue, self._trigger_machine, self.bus, self.bus.resolve)
        return trigger(self._hand_over) if self.settings.calls_worker else trigger()

    # --- what timers do ---

    def reconcile(self) -> None:
        """What is repaired, and outcomes that this process keeps since the store was away."""
        self._trigger_machine.attempts.commit_kept()
        self._reconciler.run_once()

    def collect_dead_letters(self) -> None:
        """Move dead letters from the broker into the store; the next pass goes on where this one ends."""
        largest = self.settings.service_bus_max_message_bytes
        for queue in self.queues.all():
            self.service_bus.move_dead_letters(queue, self.dead_letters.record, LETTERS_A_PASS, largest)

    def sweep(self) -> None:
        """Plain files of links that have ended, and of uploads that nobody confirmed."""
        self.transfers.sweep()

    def retire(self) -> None:
        policy = RetentionPolicy(keep_seconds=self.settings.retention_days * DAY)
        Retention(self.store, self.clock, policy, archive=self.blobs).run_once()
        ClaimGarbage(self.store, self.bus, self.blobs, self.queues.all()).collect(self.clock.now())

    # --- what it is made of ---

    def checks(self) -> Mapping[str, Callable[[], None]]:
        """By name, a call that returns where the part answers, and raises :class:`core.errors.CoreMachineError`."""
        return {
            "database": self._ask_database,
            "service_bus": self._ask_bus,
            "storage": self._ask_storage,
        }

    def providers(self) -> Mapping[str, Mapping[str, str]]:
        """The adapters and where they connect to; nothing secret."""
        return {
            "state_store": {"adapter": type(self.store).__name__, "address": self.pool.source.address},
            "message_bus": {"adapter": type(self.service_bus).__name__, "address": self.service_bus.address},
            "blob_store": {"adapter": type(self.blobs).__name__, "address": self.blobs.address},
            "ocr_engine": {"adapter": self.settings.ocr_engine},
        }

    def _machine(
        self, store: StateStore, relay: OutboxRelay | None = None, runner: HandlerRunner | None = None
    ) -> CoreMachine:
        return CoreMachine(
            self.jobs,
            self.handlers,
            store,
            self.bus,
            blobs=self.blobs,
            clock=self.clock,
            ids=self.ids,
            queues=self.queues,
            heartbeat=self.heartbeat,
            relay=relay,
            runner=runner,
        )

    def _client(self) -> TaskStartClient:
        from infrastructure.task_start.client import TaskStartClient  # noqa: PLC0415 - its HTTP client is slow to import

        client = TaskStartClient.from_settings(self.settings, self.clock)
        self._open.callback(client.close)
        return client

    def _ask_database(self) -> None:
        self.store.load_run(NO_JOB, 1)

    def _ask_bus(self) -> None:
        for queue in self.queues.all():
            self.service_bus.probe(queue)

    def _ask_storage(self) -> None:
        next(iter(self.blobs.names("readiness/")), None)
