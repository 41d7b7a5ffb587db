"""The state store's contract: many claims, or many ends of attempts, in one call."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from core.decisions import FailFinally, Requeue, Transition
from core.errors import TextNotStorable
from core.ids import TaskId
from core.model import (
    Claimed,
    EventKind,
    FailurePolicy,
    Lease,
    LeaseExpired,
    NotClaimed,
    OutboundMessage,
    RunStatus,
    StageStatus,
    TaskStatus,
)
from core.outcome import ErrorInfo, Succeeded
from core.ports import AttemptEnd, ClaimRequest, StateStore
from testing.contracts.scenario import BROKEN, DONE, FLAKY, LEASE, OTHER_WORKER, WORKER, Scenario, at, task_message

RETRY = Requeue("retry", True, None, FLAKY)


def end(
    lease: Lease, transition: Transition = DONE, when: float = 5, wakeup: OutboundMessage | None = None
) -> AttemptEnd:
    return AttemptEnd(lease, transition, wakeup, at(when))


def retried(scenario: Scenario, lease: Lease, when: float = 5) -> AttemptEnd:
    name = lease.task_id.rsplit(":", 1)[1]
    return end(lease, RETRY, when, task_message(scenario.job_id, 1, name, lease.attempt + 1))


def claimed(scenario: Scenario, names: Sequence[str]) -> list[Lease]:
    return [scenario.claim(name) for name in names]


class FinishManyContract:
    def test_nothing_to_end_is_no_answer(self, store: StateStore) -> None:
        assert list(store.finish_attempts([])) == []

    def test_each_end_counts_as_if_it_had_come_alone(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "a", "b", "c", "d", policy=FailurePolicy.TOLERATE)
        a, b, c = claimed(scenario, "abc")
        result = Succeeded('{"answer": "ä"}')

        finished = store.finish_attempts([end(a, result), end(b, FailFinally(BROKEN)), retried(scenario, c)])

        assert [one and one.task_status for one in finished] == [
            TaskStatus.COMPLETED,
            TaskStatus.FAILED,
            TaskStatus.QUEUED,
        ]
        assert [one and one.run_status for one in finished] == [RunStatus.PROCESSING] * 3
        assert [[row.message.message_id for row in one.outbox] for one in finished if one] == [
            [],
            [],
            [f"{scenario.task_id('c')}:2"],
        ]
        assert (scenario.task("a").result_json, scenario.task("b").error) == ('{"answer": "ä"}', BROKEN)
        assert (scenario.task("c").attempt, scenario.task("c").charged) == (2, 1)
        stage = scenario.run().stages[0]
        assert (stage.remaining, stage.failed) == (2, 1)

    def test_the_last_of_a_stage_ends_it_once(self, store: StateStore) -> None:
        scenario = Scenario.started(store, *"abcdef")
        leases = claimed(scenario, "fedcba")

        finished = store.finish_attempts([end(lease, when=number) for number, lease in enumerate(leases, 5)])

        assert [len(one.outbox) for one in finished if one] == [0, 0, 0, 0, 0, 1]
        assert scenario.outbox().count("stage_complete") == 1
        stage = scenario.run().stages[0]
        assert (stage.status, stage.remaining) == (StageStatus.COMPLETED, 0)
        assert scenario.run().updated_at == at(10)

    def test_the_timeline_is_that_of_the_order_given(self, store: StateStore) -> None:
        scenario = Scenario.started(store, *"abc", policy=FailurePolicy.TOLERATE)
        leases = claimed(scenario, "bca")

        store.finish_attempts([end(leases[0]), end(leases[1], FailFinally(BROKEN)), end(leases[2])])

        events = store.list_events(scenario.job_id, 1)[-4:]
        assert [(event.kind, event.task_id and event.task_id[-1]) for event in events] == [
            (EventKind.TASK_COMPLETED, "b"),
            (EventKind.TASK_FAILED, "c"),
            (EventKind.TASK_COMPLETED, "a"),
            (EventKind.STAGE_ENDED, None),
        ]

    def test_a_stage_with_many_tasks_ends_over_many_calls(self, store: StateStore) -> None:
        names = [f"t{number}" for number in range(230)]
        scenario = Scenario.started(store, *names)
        leases = claimed(scenario, names)

        finished = [store.finish_attempts([end(lease) for lease in leases[i : i + 50]]) for i in range(0, 230, 50)]

        assert [sum(len(one.outbox) for one in some if one) for some in finished] == [0, 0, 0, 0, 1]
        assert scenario.run().stages[0].status is StageStatus.COMPLETED

    def test_a_lost_lease_is_told_and_hinders_none_of_the_others(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "a", "b", "c")
        a, b, c = claimed(scenario, "abc")
        scenario.requeue(b)
        before = scenario.task("b")
        nobody = c._replace(task_id=scenario.task_id("nobody"))

        finished = store.finish_attempts([end(a), end(b), end(nobody), end(c._replace(token=c.token + 9)), end(c)])

        assert [one is None for one in finished] == [False, True, True, True, False]
        assert (scenario.task("a").status, scenario.task("c").status) == (TaskStatus.COMPLETED, TaskStatus.COMPLETED)
        assert scenario.task("b") == before

    def test_a_lease_that_is_there_twice_is_lost_the_second_time(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "a", "b")
        a, b = claimed(scenario, "ab")

        finished = store.finish_attempts(
            [end(a, Succeeded('{"answer": 1}')), end(a, Succeeded('{"answer": 2}')), end(b)]
        )

        assert [one is None for one in finished] == [False, True, False]
        assert scenario.task("a").result_json == '{"answer": 1}'
        assert scenario.run().stages[0].remaining == 0
        assert scenario.told().count(("task_completed", "")) == 2

    def test_what_a_failure_ended_is_lost_to_those_behind_it(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "a", "b", "c")
        a, b, c = claimed(scenario, "abc")

        finished = store.finish_attempts([end(a), end(b, FailFinally(BROKEN)), end(c)])

        assert [one and one.run_status for one in finished] == [RunStatus.PROCESSING, RunStatus.FAILED, None]
        statuses = [scenario.task(name).status for name in "abc"]
        assert statuses == [TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED]
        assert scenario.waiting() == []

    def test_a_retry_budget_is_spent_in_order(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "a", "b", "c", policy=FailurePolicy.TOLERATE, budget=1)
        a, b, c = claimed(scenario, "abc")

        finished = store.finish_attempts([retried(scenario, a), retried(scenario, b), retried(scenario, c)])

        assert [one and one.task_status for one in finished] == [
            TaskStatus.QUEUED,
            TaskStatus.FAILED,
            TaskStatus.FAILED,
        ]
        assert scenario.run().retries_used == 1

    def test_stages_of_several_runs_end_in_one_call(self, store: StateStore) -> None:
        one, other = Scenario.started(store, "a", "b"), Scenario.started(store, "a", content="b")
        leases = [one.claim("a"), other.claim("a"), one.claim("b")]

        finished = store.finish_attempts([end(lease) for lease in leases])

        ids = [[row.message.message_id for row in found.outbox] for found in finished if found]
        assert ids == [[], [f"{other.job_id}:1:1:-stage_complete:1"], [f"{one.job_id}:1:1:-stage_complete:1"]]
        waiting = [message_id for message_id in one.waiting() if "stage_complete" in message_id]
        assert waiting == [ids[1][0], ids[2][0]]

    def test_the_last_success_of_a_stage_behind_a_retry_does_not_end_it(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "a", "b")
        a, b = claimed(scenario, "ab")

        finished = store.finish_attempts([retried(scenario, a), end(b)])

        assert [len(one.outbox) for one in finished if one] == [1, 0]
        assert scenario.run().stages[0].remaining == 1

    def test_what_cannot_be_stored_is_refused_with_all_that_came_with_it(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "a", "b")
        a, b = claimed(scenario, "ab")
        before = (scenario.run(), scenario.told())

        with pytest.raises(TextNotStorable):
            store.finish_attempts([end(a), end(b, FailFinally(ErrorInfo("BROKEN", "a\0b")))])
        with pytest.raises(ValueError, match="wake-up"):
            store.finish_attempts([end(a), end(b, RETRY)])

        assert (scenario.run(), scenario.told()) == before
        assert [one is None for one in store.finish_attempts([end(a), end(b)])] == [False, False]


class ClaimManyContract:
    def test_nothing_to_claim_is_no_answer(self, store: StateStore) -> None:
        assert list(store.claim_tasks([])) == []

    def test_each_claim_is_answered_as_if_it_had_come_alone(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "free", "held", "late", "again", "done")
        paused = Scenario.started(store, "x", content="b")
        paused.pause()
        scenario.claim("held", when=0, lease=900)
        late = scenario.claim("late", when=0, lease=60)
        scenario.requeue(scenario.claim("again"))
        scenario.complete(scenario.claim("done"))
        wanted = [scenario.task_id(name) for name in ("free", "held", "late", "again", "done", "nobody")]

        def ask(task_id: TaskId, attempt: int = 1) -> ClaimRequest:
            return ClaimRequest(task_id, attempt, OTHER_WORKER, LEASE, at(100))

        answers = store.claim_tasks([*map(ask, wanted), ask(paused.task_id("x")), ask(scenario.task_id("again"), 2)])

        free, second = answers[0], answers[7]
        assert isinstance(free, Claimed)
        assert isinstance(second, Claimed)
        assert answers[1] is NotClaimed.RUNNING
        assert isinstance(answers[2], LeaseExpired)
        assert answers[2].lease == late
        assert list(answers[3:7]) == [NotClaimed.STALE, NotClaimed.ENDED, NotClaimed.UNKNOWN, NotClaimed.PAUSED]
        assert (free.lease.owner, free.lease.expires_at) == (OTHER_WORKER, at(160))
        assert second.charged == 1
        assert scenario.complete(free.lease, when=101).task_status is TaskStatus.COMPLETED

    def test_tokens_and_the_timeline_follow_the_order_given(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "a", "b", "c")
        requests = [ClaimRequest(scenario.task_id(name), 1, WORKER, LEASE, at(3)) for name in "cab"]

        tokens = [one.lease.token for one in store.claim_tasks(requests) if isinstance(one, Claimed)]

        assert tokens == sorted(set(tokens))
        started = store.list_events(scenario.job_id, 1)[-3:]
        assert [(event.sequence, event.task_id and event.task_id[-1]) for event in started] == list(
            zip(tokens, "cab", strict=True)
        )

    def test_of_two_claims_of_one_task_the_first_is_granted(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "a")
        request = ClaimRequest(scenario.task_id("a"), 1, WORKER, LEASE, at(3))

        first, second = store.claim_tasks([request, request._replace(worker=OTHER_WORKER)])

        assert isinstance(first, Claimed)
        assert second is NotClaimed.RUNNING
        assert len(store.list_attempts(scenario.task_id("a"))) == 1
