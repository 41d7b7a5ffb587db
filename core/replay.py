"""What another run of a job may take over from the run before, as pure functions of what that run came to."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from core.errors import InvalidParameters, NothingToReplay
from core.model import FailurePolicy, RunRecord, StageRecord, StageStatus, TaskRecord, TaskStatus

REPLAYABLE = frozenset({TaskStatus.FAILED, TaskStatus.CANCELLED})


def reusable_stages(run: RunRecord) -> int:
    """How many stages of a run, from the first, completed without an error."""
    count = 0
    for stage in run.stages:
        if stage.status is not StageStatus.COMPLETED:
            break
        count += 1
    return count


def stage_to_replay(run: RunRecord) -> StageRecord:
    """The first stage with tasks that failed or were cancelled. Raises :class:`NothingToReplay`."""
    reusable = reusable_stages(run)
    if reusable == len(run.stages):
        raise NothingToReplay("no task of this run failed or was cancelled; resubmit the job to run it again")
    return run.stages[reusable]


def tasks_to_replay(
    stage: StageRecord, tasks: Sequence[TaskRecord], chosen: Collection[str] | None
) -> Sequence[TaskRecord]:
    """Which of ``tasks``, those of ``stage`` that failed or were cancelled, to queue: the failed ones that are
    ``chosen`` (``None``: all), and every cancelled one, which was never done.

    Raises :class:`InvalidParameters` for a chosen name that is not among them, and where a stage that fails fast would
    keep a failed task; :class:`NothingToReplay` where none is left.
    """
    failed = {task.name for task in tasks if task.status is TaskStatus.FAILED}
    wanted = failed if chosen is None else set(chosen)
    cancelled = {task.name for task in tasks} - failed
    strangers = wanted - failed - cancelled
    if strangers:
        raise InvalidParameters(f"stage {stage.name!r} has no failed or cancelled task {min(strangers)!r}")
    left = failed - wanted
    if left and stage.failure_policy is FailurePolicy.FAIL_FAST:
        raise InvalidParameters(
            f"stage {stage.name!r} fails with any failed task, so {min(left)!r} has to be replayed too"
        )
    found = [task for task in tasks if task.name in wanted or task.name in cancelled]
    if not found:
        raise NothingToReplay(f"no task of stage {stage.name!r} was chosen")
    return found
