"""A worker process of a chaos run: the machine, the worker's loop and the reconciler, as they are deployed."""

from __future__ import annotations

import dataclasses
import logging
import random
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from benchmarks.chaos_bus import QUEUES, SocketBus
from benchmarks.chaos_effects import EffectLog
from benchmarks.chaos_jobs import Handlers, registries
from benchmarks.chaos_setting import POLICY, RECONCILE_SECONDS, Setting
from core.committer import PATIENCE_SECONDS, Committer
from core.context import StopSignal
from core.errors import TransientError
from core.machine import CoreMachine
from core.ports import MessageBus, StateStore
from core.reconciler import Reconciler
from core.system import RandomIds
from core.worker import Worker
from infrastructure.postgres.pool import ConnectionPoolManager
from infrastructure.postgres.store import PostgresStateStore
from infrastructure.settings import Settings
from testing.factories import Registries
from testing.memory_blobs import MemoryBlobStore

ASKED_TO = signal.SIGTERM
MAX_BATCH = 50


def settings_for(url: str) -> Settings:
    """Those of production, with timeouts for a database that is gone every few seconds."""
    return Settings.from_environment(
        {
            "DATABASE_URL": url,
            "DOCKER_DB_POOL_MIN": "1",
            "DOCKER_DB_POOL_MAX": "3",
            "DATABASE_POOL_TIMEOUT_SECONDS": "5",
            "DATABASE_LOCK_TIMEOUT_SECONDS": "5",
            "DATABASE_STATEMENT_TIMEOUT_SECONDS": "20",
            "DATABASE_IDLE_TRANSACTION_TIMEOUT_SECONDS": "2",
        }
    )


@contextmanager
def opened_machine(setting: Setting, store: StateStore, found: Registries) -> Iterator[tuple[CoreMachine, MessageBus]]:
    """A machine for one thread, with its own connection to the bus."""
    with SocketBus(setting.bus_address) as bus:
        machine = CoreMachine(
            found.jobs, found.handlers, store, bus, blobs=MemoryBlobStore(), clock=setting.clock(), ids=RandomIds()
        )
        yield machine, bus


class Process:
    """Works until it is asked to end, or a part of it fails."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._stop = StopSignal()
        self._ended = threading.Event()
        self._log = EffectLog(setting.effects)
        self._registries = registries(Handlers(self._log, setting.seed))

    def run(self) -> None:
        """Raises what any of its threads raised."""
        signal.pthread_sigmask(signal.SIG_BLOCK, [ASKED_TO])  # before there are threads: they inherit it
        threading.Thread(target=self._wait_for_signal, daemon=True).start()
        settings = settings_for(self._setting.database_url)
        with ConnectionPoolManager.from_settings(settings) as pool, ThreadPoolExecutor(1) as repairs:
            store = PostgresStateStore(pool)
            repairing = repairs.submit(self._repair, store)
            repairing.add_done_callback(self._end)
            try:
                self._work(store)
            finally:
                self._ended.set()
            repairing.result()

    def _work(self, store: StateStore) -> None:
        with opened_machine(self._setting, store, self._registries) as (machine, bus):
            patience = PATIENCE_SECONDS / self._setting.speed
            committer = Committer(machine.attempts, MAX_BATCH, patience)
            with Worker(machine, bus, QUEUES, self._wait, MAX_BATCH, committer) as worker:
                worker.run(self._stop)

    def _repair(self, store: StateStore) -> None:
        chance = random.SystemRandom()
        with opened_machine(self._setting, store, self._registries) as (machine, bus):
            reconciler = Reconciler(machine, bus, POLICY)
            while not self._wait(RECONCILE_SECONDS * chance.uniform(0.5, 1.5)):
                try:
                    repairs = reconciler.run_once()
                except TransientError:
                    continue
                if repairs.total:
                    self._log.repaired(dataclasses.asdict(repairs))

    def _wait(self, seconds: float) -> bool:
        return self._ended.wait(seconds / self._setting.speed)

    def _wait_for_signal(self) -> None:
        # A thread that takes the signal may set an event; a handler in the midst of the event's own code may not.
        signal.sigwait([ASKED_TO])
        self._end(None)

    def _end(self, repairing: Future[None] | None) -> None:
        self._stop.set("asked to" if repairing is None else "the reconciler ended")
        self._ended.set()


def work(setting: Setting) -> None:
    """The worker's process. Its log is its standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(message)s %(code)s", defaults={"code": ""}))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    Process(setting).run()
