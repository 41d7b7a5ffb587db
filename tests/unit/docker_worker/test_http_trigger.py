"""What only the worker has that is called: who is told what, and what happens between claim and thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Condition, Event, Thread
from typing import Any

import pytest

from core.context import TaskContext
from core.errors import StoreUnavailable
from core.messages import TaskQueueMessage
from core.model import TaskStatus
from docker_worker.callbacks import CallbackHosts, Callbacks, CallbackTarget
from docker_worker.http_trigger import CLAIM_SECONDS, Begun, HttpTriggeredWorker, NothingToBegin, NotTaking, Occupied
from docker_worker.status import WorkerState
from infrastructure.task_start.bodies import TaskEnded
from infrastructure.task_start.errors import CallbackRefused
from infrastructure.task_start.signature import SigningKeys
from testing.clock import SeededIds
from testing.factories import create_single_task
from tests.support.long_task import World

URL = "https://me.example/done"


class Remembers(Callbacks):
    def __init__(self, world: World) -> None:
        super().__init__(CallbackHosts(("me.example",)), SigningKeys(("k" * 16,)), world.clock, SeededIds())
        self.told: list[TaskEnded] = []

    def tell(self, target: CallbackTarget, ended: TaskEnded) -> None:
        assert str(target.url) == URL
        self.told.append(ended)


class Desk:
    def __init__(self) -> None:
        self.world = World()
        self.callbacks = Remembers(self.world)
        self.waits: list[float] = []
        self.worker = HttpTriggeredWorker(
            self.world.slot, self.callbacks, jitter=lambda: 0.0, grace_seconds=20.0, wait=self.wait
        )

    def wait(self, _condition: object, seconds: float) -> None:
        self.waits.append(seconds)
        self.world.clock.advance(seconds)

    def another(self) -> TaskQueueMessage:
        world = self.world
        return create_single_task(world.machine, world.state, "long_task", {})


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    assert made.callbacks.close(5)


@pytest.fixture
def ready(desk: Desk) -> Desk:
    desk.worker.step()
    return desk


def raising(error: BaseException) -> Callable[..., object]:
    def raises(*_: object) -> object:
        raise error

    return raises


def test_nothing_is_taken_before_the_store_has_answered(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(desk.world.state, "load_run", raising(StoreUnavailable("no answer")))
        for _ in range(3):
            desk.worker.step()
        assert desk.worker.offer(desk.world.message) == NotTaking()
        assert desk.world.status.snapshot().waiting_for == "STORE_UNAVAILABLE"
    desk.worker.step()

    assert desk.waits == [0.5, 1.0, 2.0]
    assert desk.worker.offer(desk.world.message) == Begun()
    assert desk.world.status.snapshot().state is WorkerState.IDLE


def test_who_has_nothing_to_do_looks_at_the_store_now_and_then(ready: Desk) -> None:
    ready.worker.step()
    ready.worker.step()

    assert ready.waits == [30.0, 30.0]
    assert ready.world.status.snapshot().last_poll == ready.world.clock.now()


def test_while_a_task_is_held_another_is_never_claimed(ready: Desk) -> None:
    world, other = ready.world, ready.another()
    assert ready.worker.offer(world.message) == Begun()

    assert ready.worker.offer(other) == Occupied()
    assert ready.worker.offer(world.message) == NothingToBegin("running")
    assert ready.worker.offer(world.message.model_copy(update={"attempt": 2})) == Occupied()
    record = world.state.load_task(other.task_id)
    assert record is not None
    assert record.status is TaskStatus.QUEUED

    ready.worker.step()
    assert ready.worker.offer(other) == Begun()


def test_an_older_attempt_at_the_task_that_runs_is_stale(ready: Desk) -> None:
    again = ready.world.message.model_copy(update={"attempt": 2})
    ready.world.during = lambda context: ready.worker.stop() if context.attempt == 1 else None
    other = HttpTriggeredWorker(ready.world.slot, ready.callbacks, jitter=lambda: 0.0, wait=ready.wait)
    other.step()
    ready.worker.offer(ready.world.message)
    ready.worker.step()

    assert other.offer(again) == Begun()
    assert other.offer(ready.world.message) == NothingToBegin("stale")


def test_who_calls_while_another_task_is_being_claimed_comes_again(
    ready: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, claim = ready.another(), ready.world.slot.claim
    told: list[object] = []

    def meanwhile(message: TaskQueueMessage) -> object:
        told.extend(ready.worker.offer(one) for one in (other, ready.world.message))
        return claim(message)

    monkeypatch.setattr(ready.world.slot, "claim", meanwhile)

    assert ready.worker.offer(ready.world.message) == Begun()
    assert told == [Occupied(), NothingToBegin("running")]


def test_a_claim_that_hangs_is_a_store_that_is_away(ready: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    other, claim = ready.another(), ready.world.slot.claim
    told: list[object] = []

    def meanwhile(message: TaskQueueMessage) -> object:
        ready.world.clock.advance(CLAIM_SECONDS + 0.1)
        told.extend(ready.worker.offer(one) for one in (other, ready.world.message))
        told.append(ready.world.status.snapshot().waiting_for)
        return claim(message)

    monkeypatch.setattr(ready.world.slot, "claim", meanwhile)

    assert ready.worker.offer(ready.world.message) == Begun()
    assert told == [NotTaking(), NotTaking(), "STORE_UNAVAILABLE"]
    ready.worker.step()
    assert ready.world.status.snapshot().waiting_for is None


@pytest.mark.parametrize("change", [{"stage": 2}, {"run": 2}, {"job_id": "b" * 64}])
def test_a_message_that_contradicts_the_task_that_is_held_is_not_taken_for_it(
    ready: Desk, change: dict[str, object]
) -> None:
    assert ready.worker.offer(ready.world.message) == Begun()

    assert ready.worker.offer(ready.world.message.model_copy(update=change)) == Occupied()


def test_a_claim_that_the_store_is_away_for_leaves_the_place_free(ready: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(ready.world.state, "claim_task", raising(StoreUnavailable("no answer")))
        with pytest.raises(StoreUnavailable):
            ready.worker.offer(ready.world.message)

    assert ready.worker.offer(ready.world.message) == Begun()


def test_a_callback_that_would_be_refused_claims_nothing(ready: Desk) -> None:
    with pytest.raises(CallbackRefused):
        ready.worker.offer(ready.world.message, "https://elsewhere.example/")

    assert ready.world.task.status is TaskStatus.QUEUED
    assert ready.worker.offer(ready.world.message) == Begun()


def ended(desk: Desk, effect: str, outcome: str | None, code: str | None) -> TaskEnded:
    message = desk.world.message
    return TaskEnded.model_validate(
        {
            "task_id": message.task_id,
            "attempt": 1,
            "effect": effect,
            "outcome": outcome,
            "error_code": code,
        }
    )


def test_the_end_is_told_once_to_who_asked(ready: Desk) -> None:
    ready.worker.offer(ready.world.message, URL)
    ready.worker.offer(ready.world.message, URL)
    ready.worker.step()

    assert ready.callbacks.told == [ended(ready, "applied", "succeeded", None)]


def test_a_failure_is_told_with_its_code(ready: Desk) -> None:
    def crashes(_context: TaskContext) -> None:
        raise ValueError("a secret")

    ready.world.during = crashes
    ready.worker.offer(ready.world.message, URL)
    ready.worker.step()

    assert ready.callbacks.told == [ended(ready, "applied", "failed", "HANDLER_ERROR")]


def test_an_interruption_is_told_as_that(ready: Desk) -> None:
    def is_told(context: TaskContext) -> None:
        ready.worker.stop()

    ready.world.during = is_told
    ready.worker.offer(ready.world.message, URL)
    ready.worker.step()

    assert ready.callbacks.told == [ended(ready, "applied", "interrupted", None)]


def test_what_is_kept_is_tried_until_the_grace_period_is_over_and_then_left_to_the_lease(
    ready: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready.worker.offer(ready.world.message, URL)
    ready.world.during = lambda _context: ready.worker.stop()
    for name in ("finish_attempt", "finish_attempts"):
        monkeypatch.setattr(ready.world.state, name, raising(StoreUnavailable("no answer")))
    ready.worker.step()

    assert sum(ready.waits) >= 20
    assert max(ready.waits) <= 5
    assert ready.callbacks.told == [ended(ready, "not_committed", None, "STORE_UNAVAILABLE")]
    assert ready.world.task.status is TaskStatus.RUNNING


def test_once_what_was_kept_is_committed_it_waits_for_nothing(ready: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    finish, times = ready.world.state.finish_attempt, iter(range(3))

    def away_at_first(*given: Any) -> Any:
        if next(times, None) is not None:
            raise StoreUnavailable("no answer")
        return finish(*given)

    monkeypatch.setattr(ready.world.state, "finish_attempt", away_at_first)
    monkeypatch.setattr(ready.world.state, "finish_attempts", lambda ends: [away_at_first(*end) for end in ends])
    ready.worker.offer(ready.world.message)
    ready.worker.step()

    seen = ready.world.status.snapshot()
    assert ready.world.task.status is TaskStatus.COMPLETED
    assert (seen.state, seen.waiting_for) == (WorkerState.IDLE, None)


def test_what_is_claimed_while_the_worker_is_told_to_stop_is_given_back(
    ready: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = ready.world.slot.claim
    claiming, go_on = Event(), Event()

    def slowly(message: TaskQueueMessage) -> object:
        claiming.set()
        assert go_on.wait(30)
        return claim(message)

    def lets_it_go_on(condition: Condition, _seconds: float) -> None:
        go_on.set()
        condition.wait(30)

    monkeypatch.setattr(ready.world.slot, "claim", slowly)
    worker = HttpTriggeredWorker(ready.world.slot, ready.callbacks, jitter=lambda: 0.0, wait=lets_it_go_on)
    worker.step()
    caller = Thread(target=worker.offer, args=(ready.world.message,))
    caller.start()
    try:
        assert claiming.wait(30)
        worker.stop()
        worker.step()
        outcomes = ready.world.outcomes()
    finally:
        go_on.set()
        caller.join(30)

    assert (ready.world.task.status, ready.world.task.attempt) == (TaskStatus.QUEUED, 2)
    assert (ready.world.calls, outcomes) == (0, ["given_back"])
    worker.start()
    assert worker.join(30)
    assert worker.offer(ready.world.message) == NotTaking()


def test_what_a_thread_that_died_can_take_no_more_is_given_back(ready: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    claim = ready.world.slot.claim

    def dies_meanwhile(message: TaskQueueMessage) -> object:
        with monkeypatch.context() as patched:
            patched.setattr(ready.worker, "step", raising(RuntimeError("a bug")))
            ready.worker.start()
            assert ready.worker.join(30)
        return claim(message)

    monkeypatch.setattr(ready.world.slot, "claim", dies_meanwhile)

    assert ready.worker.offer(ready.world.message) == NotTaking()
    assert (ready.world.task.status, ready.world.outcomes()) == (TaskStatus.QUEUED, ["given_back"])
    assert not ready.worker.alive
    assert ready.worker.offer(ready.world.message) == NotTaking()
