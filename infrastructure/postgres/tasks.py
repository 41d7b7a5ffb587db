"""Tasks: claiming, leases, checkpoints, and the ends of attempts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from psycopg import Rollback

from core.decisions import FailFinally, Requeue, Transition, within_budget
from core.errors import LeaseLost
from core.ids import TaskId, WorkerId
from core.limits import check_json, check_text
from core.model import (
    Claimed,
    ClaimResult,
    FailurePolicy,
    Finished,
    Lease,
    LeaseExpired,
    NotClaimed,
    OutboundMessage,
    OutboxRow,
    RunStatus,
    TaskRecord,
    TaskStatus,
)
from core.outcome import ErrorInfo, Succeeded
from core.ports import AttemptEnd
from infrastructure.postgres.database import Database, Row, Statements, joined
from infrastructure.postgres.rows import TaskKey, task_record
from infrastructure.postgres.run_keys import RunKeys
from infrastructure.postgres.runs import end_run, error_columns
from infrastructure.postgres.sql_blocks import load_blocks

_TASKS, _RUNS = load_blocks("tasks.sql"), load_blocks("runs.sql")

Place = dict[str, object]
"""Where a task is, as a statement's parameters: ``run_key``, ``stage`` and ``name``."""


class TaskStatements:
    """The part of the store that knows tasks and their attempts."""

    def __init__(self, database: Database, keys: RunKeys) -> None:
        self._database = database
        self._keys = keys

    def claim_task(
        self, task_id: TaskId, attempt: int, worker: WorkerId, lease_seconds: float, now: datetime
    ) -> ClaimResult:
        key = TaskKey.of(task_id)
        if key is None:
            return NotClaimed.UNKNOWN
        lease = Lease(task_id, attempt, 0, worker, now + timedelta(seconds=lease_seconds))
        claim = self._claim(key, lease, now)
        if claim is NotClaimed.UNKNOWN and self._keys.forget(key.job_id, key.run):
            claim = self._claim(key, lease, now)
        return claim

    def park_task(
        self, task_id: TaskId, attempt: int, wakeup: OutboundMessage, worker: WorkerId, now: datetime
    ) -> bool:
        place = self._place(task_id)
        if place is None:
            return False
        with self._database.transaction() as statements:
            statements.rows(_RUNS["share_run"], run_key=place["run_key"])
            parked = statements.row(_TASKS["park_task"], attempt=attempt, owner=worker, now=now, **place)
        return parked is not None

    def renew_lease(self, lease: Lease, lease_seconds: float, now: datetime) -> Lease:
        renewed = lease._replace(expires_at=now + timedelta(seconds=lease_seconds))
        self._write(lease, "renew_lease", expires_at=renewed.expires_at)
        return renewed

    def save_checkpoint(self, lease: Lease, checkpoint_json: str, lease_seconds: float, now: datetime) -> Lease:
        check_json(checkpoint_json, "checkpoint")
        renewed = lease._replace(expires_at=now + timedelta(seconds=lease_seconds))
        self._write(lease, "save_checkpoint", checkpoint_json=checkpoint_json, expires_at=renewed.expires_at)
        return renewed

    def report_progress(self, lease: Lease, percent: float, message: str, now: datetime) -> None:
        check_text(message, "progress message")
        self._write(lease, "report_progress", percent=percent, message=message)

    def finish_attempt(
        self, lease: Lease, transition: Transition, wakeup: OutboundMessage | None, now: datetime
    ) -> Finished:
        (finished,) = self.finish_attempts([AttemptEnd(lease, transition, wakeup, now)])
        if finished is None:
            raise _lost(lease)
        return finished

    def finish_attempts(self, ends: Sequence[AttemptEnd]) -> Sequence[Finished | None]:
        for end in ends:
            _check_end(end)
        finished: list[Finished | None] = []
        for success, group in groupby(ends, key=lambda end: isinstance(end.transition, Succeeded)):
            some = list(group)
            finished += self._end_tasks(some) if success else map(self._fail_or_requeue, some)
        return finished

    def load_task(self, task_id: TaskId) -> TaskRecord | None:
        key, place = TaskKey.of(task_id), self._place(task_id)
        if key is None or place is None:
            return None
        row = self._database.row(_TASKS["load_task"], **place)
        return task_record(key.job_id, key.run, row) if row is not None else None

    # --- helpers ---

    def _place(self, task_id: TaskId) -> Place | None:
        key = TaskKey.of(task_id)
        run_key = self._keys.find(key.job_id, key.run) if key is not None else None
        if key is None or run_key is None:
            return None
        return {"run_key": run_key, "stage": key.stage, "name": key.name}

    def _claim(self, key: TaskKey, lease: Lease, now: datetime) -> ClaimResult:
        run_key = self._keys.find(key.job_id, key.run)
        if run_key is None:
            return NotClaimed.UNKNOWN
        parameters = {
            "run_key": run_key,
            "stage": key.stage,
            "name": key.name,
            "attempt": lease.attempt,
            "owner": lease.owner,
            "now": now,
            "expires_at": lease.expires_at,
        }
        rows = self._database.tuples(_TASKS["claim_task"], parameters)
        return _claim_result(lease, now, rows[0]) if rows else NotClaimed.UNKNOWN

    def _write(self, lease: Lease, block: str, **values: object) -> None:
        """A write under a lease."""
        place = self._place(lease.task_id)
        if place is None or self._database.row(_TASKS[block], token=lease.token, **place, **values) is None:
            raise _lost(lease)

    def _end_tasks(self, ends: Sequence[AttemptEnd]) -> list[Finished | None]:
        """End attempts whose tasks end with them and whose stages go on, in one statement."""
        places = [self._place(end.lease.task_id) for end in ends]
        known = [(end, place) for end, place in zip(ends, places, strict=True) if place is not None]
        rows = self._end_known(known)
        by_end = {id(known[row[0] - 1][0]): row for row in rows}
        last = {row[1]: row[0] for row in sorted(rows) if row[1] is not None}
        return [_finished(end, by_end.get(id(end)), last) for end in ends]

    def _end_known(self, known: Sequence[tuple[AttemptEnd, Place]]) -> Sequence[tuple[Any, ...]]:
        if len(known) == 1 and isinstance(known[0][0].transition, Succeeded):
            end, place = known[0]
            values = {"token": end.lease.token, "now": end.now, "result_json": _result(end.transition)}
            return self._database.tuples(_TASKS["complete_task"], place | values)
        errors = [end.transition.error if isinstance(end.transition, FailFinally) else None for end, _ in known]
        columns = [error_columns(error) for error in errors] if any(errors) else []
        parameters = {
            "run_keys": joined([place["run_key"] for _, place in known]),
            "stages": joined([place["stage"] for _, place in known]),
            "names": joined([place["name"] for _, place in known]),
            "tokens": joined([end.lease.token for end, _ in known]),
            "times": joined([end.now.isoformat() for end, _ in known]),
            "results": joined([_result(end.transition) for end, _ in known]),
            "codes": [code for code, _, _ in columns],
            "messages": [message for _, message, _ in columns],
            "retryables": [retryable for _, _, retryable in columns],
        }
        return self._database.tuples(_TASKS["end_tasks"], parameters)

    def _fail_or_requeue(self, end: AttemptEnd) -> Finished | None:
        place = self._place(end.lease.task_id)
        if place is None:
            return None
        if isinstance(end.transition, Requeue):
            return self._requeue(end, end.transition, place)
        assert isinstance(end.transition, FailFinally)
        return self._fail(end, end.transition.error, place)

    def _fail(self, end: AttemptEnd, error: ErrorInfo, place: Place) -> Finished | None:
        policy = self._database.row(_TASKS["failure_policy"], run_key=place["run_key"], stage=place["stage"])
        if policy is None:
            return None
        if policy.failure_policy == FailurePolicy.TOLERATE:
            (finished,) = self._end_tasks([end._replace(transition=FailFinally(error))])
            return finished
        with self._database.transaction() as statements:
            return _fail_run(statements, end, error, place)

    def _requeue(self, end: AttemptEnd, transition: Requeue, place: Place) -> Finished | None:
        if end.wakeup is None:
            raise ValueError("a requeued task needs a wake-up")
        code, message, retryable = error_columns(transition.error)
        values = {
            "token": end.lease.token,
            "cause": transition.cause,
            "code": code,
            "message": message,
            "retryable": retryable,
            "charged": transition.charged,
            "not_before": end.wakeup.not_before,
            "now": end.now,
        }
        if not transition.charged:
            row = self._database.row(_TASKS["requeue_task"], **place, **values)
            return _requeued(end.wakeup, row) if row is not None else None
        return self._requeue_charged(end, transition, place, values)

    def _requeue_charged(
        self, end: AttemptEnd, transition: Requeue, place: Place, values: Mapping[str, object]
    ) -> Finished | None:
        wakeup = end.wakeup
        assert wakeup is not None
        with self._database.transaction() as statements:
            if statements.row(_RUNS["spend_retry"], run_key=place["run_key"]) is not None:
                row = statements.row(_TASKS["requeue_task"], **place, **values)
                if row is None:
                    raise Rollback
                return _requeued(wakeup, row)
        return self._over_budget(end, transition, place)

    def _over_budget(self, end: AttemptEnd, transition: Requeue, place: Place) -> Finished | None:
        """The attempt's lease was lost, or the run's retry budget is spent."""
        if not self._holds(end.lease, place):
            return None
        final = within_budget(transition, 0, 0)
        assert isinstance(final, FailFinally)
        return self._fail(end, final.error, place)

    def _holds(self, lease: Lease, place: Place) -> bool:
        return self._database.row(_TASKS["holder"], token=lease.token, **place) is not None


def _fail_run(statements: Statements, end: AttemptEnd, error: ErrorInfo, place: Place) -> Finished | None:
    statements.rows(_TASKS["lock_run"], run_key=place["run_key"])
    code, message, retryable = error_columns(error)
    failed = statements.row(
        _TASKS["fail_task"],
        token=end.lease.token,
        now=end.now,
        code=code,
        message=message,
        retryable=retryable,
        **place,
    )
    if failed is None:
        return None
    end_run(statements, _integer(place["run_key"]), RunStatus.FAILED, None, error, end.now)
    return Finished(TaskStatus.FAILED, RunStatus.FAILED, ())


def _claim_result(lease: Lease, now: datetime, row: tuple[Any, ...]) -> ClaimResult:
    status, attempt, charged, parameters, paused, job_type, task_type, granted, checkpoint = row[:9]
    if granted is not None:
        return Claimed(lease._replace(token=granted), task_type, parameters, checkpoint, charged)
    token, held_attempt, owner, expires_at, progressed = row[9:]
    if status != TaskStatus.QUEUED:
        return NotClaimed.ENDED
    if token is not None:
        if expires_at > now:
            return NotClaimed.RUNNING
        held = Lease(lease.task_id, held_attempt, token, WorkerId(owner), expires_at)
        return LeaseExpired(held, job_type, task_type, charged, progressed)
    if attempt != lease.attempt:
        return NotClaimed.STALE
    return NotClaimed.PAUSED if paused else NotClaimed.RUNNING


def _finished(end: AttemptEnd, row: tuple[Any, ...] | None, last: Mapping[int, int]) -> Finished | None:
    """``last`` is the position of the last attempt that ended the stage of an outbox row."""
    if row is None:
        return None
    status = TaskStatus.COMPLETED if isinstance(end.transition, Succeeded) else TaskStatus.FAILED
    position, row_id, *message = row
    if row_id is None or last[row_id] != position:
        return Finished(status, RunStatus.PROCESSING, ())
    return Finished(status, RunStatus.PROCESSING, (OutboxRow(row_id, OutboundMessage(*message)),))


def _requeued(wakeup: OutboundMessage, row: Row) -> Finished:
    outbox = () if row.paused else (OutboxRow(row.row_id, wakeup),)
    return Finished(TaskStatus.QUEUED, RunStatus.PROCESSING, outbox)


def _result(transition: Transition) -> str:
    return transition.result_json if isinstance(transition, Succeeded) else ""


def _check_end(end: AttemptEnd) -> None:
    match end.transition:
        case Succeeded(result_json):
            check_json(result_json, "result")
        case FailFinally(error):
            check_text(error.message, "error message")
        case Requeue(cause, _, _, error):
            check_text(cause, "cause")
            check_text(error.message if error is not None else "", "error message")


def _integer(value: object) -> int:
    assert isinstance(value, int)
    return value


def _lost(lease: Lease) -> LeaseLost:
    return LeaseLost("the task is no longer held under this lease", task_id=lease.task_id)
