"""How tests put things into :class:`testing.mock_state.MockStateManager`, and look into it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from core.errors import DefinitionError, JobNotFound
from core.ids import JobId, TaskId, job_id_for, parse_job_id, task_id_for, task_message_id
from core.messages import JobQueueMessage, TaskQueueMessage
from core.model import TERMINAL_TASK, FailurePolicy, OutboundMessage, RunRecord, RunStatus, TaskRecord
from testing.mock_snapshot import snapshot
from testing.mock_tables import MockTables
from testing.rows import RunRow, StageRow, TaskRow


class MockAids(MockTables):
    """What is in the store for tests only."""

    def create_test_job(
        self,
        job_type: str,
        parameters: Mapping[str, object] | None = None,
        *,
        job_id: str | None = None,
        status: RunStatus = RunStatus.PROCESSING,
        retry_budget: int | None = None,
    ) -> RunRecord:
        """Put a run in place without submitting it; its message is not sent.

        Raises :class:`core.errors.InvalidIdentifier` for a ``job_id`` that is not 64 hex digits.
        """
        values = dict(parameters or {})
        key = parse_job_id(job_id) if job_id is not None else job_id_for(job_type, values, "test")
        wakeup = JobQueueMessage(job_id=key, run=1, job_type=job_type)
        message = OutboundMessage("jobs", wakeup.message_id, wakeup.name, wakeup.encode())
        run = RunRow(key, 1, job_type, "test", json.dumps(values), retry_budget, message, self._clock.now())
        run.status = status
        self._add_run(run)
        return run.record()

    def create_test_task(
        self,
        job_id: str,
        task_type: str,
        parameters: Mapping[str, object] | None = None,
        *,
        parameters_json: str | None = None,
        stage: int = 1,
        name: str = "0",
        failure_policy: FailurePolicy = FailurePolicy.FAIL_FAST,
    ) -> TaskRecord:
        """Put a queued task into a run, and its stage if that is not there. Nothing is sent.

        ``parameters_json`` is JSON text, in place of ``parameters``. Raises :class:`JobNotFound`, and
        :class:`DefinitionError` for a name that the stage has already.
        """
        run = self._runs.get((JobId(job_id), 1))
        if run is None:
            raise JobNotFound(f"there is no job {job_id[:80]}")
        task_id = task_id_for(run.job_id, 1, stage, name)
        if task_id in self._tasks:
            raise DefinitionError(f"stage {stage}: there is a task {name!r} already")
        row = next((found for found in run.stages if found.number == stage), None)
        row = row or StageRow.for_test(run, stage, task_type, failure_policy)
        message = TaskQueueMessage(
            job_id=run.job_id,
            run=1,
            job_type=run.job_type,
            stage=stage,
            task_id=task_id,
            task_type=task_type,
            attempt=1,
        )
        outbound = OutboundMessage("tasks", task_message_id(task_id, 1), message.name, message.encode())
        task = TaskRow(row, task_id, name, parameters_json or json.dumps(dict(parameters or {})), outbound)
        row.add(task)
        self._tasks[task_id] = task
        return task.record()

    def get_state_snapshot(self) -> dict[str, Any]:
        """Everything as JSON values: ``jobs`` by job id, ``tasks`` by task id, ``stage_stats`` by job:run:stage."""
        return snapshot(self._runs.values(), self._tasks.values())

    def get_operation_log(self) -> list[dict[str, str]]:
        """The transitions that were asked for, in order: ``operation``, ``key`` and ``result``."""
        return [{"operation": name, "key": key, "result": str(result)} for name, key, result in self._operations.rows()]

    def open_runs(self) -> list[RunRecord]:
        """The runs that have not ended."""
        return [run.record() for run in self._runs.values() if not run.ended]

    def task_ended(self, task_id: TaskId) -> bool:
        return self._tasks[task_id].status in TERMINAL_TASK

    def mark_injected(self, task_id: TaskId, now: datetime) -> None:
        """The task's wake-up was sent by hand: from now on it can be missed."""
        self._tasks[task_id].woken_at = now

    def failed_runs(self) -> list[RunRecord]:
        return [run.record() for run in self._runs.values() if run.status is RunStatus.FAILED]

    def next_due(self) -> datetime | None:
        """When the next lease runs out."""
        return min((task.lease.expires_at for task in self._tasks.values() if task.lease), default=None)
