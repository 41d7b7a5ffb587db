"""How CoreMachine's process submits, is woken, is told of an end, and says what is known of a job that does not end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from threading import Event, Lock
from typing import Any, cast

import pytest

from benchmarks.peers import coremachine_peer
from benchmarks.peers.coremachine_bus import Connect, Wakeup, WakingBus, bus_inside, bus_outside
from benchmarks.peers.coremachine_peer import BUSES, JobNotDone, OpenBus, Process, working
from core.model import OutboundMessage
from core.ports import StateStore
from core.worker import IDLE_SECONDS
from testing.mock_bus import MockServiceBusRepository
from testing.mock_state import MockStateManager

FOR_EVER = 60.0
MESSAGE = OutboundMessage("tasks", "id", "task", b"{}")


class SharedStore:
    """The store in memory, for many threads."""

    def __init__(self) -> None:
        self._inner = MockStateManager()
        self._lock = threading.RLock()
        self.failing: dict[str, Exception] = {}

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            with self._lock:
                if name in self.failing:
                    raise self.failing[name]
                return getattr(self._inner, name)(*arguments, **named)

        return call


@pytest.fixture
def store() -> SharedStore:
    return SharedStore()


@pytest.mark.parametrize("open_bus", BUSES.values(), ids=list(BUSES))
def test_jobs_are_done_by_the_workers_own_thread(store: SharedStore, open_bus: OpenBus) -> None:
    with working(cast(StateStore, store), open_bus) as process:
        assert process.run("fan_out", 30) == sum(range(30))
        assert process.run("single", 1) == 0


def test_the_worker_is_woken_by_what_is_sent(monkeypatch: pytest.MonkeyPatch, store: SharedStore) -> None:
    """It would sit out its pause otherwise, which is made longer than any test may take."""
    waits: list[float] = []

    def wait(self: Wakeup, seconds: float) -> None:
        waits.append(seconds)
        assert self.sent.wait(FOR_EVER)
        self.sent.clear()

    monkeypatch.setattr(Wakeup, "wait", wait)

    with working(cast(StateStore, store), bus_inside) as process:
        for _ in range(3):
            process.run("single", 1)

    assert set(waits) == {IDLE_SECONDS}


def test_a_wait_is_cut_short_by_what_was_sent_before_it() -> None:
    wakeup = Wakeup()
    bus = WakingBus(MockServiceBusRepository(), Lock(), wakeup.sent)

    bus.send([MESSAGE])
    wakeup.wait(FOR_EVER)

    assert [message.message_id for message in bus.receive("tasks", 10)] == ["id"]
    assert not wakeup.sent.is_set()


def test_the_bus_outside_keeps_what_one_connection_sent_for_another() -> None:
    sent = Event()
    with bus_outside(sent) as connect:
        connect().send([MESSAGE])
        other = connect()
        (message,) = other.receive("tasks", 10)
        other.complete(message)

    assert sent.is_set()


def test_a_job_that_does_not_end_says_where_it_stands(monkeypatch: pytest.MonkeyPatch, store: SharedStore) -> None:
    monkeypatch.setattr(coremachine_peer, "LOOK_SECONDS", 0.001)
    monkeypatch.setattr(coremachine_peer, "PATIENCE_SECONDS", 0.003)

    with idle_process(store) as process, pytest.raises(JobNotDone, match="single is queued; error: None; stages: ;"):
        process.run("single", 1)


def test_a_job_that_failed_says_why(store: SharedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coremachine_peer, "LOOK_SECONDS", 0.001)

    with (
        working(cast(StateStore, store), bus_inside) as process,
        pytest.raises(JobNotDone, match=r"fan_out is failed; error: ErrorInfo\(code='DEFINITION_ERROR'"),
    ):
        process.run("fan_out", 100_001)


def test_a_job_that_does_not_end_says_what_was_buried(monkeypatch: pytest.MonkeyPatch, store: SharedStore) -> None:
    monkeypatch.setattr(coremachine_peer, "LOOK_SECONDS", 0.001)
    monkeypatch.setattr(coremachine_peer, "PATIENCE_SECONDS", 0.003)

    with idle_process(store) as process:
        process._bus.send([MESSAGE])
        (message,) = process._bus.receive("tasks", 1)
        process._bus.dead_letter(message, "REFUSED", "")

        with pytest.raises(JobNotDone, match=r"dead letters: \['REFUSED'\]"):
            process.run("single", 1)


def test_a_worker_that_broke_is_not_waited_for(store: SharedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coremachine_peer, "LOOK_SECONDS", 0.001)
    store.failing["claim_tasks"] = ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"), working(cast(StateStore, store), bus_inside) as process:
        process.run("single", 1)


@contextmanager
def idle_process(store: SharedStore) -> Iterator[Process]:
    """One whose worker does nothing."""
    working: Future[None] = Future()
    with bus_inside(Event()) as connect:
        yield process_with(store, connect, working)


def process_with(store: SharedStore, connect: Connect, working: Future[None]) -> Process:
    bus = connect()
    machine = coremachine_peer._machine(cast(StateStore, store), bus)
    return Process(machine, bus, Event(), working)
