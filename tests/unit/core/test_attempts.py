"""What happens to outcomes while the store is away, or holds up some of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from core.attempts import Ended, Processed, Started
from core.context import StopSignal
from core.decisions import Requeue
from core.errors import CoreMachineError, StoreBusy, StoreUnavailable
from core.ids import WorkerId
from core.limits import MAX_JSON_BYTES
from core.messages import JobQueueMessage, TaskQueueMessage
from core.model import Claimed, ClaimResult, Finished, LeaseExpired, RunStatus
from core.outcome import ErrorInfo, Succeeded
from core.ports import AttemptEnd, ClaimRequest
from testing.clock import FakeClock
from testing.factories import MachineOnMocks, create_test_core_machine
from testing.mock_state import MockStateManager


class Troubled(MockStateManager):
    """A store that is away for some calls, and in which somebody holds the rows of some jobs."""

    away = 0
    held = ""

    def claim_tasks(self, requests: Sequence[ClaimRequest]) -> Sequence[ClaimResult]:
        if len(requests) > 1 and any(self._is_held(one.task_id) for one in requests):
            raise StoreBusy("held")
        return super().claim_tasks(requests)

    def finish_attempts(self, ends: Sequence[AttemptEnd]) -> Sequence[Finished | None]:
        self._trouble([end.lease.task_id for end in ends])
        return super().finish_attempts(ends)

    def finish_attempt(self, *end: object) -> Finished:
        self._trouble([end[0].task_id])  # type: ignore[attr-defined]
        return super().finish_attempt(*end)  # type: ignore[arg-type]

    def _trouble(self, task_ids: Sequence[str]) -> None:
        if self.away:
            self.away -= 1
            raise StoreUnavailable("away")
        if any(self._is_held(task_id) for task_id in task_ids):
            raise StoreBusy("held")

    def _is_held(self, task_id: str) -> bool:
        return bool(self.held) and self.held in task_id


@pytest.fixture
def made() -> MachineOnMocks:
    clock = FakeClock()
    return create_test_core_machine(clock=clock, state=Troubled(clock))


def troubled(made: MachineOnMocks) -> Troubled:
    assert isinstance(made.state, Troubled)
    return made.state


def messages(made: MachineOnMocks, n: int, note: str = "") -> list[TaskQueueMessage]:
    """The task messages of a job's first stage."""
    run = made.machine.submit("hello_world", {"n": n, "message": note or "Hello"}).run
    received = made.bus.receive("jobs", 100)
    for message in received:
        made.machine.process_job_message(JobQueueMessage.decode(message.body))
        made.bus.complete(message)
    tasks = [TaskQueueMessage.decode(message.body) for message in made.bus.receive("tasks", 100)]
    return [task for task in tasks if task.job_id == run.job_id]


def ended(made: MachineOnMocks, tasks: Sequence[TaskQueueMessage]) -> list[Ended]:
    """The tasks claimed and run."""
    found = []
    for started in made.machine.attempts.claim_many(tasks):
        assert isinstance(started, Started)
        one = made.machine.attempts.run(started, StopSignal())
        assert isinstance(one, Ended)
        found.append(one)
    return found


def statuses(made: MachineOnMocks) -> list[str]:
    return sorted(task["status"] for task in made.state.get_state_snapshot()["tasks"].values())


def test_a_result_that_the_store_was_away_for_is_committed_when_its_message_comes_again(made: MachineOnMocks) -> None:
    (task,) = messages(made, 1)
    troubled(made).away = 1
    with pytest.raises(StoreUnavailable):
        made.machine.process_task_message(task)

    again = made.machine.process_task_message(task)

    assert again.effect == "ended"
    assert statuses(made) == ["completed"]
    assert [one.outcome for one in made.state.list_attempts(task.task_id)] == ["completed"]


def test_results_that_were_to_be_committed_together_are_kept_together(made: MachineOnMocks) -> None:
    some = ended(made, messages(made, 3))
    troubled(made).away = 2
    with pytest.raises(StoreUnavailable):
        made.machine.attempts.commit_many(some)
    with pytest.raises(StoreUnavailable):
        made.machine.attempts.commit_kept()

    made.machine.attempts.commit_kept()

    assert statuses(made) == ["completed"] * 3


def test_a_kept_result_whose_lease_went_to_another_is_dropped(made: MachineOnMocks) -> None:
    (task,) = messages(made, 1)
    (one,) = ended(made, [task])
    troubled(made).away = 1
    with pytest.raises(StoreUnavailable):
        made.machine.attempts.commit(one)
    made.state.finish_run(task.job_id, 1, RunStatus.CANCELLED, None, None, made.bus.clock.now())

    made.machine.attempts.commit_kept()

    assert statuses(made) == ["cancelled"]


def test_a_run_whose_rows_somebody_holds_does_not_hold_up_the_others(made: MachineOnMocks) -> None:
    one, other = ended(made, messages(made, 2)), ended(made, messages(made, 2, "Hi"))
    troubled(made).held = one[0].message.job_id

    committed = made.machine.attempts.commit_many([one[0], other[0], one[1], other[1]])

    kinds = [type(found).__name__ for found in committed.processed]
    assert kinds == ["StoreBusy", "Processed", "StoreBusy", "Processed"]
    assert statuses(made) == ["completed", "completed", "running", "running"]
    troubled(made).held = ""
    made.machine.attempts.commit_kept()
    assert statuses(made) == ["completed"] * 4


def test_what_is_kept_of_runs_that_are_held_up_is_tried_once_at_a_time(made: MachineOnMocks) -> None:
    some = [*ended(made, messages(made, 1)), *ended(made, messages(made, 1, "Hi"))]
    troubled(made).held = ":1:1:"
    made.machine.attempts.commit_many(some)

    made.machine.attempts.commit_kept()

    assert statuses(made) == ["running"] * 2
    troubled(made).held = ""
    made.machine.attempts.commit_kept()
    assert statuses(made) == ["completed"] * 2


def test_what_is_committed_together_is_published_by_nobody_but_the_caller_whatever_is_refused(
    made: MachineOnMocks,
) -> None:
    large, other = ended(made, messages(made, 2))
    sent = made.bus.sent_count()
    refused = replace(large, transition=Succeeded(f'{{"text": "{"x" * MAX_JSON_BYTES}"}}'))
    retried = replace(other, transition=Requeue("retry", True, None, ErrorInfo("FLAKY", "", True)))

    committed = made.machine.attempts.commit_many([retried, refused])

    assert made.bus.sent_count() == sent
    assert [type(one) for one in committed.processed] == [Processed, Processed]
    assert [row.message.message_id for row in committed.outbox] == [f"{other.message.task_id}:2"]


def test_claims_that_are_held_up_together_are_made_one_by_one(made: MachineOnMocks) -> None:
    one, other = messages(made, 1), messages(made, 1, "Hi")
    troubled(made).held = one[0].job_id

    claims = made.machine.attempts.claim_many([*one, *other])

    assert not any(isinstance(claim, CoreMachineError) for claim in claims)
    assert all(isinstance(claim, Started) for claim in claims)


def test_the_end_of_another_s_lost_lease_is_not_kept(made: MachineOnMocks) -> None:
    (task,) = messages(made, 1)
    claim = made.state.claim_task(task.task_id, 1, WorkerId("gone"), 60, made.bus.clock.now())
    assert isinstance(claim, Claimed)
    troubled(made).away = 1
    expired = LeaseExpired(claim.lease, task.job_type, task.task_type, 0, False)
    with pytest.raises(StoreUnavailable):
        made.machine.attempts.end_lost(task, expired)

    made.machine.attempts.commit_kept()

    assert statuses(made) == ["running"]


def test_threads_that_commit_what_is_kept_at_once_commit_each_of_it_once(made: MachineOnMocks) -> None:
    """The last one is taken out by another thread between the look and the taking."""
    attempts = made.machine.attempts
    kept = cast(Any, ["a", "b", "c"])
    attempts._kept.extend(kept)

    assert [attempts._some_kept(2) for _ in range(3)] == [kept[:2], kept[2:], []]
