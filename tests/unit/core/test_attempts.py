"""What becomes of a message that wakes a task of a paused run."""

from __future__ import annotations

from datetime import datetime

import pytest

from core.consumer import AbandonMessage, dispatch
from core.errors import StoreUnavailable
from core.ids import MAX_ATTEMPT, TaskId, WorkerId
from core.model import OutboundMessage, TaskStatus
from testing.factories import SingleTaskTest, setup_single_task_test
from testing.mock_state import MockStateManager


def paused(state: MockStateManager | None = None) -> SingleTaskTest:
    """A task that waits, of a run that is paused, and the message that wakes it."""
    test = setup_single_task_test("hello_world_greeting", {"index": 0, "message": "hi"}, state=state)
    assert test.state.pause_run(test.message.job_id, 1, "alice", test.machine.clock.now())
    return test


def test_it_waits_for_its_next_attempt_and_the_message_is_completed() -> None:
    machine, state, bus, message = paused()

    assert machine.process_task_message(message).effect == "parked"

    task = state.load_task(message.task_id)
    assert task is not None
    assert (task.status, task.attempt, task.charged) == (TaskStatus.QUEUED, 2, 0)
    assert bus.get_sent_messages() == []
    rows = state.resume_run(message.job_id, 1, "bob", machine.clock.now())
    assert rows is not None
    assert [row.message.message_id for row in rows] == [f"{message.task_id}:2"]
    assert machine.process_task_message(message.model_copy(update={"attempt": 2})).effect == "applied"


def test_a_second_copy_of_the_message_finds_nothing_to_do() -> None:
    machine, state, _, message = paused()
    machine.process_task_message(message)

    assert machine.process_task_message(message).effect == "stale"
    assert len(state.list_attempts(message.task_id)) == 1


def test_where_the_pause_ends_at_that_moment_the_message_comes_again() -> None:
    class Resumed(MockStateManager):
        """The pause ends between the claim and the parking."""

        def park_task(
            self, task_id: TaskId, attempt: int, wakeup: OutboundMessage, worker: WorkerId, now: datetime
        ) -> bool:
            self.resume_run(task_id_job, 1, "bob", now)
            return super().park_task(task_id, attempt, wakeup, worker, now)

    state = Resumed()
    machine, _, _, message = paused(state)
    task_id_job = message.job_id

    with pytest.raises(StoreUnavailable):
        machine.process_task_message(message)

    assert not isinstance(dispatch(machine, message.encode()), AbandonMessage)
    task = state.load_task(message.task_id)
    assert task is not None
    assert task.status is TaskStatus.COMPLETED


def test_the_last_attempt_that_a_message_can_name_is_left_for_the_reconciler() -> None:
    machine, state, _, message = paused()
    state._tasks[message.task_id].attempt = MAX_ATTEMPT

    processed = machine.process_task_message(message.model_copy(update={"attempt": MAX_ATTEMPT}))

    assert processed.effect == "paused"
    assert state.list_attempts(message.task_id) == []
