from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from core.decisions import (
    LEASE_EXPIRED,
    Advance,
    FailFinally,
    FinishRun,
    Nothing,
    OpenStage,
    Requeue,
    after_attempt,
    after_lost_lease,
    on_job_message,
    on_stage_complete,
    refusal,
    run_end,
    stage_end,
    within_budget,
)
from core.ids import JobId
from core.model import (
    TERMINAL_RUN,
    FailurePolicy,
    NotClaimed,
    RunRecord,
    RunStatus,
    StageRecord,
    StageStatus,
    TaskStatus,
)
from core.outcome import ErrorInfo, Failed, Interrupted, RetryLater, Succeeded
from core.retry import NO_RETRY, RetryPolicy

NOW = datetime(2030, 1, 1, tzinfo=UTC)
POLICY = RetryPolicy(max_attempts=3, base=4.0, cap=100.0)
FLAKY = ErrorInfo("FLAKY", "again", True)
BROKEN = ErrorInfo("BROKEN", "never", False)


def stage(number: int, status: StageStatus = StageStatus.COMPLETED, remaining: int = 0, failed: int = 0) -> StageRecord:
    return StageRecord(number, f"s{number}", "task", status, FailurePolicy.TOLERATE, 3, remaining, failed)


def run(*stages: StageRecord, status: RunStatus = RunStatus.PROCESSING) -> RunRecord:
    return RunRecord(JobId("a" * 64), 1, "job", "t", "{}", status, stages, NOW, NOW)


class TestAfterAnAttempt:
    def test_success_completes_the_task(self) -> None:
        assert after_attempt(Succeeded("{}"), POLICY, 0, 0.5, NOW) == Succeeded("{}")

    def test_a_retryable_failure_is_tried_again_after_a_jittered_delay(self) -> None:
        first = after_attempt(Failed(FLAKY), POLICY, 0, 0.5, NOW)
        second = after_attempt(Failed(FLAKY), POLICY, 1, 0.5, NOW)

        assert first == Requeue("retry", True, NOW + timedelta(seconds=2), FLAKY)
        assert second == Requeue("retry", True, NOW + timedelta(seconds=4), FLAKY)

    def test_the_last_attempt_fails_finally(self) -> None:
        assert after_attempt(Failed(FLAKY), POLICY, 2, 0.5, NOW) == FailFinally(FLAKY)
        assert after_attempt(Failed(FLAKY), NO_RETRY, 0, 0.5, NOW) == FailFinally(FLAKY)

    def test_a_failure_that_is_not_retryable_is_final(self) -> None:
        assert after_attempt(Failed(BROKEN), POLICY, 0, 0.5, NOW) == FailFinally(BROKEN)

    def test_retry_later_waits_as_long_as_the_handler_asked(self) -> None:
        transition = after_attempt(RetryLater(90, "not ready"), POLICY, 0, 0.5, NOW)

        error = ErrorInfo("RETRY_LATER", "not ready", True)
        assert transition == Requeue("retry_later", True, NOW + timedelta(seconds=90), error)

    def test_retry_later_costs_an_attempt(self) -> None:
        transition = after_attempt(RetryLater(90), POLICY, 2, 0.5, NOW)

        assert transition == FailFinally(ErrorInfo("RETRY_LATER", "the handler asked to be called again", True))

    @pytest.mark.parametrize("charged", [0, 2, 1_000])
    def test_an_interruption_is_resumed_at_once_and_costs_nothing(self, charged: int) -> None:
        assert after_attempt(Interrupted("deploy"), NO_RETRY, charged, 0.5, NOW) == Requeue("interrupted", False)


class TestAfterALostLease:
    def test_it_costs_an_attempt(self) -> None:
        assert after_lost_lease(POLICY, 1, progressed=False) == Requeue("lease_expired", True, error=LEASE_EXPIRED)

    def test_the_last_attempt_fails_finally(self) -> None:
        assert after_lost_lease(POLICY, 2, progressed=False) == FailFinally(LEASE_EXPIRED)

    def test_an_attempt_that_saved_a_checkpoint_costs_nothing(self) -> None:
        assert after_lost_lease(NO_RETRY, 9, progressed=True) == Requeue("lease_expired", False, error=LEASE_EXPIRED)

    def test_a_policy_may_refuse_to_retry_it(self) -> None:
        policy = RetryPolicy(non_retryable=frozenset({"LEASE_EXPIRED"}))

        assert after_lost_lease(policy, 0, progressed=False) == FailFinally(LEASE_EXPIRED)


class TestTheBudget:
    retry = Requeue("retry", True, NOW, FLAKY)

    @pytest.mark.parametrize(("used", "budget"), [(0, None), (10_000, None), (0, 1), (4, 5)])
    def test_a_retry_within_it_is_left_as_it_is(self, used: int, budget: int | None) -> None:
        assert within_budget(self.retry, used, budget) is self.retry

    @pytest.mark.parametrize(("used", "budget"), [(0, 0), (1, 1), (7, 5)])
    def test_a_retry_over_it_is_a_final_failure(self, used: int, budget: int) -> None:
        assert within_budget(self.retry, used, budget) == FailFinally(FLAKY)

    def test_what_is_not_charged_or_no_retry_is_left_as_it_is(self) -> None:
        for transition in (Requeue("interrupted", False), FailFinally(BROKEN)):
            assert within_budget(transition, 9, 0) is transition

    def test_a_retry_without_an_error_fails_with_that_of_a_lost_lease(self) -> None:
        assert within_budget(Requeue("lease_expired", True), 1, 1) == FailFinally(LEASE_EXPIRED)


@pytest.mark.parametrize(
    ("status", "attempt", "reason"),
    [
        (TaskStatus.QUEUED, 2, None),
        (TaskStatus.QUEUED, 1, NotClaimed.STALE),
        (TaskStatus.QUEUED, 3, NotClaimed.STALE),
        (TaskStatus.RUNNING, 2, NotClaimed.RUNNING),
        (TaskStatus.COMPLETED, 2, NotClaimed.ENDED),
        (TaskStatus.FAILED, 2, NotClaimed.ENDED),
        (TaskStatus.CANCELLED, 2, NotClaimed.ENDED),
    ],
)
def test_a_message_claims_only_the_attempt_that_waits(
    status: TaskStatus, attempt: int, reason: NotClaimed | None
) -> None:
    assert refusal(status, 2, attempt) is reason


@pytest.mark.parametrize(
    ("policy", "failed", "status"),
    [
        (FailurePolicy.FAIL_FAST, 0, StageStatus.COMPLETED),
        (FailurePolicy.TOLERATE, 0, StageStatus.COMPLETED),
        (FailurePolicy.TOLERATE, 1, StageStatus.COMPLETED_WITH_ERRORS),
        (FailurePolicy.FAIL_FAST, 1, StageStatus.FAILED),
    ],
)
def test_a_stage_ends_as_its_tasks_and_its_policy_say(policy: FailurePolicy, failed: int, status: StageStatus) -> None:
    assert stage_end(policy, failed) is status


class TestOnAJobMessage:
    def test_the_first_stage_is_opened(self) -> None:
        assert on_job_message(run(status=RunStatus.QUEUED)) == OpenStage(0)

    def test_a_duplicate_is_a_no_op(self) -> None:
        assert on_job_message(run(stage(1))) == Nothing("already_started")

    def test_a_run_that_is_not_there_is_a_no_op(self) -> None:
        assert on_job_message(None) == Nothing("unknown_run")

    @pytest.mark.parametrize("status", sorted(TERMINAL_RUN))
    def test_a_run_that_has_ended_is_left_alone(self, status: RunStatus) -> None:
        assert on_job_message(run(status=status)) == Nothing("run_ended")


class TestOnAStageCompleteMessage:
    @pytest.mark.parametrize(
        ("given", "number", "advance"),
        [
            (run(stage(1)), 1, OpenStage(1)),
            (run(stage(1), stage(2)), 2, FinishRun(RunStatus.COMPLETED)),
            (run(stage(1, failed=1), stage(2)), 2, FinishRun(RunStatus.COMPLETED_WITH_ERRORS)),
            (run(stage(1), stage(2, StageStatus.RUNNING, 3)), 1, Nothing("already_advanced")),
            (run(stage(1)), 2, Nothing("stage_not_opened")),
            (run(), 1, Nothing("stage_not_opened")),
            (run(stage(1, StageStatus.RUNNING, 1)), 1, Nothing("stage_running")),
            (run(stage(1, StageStatus.RUNNING, 0)), 1, Nothing("stage_running")),
            (run(stage(1, StageStatus.FAILED), status=RunStatus.FAILED), 1, Nothing("run_ended")),
            (None, 1, Nothing("unknown_run")),
        ],
    )
    def test_it_advances_the_newest_stage_once(self, given: RunRecord | None, number: int, advance: Advance) -> None:
        assert on_stage_complete(given, number, stage_count=2) == advance

    def test_a_stage_that_its_definition_no_longer_has_finishes_the_run(self) -> None:
        assert on_stage_complete(run(stage(1), stage(2)), 2, stage_count=1) == FinishRun(RunStatus.COMPLETED)


def test_a_run_with_any_failed_task_completes_with_errors() -> None:
    assert run_end([stage(1), stage(2)]) is RunStatus.COMPLETED
    assert run_end([stage(1), stage(2, failed=1)]) is RunStatus.COMPLETED_WITH_ERRORS
