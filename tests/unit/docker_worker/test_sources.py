"""The same claim, the same ends: a task that a message of the queue wakes, and one that a call starts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import pytest

from core.context import TaskContext
from core.errors import CoreMachineError, StoreUnavailable, TransientTaskError
from core.messages import TaskQueueMessage
from core.model import OutboundMessage, RunStatus, TaskStatus
from core.reconciler import Reconciler, ReconcilerPolicy
from docker_worker.callbacks import CallbackHosts, Callbacks
from docker_worker.http_trigger import HttpTriggeredWorker
from docker_worker.queue_worker import BackgroundQueueWorker
from docker_worker.status import WorkerState
from docker_worker.task_slot import LongTaskSource
from infrastructure.task_start.signature import SigningKeys
from testing.clock import SeededIds
from tests.support.long_task import LEASE, LONG, World

TURNS = 2


class Mode(Protocol):
    source: LongTaskSource

    def wake(self, message: TaskQueueMessage) -> str | None:
        """Give the source a message, and let it do what comes of it; the code with which it was refused for good."""
        ...


class ByQueue:
    """A message in the queue, and a few turns of the loop: a message whose lock was lost comes again."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._runner = Runner()
        self.source = BackgroundQueueWorker(
            world.slot, world.bus, LONG, self._runner, jitter=lambda: 0.0, wait=self._wait
        )

    def _wait(self, _event: object, seconds: float) -> bool:
        self._world.clock.advance(seconds)
        return False

    def wake(self, message: TaskQueueMessage) -> str | None:
        before = len(self._world.bus.dead_letters(LONG, 100))
        self._world.bus.inject(OutboundMessage(LONG, message.message_id, message.name, message.encode()))
        for _ in range(TURNS):
            self.source.step()
        letters = self._world.bus.dead_letters(LONG, 100)[before:]
        return letters[0].reason if letters else None


class Runner:
    def __init__(self) -> None:
        self.while_waiting: Callable[[], None] = lambda: None


class ByCall:
    """A call, and a turn of the thread behind it."""

    def __init__(self, world: World) -> None:
        self._world = world
        callbacks = Callbacks(CallbackHosts(()), SigningKeys(("k" * 16,)), world.clock, SeededIds())
        self.source = HttpTriggeredWorker(world.slot, callbacks, jitter=lambda: 0.0, wait=self._wait)
        self.source.step()

    def _wait(self, _condition: object, seconds: float) -> None:
        self._world.clock.advance(seconds)

    def wake(self, message: TaskQueueMessage) -> str | None:
        try:
            self.source.offer(message)
        except CoreMachineError as error:
            return error.code
        self.source.step()
        return None


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture(params=[ByQueue, ByCall])
def mode(request: pytest.FixtureRequest, world: World) -> Mode:
    made: Mode = request.param(world)
    return made


class TestBothModes:
    def test_success(self, world: World, mode: Mode) -> None:
        assert mode.wake(world.message) is None

        assert (world.task.status, world.task.result_json) == (TaskStatus.COMPLETED, '{"attempt":1}')
        assert world.outcomes() == ["completed"]
        assert world.status.snapshot().ended == {"succeeded": 1}
        assert world.status.snapshot().state is WorkerState.IDLE

    def test_a_retry_goes_through_the_engines_schedule(self, world: World, mode: Mode) -> None:
        def fails(context: TaskContext) -> None:
            if context.attempt == 1:
                raise TransientTaskError("not yet")

        world.during = fails
        mode.wake(world.message)

        assert (world.task.status, world.task.attempt, world.task.charged) == (TaskStatus.QUEUED, 2, 1)
        (again,) = world.woken_again()
        assert again.attempt == 2
        assert world.bus.next_due([LONG]) is not None
        mode.wake(again)
        assert (world.task.status, world.task.result_json) == (TaskStatus.COMPLETED, '{"attempt":2}')

    @pytest.mark.parametrize(
        ("change", "code"),
        [({"task_type": "unheard_of"}, "UNKNOWN_TASK_TYPE"), ({"run": 2}, "MESSAGE_INVALID")],
    )
    def test_poison_is_refused_with_its_reason_and_changes_nothing(
        self, world: World, mode: Mode, change: dict[str, object], code: str
    ) -> None:
        assert mode.wake(world.message.model_copy(update=change)) == code

        assert (world.task.status, world.outcomes(), world.calls) == (TaskStatus.QUEUED, [], 0)

    def test_a_second_delivery_does_nothing(self, world: World, mode: Mode) -> None:
        for _ in range(3):
            assert mode.wake(world.message) is None

        assert (world.outcomes(), world.calls) == (["completed"], 1)

    def test_a_task_that_runs_elsewhere_is_left_there(self, world: World, mode: Mode) -> None:
        world.new_machine().attempts.claim(world.message)

        assert mode.wake(world.message) is None

        assert (world.task.status, world.calls) == (TaskStatus.RUNNING, 0)

    def test_a_task_whose_holder_vanished_is_put_back_and_done(self, world: World, mode: Mode) -> None:
        world.new_machine().attempts.claim(world.message)
        world.clock.advance(LEASE + 1)

        mode.wake(world.message)
        (again,) = world.woken_again()
        world.clock.advance(3_600)
        mode.wake(again)

        assert (world.task.status, world.calls) == (TaskStatus.COMPLETED, 1)

    def test_a_task_of_a_paused_run_is_parked_until_it_is_resumed(self, world: World, mode: Mode) -> None:
        message = world.message
        world.state.pause_run(message.job_id, message.run, "me", world.clock.now())

        assert mode.wake(message) is None
        assert (world.task.status, world.task.attempt, world.outcomes()) == (TaskStatus.QUEUED, 2, ["parked"])

        rows = world.state.resume_run(message.job_id, message.run, "me", world.clock.now())
        assert rows
        world.machine.relay.publish(rows)
        (again,) = world.woken_again()
        mode.wake(again)
        assert (world.task.status, world.calls) == (TaskStatus.COMPLETED, 1)

    def test_a_task_of_a_cancelled_run_does_not_begin(self, world: World, mode: Mode) -> None:
        message = world.message
        world.state.finish_run(message.job_id, message.run, RunStatus.CANCELLED, None, None, world.clock.now())

        assert mode.wake(message) is None

        assert (world.task.status, world.calls) == (TaskStatus.CANCELLED, 0)

    def test_what_the_holder_of_a_lost_lease_says_is_not_taken(self, world: World, mode: Mode) -> None:
        def stands_still(context: TaskContext) -> None:
            if context.attempt == 1:
                world.clock.advance(LEASE + 1)
                assert Reconciler(world.new_machine(), world.bus, ReconcilerPolicy()).run_once().leases_ended == 1

        world.during = stands_still
        mode.wake(world.message)

        assert (world.task.status, world.task.attempt, world.task.result_json) == (TaskStatus.QUEUED, 2, None)
        assert world.status.snapshot().ended == {"lease_lost": 1}
        (again,) = world.woken_again()
        mode.wake(again)
        assert world.task.result_json == '{"attempt":2}'

    def test_an_outcome_that_the_store_was_away_for_is_committed_when_it_is_back(
        self, world: World, mode: Mode, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        away = Away(world, 5)
        monkeypatch.setattr(world.state, "finish_attempt", away.of(world.state.finish_attempt))
        monkeypatch.setattr(world.state, "finish_attempts", away.of(world.state.finish_attempts))

        assert mode.wake(world.message) is None

        assert (world.task.status, world.task.result_json) == (TaskStatus.COMPLETED, '{"attempt":1}')
        assert (away.left, world.calls, world.outcomes()) == (0, 1, ["completed"])

    def test_a_task_that_is_told_to_stop_is_interrupted_free_of_charge(self, world: World, mode: Mode) -> None:
        def is_told(context: TaskContext) -> None:
            context.checkpoint.save("first", {"page": 1})
            mode.source.stop()
            assert context.checkpoint.is_shutdown_requested

        world.during = is_told
        mode.wake(world.message)

        assert (world.task.status, world.task.attempt, world.task.charged) == (TaskStatus.QUEUED, 2, 0)
        assert world.outcomes() == ["interrupted"]
        assert [again.attempt for again in world.woken_again()] == [2]

    def test_what_comes_after_it_was_told_to_stop_is_left_to_others(self, world: World, mode: Mode) -> None:
        mode.source.stop()

        mode.wake(world.message)

        assert (world.task.status, world.task.attempt, world.calls) == (TaskStatus.QUEUED, 1, 0)

    def test_its_thread_begins_and_ends(self, world: World, mode: Mode) -> None:
        seen = [mode.source.alive]
        mode.source.start()
        seen.append(mode.source.alive)
        mode.source.stop()
        mode.source.stop()

        assert mode.source.join(30)
        assert [*seen, mode.source.alive] == [False, True, False]
        assert world.status.snapshot().state is WorkerState.STOPPED


class Away:
    """The store, for so many calls that would write an end."""

    def __init__(self, world: World, calls: int) -> None:
        self._world = world
        self.left = calls

    def of(self, call: Callable[..., object]) -> Callable[..., object]:
        def called(*arguments: object) -> object:
            if self.left:
                self.left -= 1
                raise StoreUnavailable("no answer")
            return call(*arguments)

        return called
