from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from threading import Event
from typing import Any, cast

import pytest

from core.attempts import LEASE_MARGIN, START_SECONDS, Started
from core.context import StopReason, StopSignal, TaskContext
from core.errors import StoreUnavailable
from core.handlers import task_handler
from core.heartbeat import LEASE_SECONDS, RENEWALS_A_LEASE, RETRIES_A_LEASE, Heartbeat
from core.machine import CoreMachine
from core.messages import TaskQueueMessage, decode
from core.model import LeaseExpired, RunStatus, TaskStatus
from core.ports import StateStore
from core.queues import QueueNames
from handlers.hello_world import Greeting, GreetingParams, hello_world_greeting, hello_world_jobs, hello_world_reply
from testing.clock import FakeClock, SeededIds
from testing.factories import Registries
from testing.memory_blobs import MemoryBlobStore
from testing.mock_bus import MockServiceBusRepository
from testing.mock_state import MockStateManager

TIMEOUT = 300.0


class Running:
    """A machine with a heartbeat that is stepped by hand, and one task in it whose handler does what a test says."""

    def __init__(self, *, long_running: bool = False) -> None:
        self.clock = FakeClock()
        self.state = MockStateManager(self.clock)
        self.bus = MockServiceBusRepository(self.clock)
        self.heartbeat = Heartbeat(self.state, self.clock, wait=lambda closed, seconds: closed.wait(60))
        self.during: Any = lambda: None
        registries = Registries.of(
            hello_world_jobs(),
            [
                task_handler("hello_world_greeting", self.handler, timeout=TIMEOUT, long_running=long_running),
                task_handler("hello_world_reply", hello_world_reply),
            ],
        )
        self.machine = CoreMachine(
            registries.jobs,
            registries.handlers,
            cast(StateStore, self.state),
            self.bus,
            blobs=MemoryBlobStore(),
            clock=self.clock,
            ids=SeededIds(),
            heartbeat=self.heartbeat,
        )
        self.machine.submit("hello_world", {"n": 1})
        self.machine.process_job_message(cast(Any, decode(self.bus.receive("jobs", 1)[0].body)))
        queue = QueueNames().long_running if long_running else "tasks"
        self.message = cast(TaskQueueMessage, decode(self.bus.receive(queue, 1)[0].body))

    def handler(self, params: GreetingParams, context: TaskContext) -> Greeting:
        self.context = context
        self.during()
        return hello_world_greeting(params, context)

    def run(self) -> str:
        return self.machine.process_task_message(self.message).effect

    def expired(self) -> Sequence[LeaseExpired]:
        return self.state.expired_leases(self.clock.now(), 10, {"hello_world_greeting"})


@pytest.fixture
def running() -> Any:
    running = Running()
    yield running
    running.heartbeat.close()


def test_a_handler_that_takes_many_leases_keeps_its_task(running: Running) -> None:
    seen: list[int] = []

    def long() -> None:
        for _ in range(4 * RENEWALS_A_LEASE):
            running.clock.advance(LEASE_SECONDS / RENEWALS_A_LEASE)
            running.heartbeat.beat()
            seen.append(len(running.expired()))

    running.during = long

    assert running.run() == "applied"
    assert (running.heartbeat.renewed, running.heartbeat.lost) == (4 * RENEWALS_A_LEASE, 0)
    assert set(seen) == {0}
    assert running.state.load_task(running.message.task_id).status is TaskStatus.COMPLETED  # type: ignore[union-attr]


def test_what_a_process_held_that_died_is_free_after_one_lease(running: Running) -> None:
    claimed = running.machine.attempts.claim(running.message)
    assert isinstance(claimed, Started)
    running.clock.advance(LEASE_SECONDS - 1)
    before = len(running.expired())
    running.clock.advance(2)

    assert (before, len(running.expired())) == (0, 1)


@pytest.mark.parametrize(("long_running", "around"), [(False, LEASE_MARGIN), (True, LEASE_MARGIN + START_SECONDS)])
def test_who_hangs_past_the_handlers_timeout_is_told_and_loses_the_task(long_running: bool, around: float) -> None:
    running, told_after, expired_after = Running(long_running=long_running), [], []

    def hangs() -> None:
        beat = LEASE_SECONDS / RENEWALS_A_LEASE
        for number in range(1, int((TIMEOUT + around) / beat) + 2 * RENEWALS_A_LEASE):
            running.clock.advance(beat)
            running.heartbeat.beat()
            if running.context.stop_reason == StopReason.LEASE_LOST:
                told_after.append(number * beat)
            if running.expired():
                expired_after.append(number * beat)

    running.during = hangs
    try:
        running.run()
    finally:
        running.heartbeat.close()

    assert told_after[0] == TIMEOUT + around
    assert told_after[0] < expired_after[0] <= TIMEOUT + around + LEASE_SECONDS
    assert running.heartbeat.lost == 0


def test_nothing_is_renewed_once_the_attempt_has_ended(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    running.run()
    renewed: list[object] = []
    monkeypatch.setattr(running.state, "renew_lease", lambda *given: renewed.append(given))
    running.heartbeat.beat()

    assert renewed == []


def test_a_store_that_is_away_for_a_beat_is_asked_again_sooner(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    expired: list[LeaseExpired] = []

    def away(*_: object) -> None:
        raise StoreUnavailable("no answer")

    def long() -> None:
        with monkeypatch.context() as patched:
            patched.setattr(running.state, "renew_lease", away)
            running.clock.advance(LEASE_SECONDS / 2)
            pauses.append(running.heartbeat.beat())
        pauses.append(running.heartbeat.beat())
        running.clock.advance(LEASE_SECONDS * 3 / 4)
        expired.extend(running.expired())

    running.during = long

    assert running.run() == "applied"
    assert pauses == [LEASE_SECONDS / RETRIES_A_LEASE, LEASE_SECONDS / RENEWALS_A_LEASE]
    assert expired == []


def test_a_lease_that_was_lost_is_let_go_and_the_result_refused(running: Running) -> None:
    held: list[object] = []

    def loses() -> None:
        running.clock.advance(LEASE_SECONDS + 1)
        (lost,) = running.expired()
        running.machine.end_lost_attempt(running.message, lost)
        running.heartbeat.beat()
        held.append(dict(running.heartbeat._held))

    running.during = loses

    assert running.run() == "lease_lost"
    assert held == [{}]
    assert (running.heartbeat.renewed, running.heartbeat.lost) == (0, 1)


def test_the_thread_beats_by_itself_and_ends_when_it_is_closed(running: Running) -> None:
    clock, beaten = FakeClock(), Event()
    waits: list[float] = []

    class Store:
        def renew_lease(self, *_: object) -> None:
            beaten.set()

    def wait(closed: Event, seconds: float) -> bool:
        waits.append(seconds)
        return closed.wait(60) if beaten.is_set() else False

    claimed = running.machine.attempts.claim(running.message)
    lease = claimed.claim.lease  # type: ignore[union-attr]
    heartbeat = Heartbeat(cast(Any, Store()), clock, 40.0, wait)
    with heartbeat.holding(lease._replace(expires_at=clock.now() + timedelta(seconds=40)), TIMEOUT, StopSignal()):
        assert beaten.wait(60)
    heartbeat.close()

    assert set(waits) == {10.0}


def test_a_short_handlers_lease_is_no_longer_than_it_needs(running: Running) -> None:
    handler = running.machine.handlers.find("hello_world_reply")

    assert running.machine.attempts._lease_seconds(handler) == min(handler.timeout + 30.0, LEASE_SECONDS)


def test_whoever_loses_its_lease_is_told_so_by_the_next_beat(running: Running) -> None:
    told: list[str | None] = []

    def loses() -> None:
        running.state.finish_run(running.message.job_id, 1, RunStatus.CANCELLED, None, None, running.clock.now())
        running.heartbeat.beat()
        told.append(running.context.stop_reason)

    running.during = loses
    running.run()

    assert told == [StopReason.CANCELLED]
