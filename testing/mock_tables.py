"""The tables of :class:`testing.mock_state.MockStateManager`, and what its transitions have in common."""

from __future__ import annotations

from datetime import datetime
from itertools import count

from core.decisions import stage_end
from core.errors import CapacityExceeded, LeaseLost
from core.ids import JobId, TaskId
from core.listing import DeadLetterRecord
from core.model import EventKind, Lease, OutboxRow, RunStatus, TaskStatus
from core.outcome import ErrorInfo
from core.ports import Clock
from testing.clock import FakeClock
from testing.mock_outbox import Outbox
from testing.rows import FlatLog, RunRow, StageRow, TaskRow

NO_OUTBOX: tuple[OutboxRow, ...] = ()


class MockTables:
    """Dictionaries of rows. ``max_tasks`` and ``max_bytes`` (of parameters, results and checkpoints) bound them: over
    them a transition raises :class:`CapacityExceeded` and changes nothing.
    """

    def __init__(self, clock: Clock | None = None, *, max_tasks: int = 1_000_000, max_bytes: int = 1 << 30) -> None:
        self._clock = clock or FakeClock()
        self._runs: dict[tuple[JobId, int], RunRow] = {}
        self._latest: dict[JobId, RunRow] = {}
        self._tasks: dict[TaskId, TaskRow] = {}
        self._keys: dict[tuple[str, str], JobId] = {}
        self._letters: dict[int, DeadLetterRecord] = {}
        self._letter_numbers = count(1)
        self._outbox = Outbox()
        self._operations = FlatLog(3)
        self._sequence = count(1)
        self._max_tasks = max_tasks
        self._max_bytes = max_bytes
        self._bytes = 0

    def _add_run(self, run: RunRow) -> None:
        self._runs[run.key] = run
        self._latest[run.job_id] = run

    def _held(self, lease: Lease, operation: str) -> TaskRow:
        task = self._tasks.get(lease.task_id)
        if task is None or task.lease is None or task.lease.token != lease.token:
            self._note(operation, lease.task_id, "lease_lost")
            raise LeaseLost("the task is no longer held under this lease", task_id=lease.task_id)
        return task

    def _end_stage(self, stage: StageRow, now: datetime) -> OutboxRow:
        stage.status = stage_end(stage.failure_policy, stage.failed)
        stage.run.touch(now)
        self._event(stage.run, EventKind.STAGE_ENDED, now, stage.number, detail=stage.status.value)
        assert stage.on_end is not None
        return self._outbox.add(stage, stage.on_end, now)

    def _end_run(
        self,
        run: RunRow,
        status: RunStatus,
        result_json: str | None,
        error: ErrorInfo | None,
        now: datetime,
        actor: str = "",
    ) -> None:
        run.status, run.result_json, run.error, run.paused, run.ended_at = status, result_json, error, False, now
        run.touch(now)
        cancelled = sum([self._cancel(task, now) for stage in run.stages for task in stage.tasks])
        if cancelled:
            self._event(run, EventKind.TASKS_CANCELLED, now, detail=str(cancelled))
        for stage in run.stages:
            if stage.close_with(status):
                self._event(run, EventKind.STAGE_ENDED, now, stage.number, detail=stage.status.value)
        self._outbox.drop(run)
        self._event(run, EventKind.JOB_ENDED, now, detail=status.value, actor=actor)
        self._note("finish_run", run.job_id, status.value)

    def _cancel(self, task: TaskRow, now: datetime) -> bool:
        if task.status not in (TaskStatus.QUEUED, TaskStatus.RUNNING):
            return False
        task.end_attempt(now, TaskStatus.CANCELLED, None)
        task.status = TaskStatus.CANCELLED
        task.stage.remaining -= 1
        return True

    def _check_room(self, tasks: int) -> None:
        if len(self._tasks) + tasks > self._max_tasks:
            raise CapacityExceeded(f"more than {self._max_tasks} tasks", limit=self._max_tasks)

    def _charge(self, size: int) -> None:
        if self._bytes + size > self._max_bytes:
            raise CapacityExceeded(f"state: more than {self._max_bytes} bytes", limit=self._max_bytes)
        self._bytes += size

    def _event(
        self,
        run: RunRow,
        kind: EventKind,
        now: datetime,
        stage: int | None = None,
        task_id: TaskId | None = None,
        attempt: int | None = None,
        detail: str = "",
        actor: str = "",
    ) -> None:
        run.events.add((next(self._sequence), now, kind, stage, task_id, attempt, detail, actor))

    def _note(self, operation: str, key: str, result: str) -> None:
        self._operations.add((operation, key, result))
