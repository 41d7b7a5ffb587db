"""What the queue's loop does beyond what both modes do: locks, pauses, and its end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from threading import Event
from typing import Any, cast

import pytest

from core.context import StopReason, TaskContext
from core.errors import BusRequestRefused, BusUnavailable, BusWrongThread, CoreMachineError, LockLost, StoreUnavailable
from core.messages import JobQueueMessage
from core.model import OutboundMessage, TaskStatus
from core.ports import MessageBus, ReceivedMessage
from docker_worker.backoff import Backoff
from docker_worker.message_lock import LONGEST_PAUSE, MessageLock
from docker_worker.queue_worker import CLAIMS, BackgroundQueueWorker
from docker_worker.status import WorkerState
from testing.mock_state import MockStateManager
from tests.support.long_task import LONG, World

FOR_EVER = 60.0
"""Seconds that a test waits for another thread; none takes so long unless it hangs."""


class Runner:
    def __init__(self) -> None:
        self.while_waiting: Callable[[], None] = lambda: None


class Bus:
    """The world's bus, in front of which a test stands: ``fails`` says what a call raises, if anything."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.calls: list[str] = []
        self.fails: Callable[[str], Exception | None] = lambda name: None

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            self.calls.append(name)
            error = self.fails(name)
            if error is not None:
                raise error
            return getattr(self._world.bus, name)(*arguments)

        return call


class Desk:
    """A loop that is stepped by hand on a world's clock, and one message in its queue."""

    def __init__(self) -> None:
        self.world = World()
        self.bus = Bus(self.world)
        self.runner = Runner()
        self.waits: list[float] = []
        self.waited: Callable[[], None] = lambda: None
        self.worker = BackgroundQueueWorker(
            self.world.slot,
            cast(MessageBus, self.bus),
            LONG,
            self.runner,
            jitter=lambda: 0.0,
            end_waits=lambda: self.bus.calls.append("end_waits"),
            wait=self._wait,
        )

    def _wait(self, event: Event, seconds: float) -> bool:
        self.waits.append(seconds)
        self.world.clock.advance(seconds)
        self.waited()
        return event.is_set()

    def wake(self) -> None:
        message = self.world.message
        self.world.bus.inject(OutboundMessage(LONG, message.message_id, message.name, message.encode()))

    def works(self, minutes: float, between: Callable[[], None] = lambda: None) -> None:
        """Let the handler work for so long, the runner calling as runners do."""

        def during(context: TaskContext) -> None:
            for _ in range(int(minutes * 60)):
                self.world.clock.advance(1)
                self.runner.while_waiting()
                between()

        self.world.during = during

    def deliveries(self) -> int:
        """How often the message was delivered, once it comes again."""
        self.world.clock.advance(1_000)
        (message,) = self.world.bus.receive(LONG, 1)
        return message.delivery_count

    def left(self) -> Sequence[ReceivedMessage]:
        self.world.clock.advance(1_000)
        return self.world.bus.receive(LONG, 10)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_the_lock_is_kept_for_as_long_as_the_task_takes(desk: Desk) -> None:
    desk.wake()
    desk.works(30)

    desk.worker.step()

    assert desk.world.task.status is TaskStatus.COMPLETED
    assert desk.bus.calls.count("renew_lock") == 30 * 60 / LONGEST_PAUSE.total_seconds()
    assert desk.left() == []


def test_a_lock_that_is_lost_is_noted_once_and_the_task_goes_on(desk: Desk) -> None:
    desk.wake()
    desk.works(30)
    desk.bus.fails = lambda name: LockLost("gone") if name in ("renew_lock", "complete") else None

    desk.worker.step()

    assert (desk.world.task.status, desk.world.task.charged) == (TaskStatus.COMPLETED, 0)
    assert desk.world.status.snapshot().locks_lost == 1
    assert desk.bus.calls.count("renew_lock") == 1
    desk.bus.fails = lambda name: None
    desk.world.clock.advance(60)
    desk.worker.step()
    assert desk.world.calls == 1
    assert desk.left() == []


@pytest.mark.parametrize("error", [BusUnavailable, BusRequestRefused, BusWrongThread])
def test_a_bus_that_renews_nothing_while_a_task_runs_is_asked_seldom_and_holds_nothing_up(
    desk: Desk, error: type[CoreMachineError]
) -> None:
    desk.wake()
    desk.works(10)
    desk.bus.fails = lambda name: error("not renewed") if name == "renew_lock" else None
    began = desk.world.clock.now()

    desk.worker.step()

    assert (desk.world.task.status, desk.world.task.charged) == (TaskStatus.COMPLETED, 0)
    assert desk.world.bus.dead_letters(LONG, 1) == []
    assert desk.world.clock.now() - began < timedelta(minutes=11)
    assert 10 < desk.bus.calls.count("renew_lock") < 30


def test_a_clock_that_is_wrong_does_not_keep_a_lock_from_being_renewed(desk: Desk) -> None:
    for wrong in (timedelta(hours=-1), timedelta(hours=1)):
        desk.wake()
        (message,) = desk.world.bus.receive(LONG, 1)
        lock = MessageLock(cast(MessageBus, desk.bus), desk.world.clock, lambda: 0.0)
        lock.hold(message._replace(locked_until=message.locked_until + wrong))
        desk.bus.calls.clear()
        for _ in range(59):
            desk.world.clock.advance(1)
            lock.keep()

        assert 1 <= desk.bus.calls.count("renew_lock") <= 30
        desk.world.bus.complete(message)
        desk.world.clock.advance(1_000)


@pytest.mark.parametrize("away", ["the queue", "the store", "settling", "the queue, by mistake"])
def test_whatever_is_away_is_asked_with_growing_pauses(desk: Desk, away: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def no_store(*_: object) -> None:
        asked.append("load_run")
        raise StoreUnavailable("away")

    if away == "the store":
        monkeypatch.setattr(desk.world.state, "load_run", no_store)
    names = {"settling": ("complete", "abandon")}.get(away, ("receive",))
    error = BusRequestRefused if "mistake" in away else BusUnavailable
    if away != "the store":
        desk.bus.fails = lambda name: error("away") if name in names else None
    for _ in range(200):
        desk.wake()
    began = desk.world.clock.now()

    while desk.world.clock.now() - began < timedelta(minutes=10):
        desk.worker.step()

    assert 20 < len(desk.waits) < 40
    assert len(desk.bus.calls) + len(asked) < 100
    assert max(desk.waits) == 30
    assert desk.waits[:3] == [0.5, 1.0, 2.0]
    if away != "settling":
        assert desk.world.status.snapshot().state is WorkerState.WAITING
    if away == "the store":
        assert "receive" not in desk.bus.calls
        assert desk.world.status.snapshot().waiting_for == "STORE_UNAVAILABLE"


def test_a_queue_that_is_empty_and_does_not_wait_is_not_asked_without_a_pause(desk: Desk) -> None:
    for _ in range(10):
        desk.worker.step()

    assert desk.waits == [0.5] * 10
    assert desk.world.status.snapshot().state is WorkerState.IDLE


def test_pauses_are_not_the_same_for_all() -> None:
    calm, hasty = Backoff(lambda: 0.0), Backoff(lambda: 0.999)

    for _ in range(10):
        longest, shortest = calm.failed(), hasty.failed()
        assert longest / 2 < shortest < longest * 0.51
    assert calm.failing
    calm.answered()
    assert calm.failed() == 0.5


def test_a_message_whose_claim_the_store_is_away_for_is_held_and_not_counted(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim, times = desk.world.state.claim_task, iter(range(5))

    def away_at_first(*request: Any) -> Any:
        if next(times, None) is not None:
            raise StoreUnavailable("read-only")
        return claim(*request)

    monkeypatch.setattr(desk.world.state, "claim_task", away_at_first)
    desk.wake()

    desk.worker.step()

    assert desk.world.task.status is TaskStatus.COMPLETED
    assert "abandon" not in desk.bus.calls


def test_the_lock_is_kept_while_the_store_is_away_for_the_claim(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    claim, refused_at = desk.world.state.claim_task, list[datetime]()

    def away_for_longer_than_a_lock(*request: Any) -> Any:
        if len(refused_at) < CLAIMS - 1:
            refused_at.append(desk.world.clock.now())
            raise StoreUnavailable("read-only")
        return claim(*request)

    monkeypatch.setattr(desk.world.state, "claim_task", away_for_longer_than_a_lock)
    desk.wake()

    desk.worker.step()

    assert refused_at[-1] - refused_at[0] > timedelta(seconds=30)
    assert "renew_lock" in desk.bus.calls
    assert desk.bus.calls[-1] == "complete"
    assert (desk.world.calls, desk.world.status.snapshot().locks_lost) == (1, 0)
    assert desk.left() == []


def test_a_message_whose_claim_never_comes_about_is_given_back(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise StoreUnavailable("read-only")

    monkeypatch.setattr(desk.world.state, "claim_task", away)
    desk.wake()

    desk.worker.step()

    assert desk.bus.calls[-1] == "abandon"
    assert desk.deliveries() == 2


def test_a_message_that_is_no_task_goes_to_the_machine(desk: Desk) -> None:
    job = desk.world.machine.submit("hello_world", {"n": 3}).run
    message = JobQueueMessage(job_id=job.job_id, run=1, job_type="hello_world")
    desk.world.bus.send([OutboundMessage(LONG, message.message_id, message.name, message.encode())])

    desk.worker.step()

    run = desk.world.state.load_run(job.job_id, 1)
    assert run is not None
    assert [stage.total for stage in run.stages] == [3]
    assert desk.left() == []


def test_a_message_that_came_as_it_was_told_to_stop_is_given_back(desk: Desk) -> None:
    desk.wake()

    def stops(name: str) -> None:
        if name == "receive":
            desk.worker.stop()

    desk.bus.fails = stops
    desk.worker.run()

    assert desk.world.calls == 0
    assert desk.bus.calls == ["receive", "end_waits", "abandon"]


def test_a_task_that_runs_is_told_to_stop_and_nothing_is_taken_after_it(desk: Desk) -> None:
    told: list[str | None] = []

    def during(context: TaskContext) -> None:
        desk.worker.stop()
        told.append(context.stop_reason)

    desk.world.during = during
    desk.wake()
    desk.worker.run()

    assert told == [StopReason.SHUTDOWN]
    assert (desk.world.task.status, desk.world.task.charged) == (TaskStatus.QUEUED, 0)
    assert desk.bus.calls.count("receive") == 1
    assert [message.message_id[-2:] for message in desk.left()] == [":2"]


@pytest.mark.parametrize(("back_after", "status"), [(20.0, TaskStatus.COMPLETED), (40.0, TaskStatus.RUNNING)])
def test_once_told_to_stop_a_kept_outcome_is_tried_within_the_grace_period(
    desk: Desk, back_after: float, status: TaskStatus, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish, back_at = desk.world.state.finish_attempt, desk.world.clock.now() + timedelta(seconds=back_after)

    def away_until(*given: Any) -> Any:
        if desk.world.clock.now() < back_at:
            desk.worker.stop()
            raise StoreUnavailable("away")
        return finish(*given)

    def many(ends: Sequence[Any]) -> Any:
        return [away_until(*end) for end in ends]

    monkeypatch.setattr(desk.world.state, "finish_attempt", away_until)
    monkeypatch.setattr(desk.world.state, "finish_attempts", many)
    desk.wake()
    desk.worker.run()

    assert desk.world.task.status is status
    assert sum(desk.waits) < 35
    assert 3 < len(desk.waits) < 15


def test_the_lock_is_kept_while_an_outcome_is(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    finish, back_at = desk.world.state.finish_attempt, desk.world.clock.now() + timedelta(minutes=3)

    def away_until(*given: Any) -> Any:
        if desk.world.clock.now() < back_at:
            raise StoreUnavailable("away")
        return finish(*given)

    monkeypatch.setattr(desk.world.state, "finish_attempt", away_until)
    monkeypatch.setattr(desk.world.state, "finish_attempts", lambda ends: [away_until(*end) for end in ends])
    desk.wake()
    desk.worker.step()

    assert desk.world.task.status is TaskStatus.COMPLETED
    assert desk.bus.calls.count("renew_lock") >= 3
    assert desk.world.status.snapshot().locks_lost == 0
    assert desk.left() == []


def test_a_task_of_which_nothing_is_kept_is_not_taken_for_committed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(desk.world.slot, "run", away)
    desk.wake()
    desk.worker.step()

    assert desk.bus.calls[-1] == "abandon"
    assert desk.world.task.status is TaskStatus.RUNNING


def test_an_error_of_its_own_ends_the_thread_and_is_seen(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    error = ZeroDivisionError("of a secret")

    def bug(self: MockStateManager, *_: object) -> None:
        raise error

    monkeypatch.setattr(MockStateManager, "load_run", bug)

    desk.worker.start()

    assert desk.worker.join(FOR_EVER)
    assert not desk.worker.alive
    assert desk.world.status.snapshot().state is WorkerState.STOPPED
    (record,) = [one for one in caplog.records if one.levelname == "CRITICAL"]
    assert "load_run" in record.getMessage()
    assert "secret" not in caplog.text
