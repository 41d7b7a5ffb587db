"""How far a stage that goes on is, how fast it goes, and what runs in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from core.model import RunningTask, StageActivity, StageRecord
from core.progress import RunningPart, StagePace, remaining_seconds, stage_pace

LOOKED_AT = 100
"""Running tasks of a stage that are looked at; what is said of one where more run leaves the others out."""


@dataclass(frozen=True, slots=True)
class TaskProgress:
    """``percent`` is 0 to 100; ``since`` is when the attempt began."""

    name: str
    percent: float | None
    message: str
    since: datetime
    remaining_seconds: float | None


@dataclass(frozen=True, slots=True)
class StageProgress:
    pace: StagePace
    running: tuple[TaskProgress, ...]


def stage_progress(stage: StageRecord, activity: StageActivity, now: datetime) -> StageProgress:
    """The progress of a stage at ``now``."""
    begins = [task.started_at for task in activity.running]
    if activity.began_at is not None:
        begins.append(activity.began_at)
    seconds = _since(min(begins), now) if begins else None
    parts = [_part(task, now) for task in activity.running]
    pace = stage_pace(stage.total, stage.remaining, activity.ended, parts, seconds)
    pairs = zip(activity.running, parts, strict=True)
    return StageProgress(pace, tuple(_task(task, part) for task, part in pairs))


def _part(task: RunningTask, now: datetime) -> RunningPart:
    """The rate of an earlier attempt says nothing: it may have run elsewhere."""
    own = task.reported_at is not None and task.reported_at >= task.started_at
    rate = task.rate if own else None
    since_report = _since(task.reported_at, now) if task.reported_at is not None else 0.0
    remaining = remaining_seconds(task.percent, rate, since_report)
    return RunningPart(task.percent, _since(task.started_at, now), rate, remaining)


def _task(task: RunningTask, part: RunningPart) -> TaskProgress:
    return TaskProgress(task.name, task.percent, task.message, task.started_at, part.remaining)


def _since(then: datetime, now: datetime) -> float:
    return max(0.0, (now - then).total_seconds())
