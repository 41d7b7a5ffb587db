"""The machine's records as the API shows them."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from core.jobs import StageDefinition
from core.listing import DeadLetterRecord, RunSummary
from core.model import Event, RunRecord, StageRecord, TaskRecord
from core.operations import JobStatus
from core.outcome import ErrorInfo, storable
from core.progress import StagePace
from core.registry import JobRegistry
from core.stage_progress import StageProgress, TaskProgress
from infrastructure.web.models import (
    ErrorReply,
    EventReply,
    LetterReply,
    Links,
    ResultReply,
    RunningReply,
    RunReply,
    StageReply,
    StatusReply,
    TaskReply,
)

PREFIX = "/api"
"""``routePrefix`` of host.json."""

MAX_INLINE = 4 * 1024 * 1024
"""Characters of parameters and results in a page of tasks, its first task not counted."""

HIDDEN = "(not shown)"

MAX_LETTER_BODY = 16 * 1024
"""Characters of a dead letter's body."""


MAX_RUNNING = 20
"""Running tasks that the status of a stage names."""

LONGEST = 365 * 86_400.0
"""Seconds. A stage that is to take longer has hardly begun."""


def status_view(status: JobStatus, jobs: JobRegistry) -> StatusReply:
    run = status.run
    return StatusReply(
        job_id=run.job_id,
        run=run.run,
        job_type=run.job_type,
        tenant=run.tenant,
        status=status.state,  # type: ignore[arg-type]  # checked by pydantic
        percent=status.percent,
        created_at=run.created_at,
        updated_at=run.updated_at,
        deadline=run.deadline,
        stages=[*_opened(status), *map(_waiting, _not_opened(run, jobs))],
        error=_error(run.error),
        links=links_of(run.job_id, run.run),
    )


def links_of(job_id: str, run: int) -> Links:
    of = f"{PREFIX}/jobs/{quote(job_id)}"
    return Links(
        self=f"{PREFIX}/jobs/status/{quote(job_id)}?run={run}",
        events=f"{of}/events?run={run}",
        tasks=f"{of}/tasks?run={run}",
        result=f"{of}/result?run={run}",
    )


def run_view(run: RunSummary) -> RunReply:
    return RunReply(
        job_id=run.job_id,
        run=run.run,
        job_type=run.job_type,
        tenant=run.tenant,
        status="paused" if run.paused else run.status.value,
        created_at=run.created_at,
        updated_at=run.updated_at,
        error=_error(run.error),
        links=links_of(run.job_id, run.run),
    )


def event_view(event: Event) -> EventReply:
    return EventReply(
        sequence=event.sequence,
        at=event.at,
        kind=event.kind,
        stage=event.stage,
        task_id=event.task_id,
        attempt=event.attempt,
        detail=event.detail,
        actor=event.actor,
    )


def task_views(tasks: Sequence[TaskRecord], room: int = MAX_INLINE) -> list[TaskReply]:
    """Parameters and results as long as there is room, which the first task may take without being counted."""
    views: list[TaskReply] = []
    for number, task in enumerate(tasks):
        size = len(task.parameters_json) + len(task.result_json or "")
        fits = number == 0 or size <= room
        room -= size if fits and number else 0
        views.append(_task(task, fits=fits))
    return views


def without_secrets(value: Any) -> Any:
    """Parameters as they are shown: no password, sealed or not, and no address beyond its path: a query may be a
    signature.
    """
    if isinstance(value, list):
        return [without_secrets(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {name: _shown(name, one) for name, one in value.items()}


def _shown(name: str, value: Any) -> Any:
    if name == "password" and value is not None:
        return HIDDEN
    if isinstance(value, str) and name == "url":
        address, mark, _ = value.partition("?")
        return address + mark + HIDDEN if mark else address
    return without_secrets(value)


def _task(task: TaskRecord, *, fits: bool) -> TaskReply:
    return TaskReply(
        task_id=task.task_id,
        name=task.name,
        stage=task.stage,
        task_type=task.task_type,
        status=task.status,
        attempt=task.attempt,
        parameters=without_secrets(json.loads(task.parameters_json)) if fits else None,
        result=_loaded(task.result_json) if fits else None,
        omitted=[] if fits else ["parameters"] if task.result_json is None else ["parameters", "result"],
        error=_error(task.error),
        progress_percent=task.progress_percent,
        progress_message=task.progress_message,
        progress_at=task.progress_at,
    )


def result_view(run: RunRecord) -> ResultReply:
    return ResultReply(
        job_id=run.job_id,
        run=run.run,
        status=run.status,
        result=_loaded(run.result_json),
        error=_error(run.error),
    )


def letter_view(record: DeadLetterRecord) -> LetterReply:
    letter = record.letter
    return LetterReply(
        id=record.record_id,
        queue=letter.queue,
        message_id=letter.message_id,
        message_type=letter.message_type,
        reason=letter.reason,
        description=letter.description,
        recorded_at=record.recorded_at,
        replays=record.replays,
        replayed_at=record.replayed_at,
        replayed_by=record.replayed_by,
        body=storable(letter.body[: 4 * MAX_LETTER_BODY + 4].decode(errors="replace"), MAX_LETTER_BODY),
    )


def _opened(status: JobStatus) -> list[StageReply]:
    """Only the newest stage can go on."""
    stages = status.run.stages
    return [_stage(stage, status.progress if stage is stages[-1] else None) for stage in stages]


def _stage(stage: StageRecord, progress: StageProgress | None) -> StageReply:
    done = stage.total - stage.remaining
    ended = round(100 * done / stage.total, 1) if stage.total else 100.0
    pace = progress.pace if progress is not None else StagePace(ended, None, None)
    return StageReply(
        number=stage.number,
        name=stage.name,
        task_type=stage.task_type,
        status=stage.status.value,
        total=stage.total,
        done=done,
        failed=stage.failed,
        percent=pace.percent,
        rate_per_minute=round(pace.rate_per_minute, 3) if pace.rate_per_minute is not None else None,
        remaining_seconds=_whole(pace.remaining_seconds),
        running=[_running(task) for task in progress.running[:MAX_RUNNING]] if progress is not None else [],
    )


def _running(task: TaskProgress) -> RunningReply:
    return RunningReply(
        task=task.name,
        percent=task.percent,
        message=task.message,
        remaining_seconds=_whole(task.remaining_seconds),
        since=task.since,
    )


def _whole(seconds: float | None) -> int | None:
    """Begun seconds: what is not done takes one at least. What takes longer than :data:`LONGEST` is not known."""
    return math.ceil(seconds) if seconds is not None and seconds <= LONGEST else None


def _waiting(stage: StageDefinition) -> StageReply:
    return StageReply(
        number=stage.number,
        name=stage.name,
        task_type=stage.task_type,
        status="waiting",
        total=0,
        done=0,
        failed=0,
        percent=0.0,
        rate_per_minute=None,
        remaining_seconds=None,
        running=[],
    )


def _not_opened(run: RunRecord, jobs: JobRegistry) -> Sequence[StageDefinition]:
    """Those of the definition; none where this process does not know the job type."""
    job = jobs.get(run.job_type)
    return job.stages[run.current_stage :] if job is not None else ()


def _error(error: ErrorInfo | None) -> ErrorReply | None:
    return ErrorReply(code=error.code, message=error.message, retryable=error.retryable) if error is not None else None


def _loaded(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    loaded = json.loads(text)
    assert isinstance(loaded, dict)
    return loaded
