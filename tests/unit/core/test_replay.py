from __future__ import annotations

from datetime import UTC, datetime

import pytest

from core.errors import InvalidParameters, NothingToReplay
from core.ids import JobId, TaskId
from core.model import FailurePolicy, RunRecord, RunStatus, StageRecord, StageStatus, TaskRecord, TaskStatus
from core.replay import reusable_stages, stage_to_replay, tasks_to_replay

NOW = datetime(2030, 1, 1, tzinfo=UTC)
JOB = JobId("0" * 64)


def stage(number: int, status: StageStatus, policy: FailurePolicy = FailurePolicy.FAIL_FAST) -> StageRecord:
    return StageRecord(number, f"stage {number}", "work", status, policy, 3, 0, 0)


def run(*statuses: StageStatus) -> RunRecord:
    stages = tuple(stage(number, status) for number, status in enumerate(statuses, 1))
    return RunRecord(JOB, 1, "job", "t", "{}", RunStatus.FAILED, stages, NOW, NOW)


def task(name: str, status: TaskStatus) -> TaskRecord:
    return TaskRecord(TaskId(f"{JOB}:1:1:{name}"), JOB, 1, 1, name, "work", status, 1, 0, "{}")


BAD, CUT = task("bad", TaskStatus.FAILED), task("cut", TaskStatus.CANCELLED)
WORSE = task("worse", TaskStatus.FAILED)
FAST = stage(1, StageStatus.FAILED)
TOLERANT = stage(1, StageStatus.COMPLETED_WITH_ERRORS, FailurePolicy.TOLERATE)


@pytest.mark.parametrize(
    ("statuses", "count"),
    [
        ((), 0),
        ((StageStatus.COMPLETED, StageStatus.COMPLETED), 2),
        ((StageStatus.COMPLETED, StageStatus.FAILED), 1),
        ((StageStatus.COMPLETED_WITH_ERRORS, StageStatus.COMPLETED), 0),
        ((StageStatus.CANCELLED,), 0),
    ],
)
def test_stages_are_reusable_up_to_the_first_that_did_not_complete(
    statuses: tuple[StageStatus, ...], count: int
) -> None:
    assert reusable_stages(run(*statuses)) == count


def test_the_first_stage_with_errors_is_replayed() -> None:
    found = stage_to_replay(run(StageStatus.COMPLETED, StageStatus.COMPLETED_WITH_ERRORS, StageStatus.FAILED))

    assert found.number == 2


@pytest.mark.parametrize("statuses", [(), (StageStatus.COMPLETED,)])
def test_a_run_without_errors_in_its_tasks_has_nothing_to_replay(statuses: tuple[StageStatus, ...]) -> None:
    with pytest.raises(NothingToReplay):
        stage_to_replay(run(*statuses))


def test_all_failed_tasks_are_chosen_unless_some_are_named_and_cancelled_ones_always() -> None:
    tasks = [BAD, CUT, WORSE]

    assert tasks_to_replay(FAST, tasks, None) == tasks
    assert tasks_to_replay(TOLERANT, tasks, ["worse"]) == [CUT, WORSE]
    assert tasks_to_replay(TOLERANT, tasks, ["cut"]) == [CUT]


def test_a_stage_that_fails_fast_keeps_no_failed_task() -> None:
    with pytest.raises(InvalidParameters, match="'bad' has to be replayed too"):
        tasks_to_replay(FAST, [BAD, WORSE], ["worse"])


def test_what_did_not_fail_cannot_be_chosen() -> None:
    with pytest.raises(InvalidParameters, match="no failed or cancelled task 'fine'"):
        tasks_to_replay(TOLERANT, [BAD], ["bad", "fine"])


def test_choosing_nothing_replays_nothing() -> None:
    with pytest.raises(NothingToReplay):
        tasks_to_replay(TOLERANT, [BAD], [])
