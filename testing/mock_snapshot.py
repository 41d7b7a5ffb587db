"""The rows of :class:`testing.mock_state.MockStateManager` as JSON values, for tests and ``/api/test/state``."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from core.model import TaskStatus
from core.outcome import ErrorInfo
from testing.rows import RunRow, StageRow, TaskRow


def snapshot(runs: Iterable[RunRow], tasks: Iterable[TaskRow]) -> dict[str, Any]:
    """``jobs`` by job id (its newest run), ``tasks`` by task id, ``stage_stats`` by job:run:stage."""
    every_run = list(runs)
    return {
        "jobs": {run.job_id: _run(run) for run in every_run},
        "tasks": {task.task_id: _task(task) for task in tasks},
        "stage_stats": {
            f"{run.job_id}:{run.run}:{stage.number}": _stats(stage) for run in every_run for stage in run.stages
        },
    }


def _run(run: RunRow) -> dict[str, Any]:
    return {
        "job_type": run.job_type,
        "run": run.run,
        "status": run.status.value,
        "current_stage": run.newest_stage,
        "parameters": json.loads(run.parameters_json),
        "result": _loads(run.result_json),
        "error": _error(run.error),
        "retries_used": run.retries_used,
    }


def _stats(stage: StageRow) -> dict[str, Any]:
    by_status = dict.fromkeys((status.value for status in TaskStatus), 0)
    for task in stage.tasks:
        by_status[task.status.value] += 1
    return {
        "name": stage.name,
        "task_type": stage.task_type,
        "status": stage.status.value,
        "total": stage.total,
    } | by_status


def _task(task: TaskRow) -> dict[str, Any]:
    return {
        "job_id": task.stage.run.job_id,
        "stage": task.stage.number,
        "name": task.name,
        "task_type": task.stage.task_type,
        "status": task.status.value,
        "attempt": task.attempt,
        "parameters": json.loads(task.parameters_json),
        "result": _loads(task.result_json),
        "error": _error(task.error),
    }


def _loads(text: str | None) -> Any:
    return json.loads(text) if text is not None else None


def _error(error: ErrorInfo | None) -> dict[str, Any] | None:
    return {"code": error.code, "message": error.message, "retryable": error.retryable} if error else None
