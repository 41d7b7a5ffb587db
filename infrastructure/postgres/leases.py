"""Claims, leases, checkpoints and progress."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from core.errors import LeaseLost
from core.ids import TaskId, WorkerId
from core.limits import check_json, check_text
from core.model import Claimed, ClaimResult, Lease, LeaseExpired, NotClaimed, OutboundMessage, TaskRecord, TaskStatus
from core.ports import ClaimRequest
from infrastructure.postgres.database import Database, Row, lists
from infrastructure.postgres.rows import task_record
from infrastructure.postgres.run_keys import MAX_INTEGER, Place, RunKeys
from infrastructure.postgres.sql_blocks import load_blocks

_TASKS, _RUNS = load_blocks("tasks.sql"), load_blocks("runs.sql")


class LeaseStatements:
    """The part of the store that gives tasks to workers, and takes what they write while they hold one."""

    def __init__(self, database: Database, keys: RunKeys) -> None:
        self._database = database
        self._keys = keys

    def claim_task(
        self, task_id: TaskId, attempt: int, worker: WorkerId, lease_seconds: float, now: datetime
    ) -> ClaimResult:
        (claim,) = self.claim_tasks([ClaimRequest(task_id, attempt, worker, lease_seconds, now)])
        return claim

    def claim_tasks(self, requests: Sequence[ClaimRequest]) -> Sequence[ClaimResult]:
        for request in requests:
            check_text(request.worker, "worker id")
        places = [self._keys.place(request.task_id) for request in requests]
        claims = self._claim(requests, places)
        for index, place in enumerate(places):
            if claims[index] is NotClaimed.UNKNOWN and place is not None and (moved := self._keys.moved(place)):
                (claims[index],) = self._claim([requests[index]], [moved])
        return claims

    def park_task(
        self, task_id: TaskId, attempt: int, wakeup: OutboundMessage, worker: WorkerId, now: datetime
    ) -> bool:
        check_text(worker, "worker id")
        place = self._keys.place(task_id)
        if place is None:
            return False
        values = {"attempt": attempt, "owner": worker, "now": now}
        if self._park(place, values):
            return True
        moved = self._keys.moved(place)
        return moved is not None and self._park(moved, values)

    def renew_lease(self, lease: Lease, lease_seconds: float, now: datetime) -> Lease:
        renewed = lease._replace(expires_at=now + timedelta(seconds=lease_seconds))
        self._write(lease, "renew_lease", expires_at=renewed.expires_at)
        return renewed

    def save_checkpoint(self, lease: Lease, checkpoint_json: str, lease_seconds: float, now: datetime) -> Lease:
        check_json(checkpoint_json, "checkpoint")
        renewed = lease._replace(expires_at=now + timedelta(seconds=lease_seconds))
        self._write(lease, "save_checkpoint", checkpoint_json=checkpoint_json, expires_at=renewed.expires_at)
        return renewed

    def report_progress(
        self, lease: Lease, percent: float, message: str, now: datetime, rate: float | None = None
    ) -> None:
        check_text(message, "progress message")
        self._write(lease, "report_progress", percent=percent, message=message, at=now, rate=rate)

    def load_task(self, task_id: TaskId) -> TaskRecord | None:
        place = self._keys.place(task_id)
        row = self._row_of(place, "load_task", {}) if place is not None else None
        return task_record(place.job_id, place.run, row) if place is not None and row is not None else None

    def _park(self, place: Place, values: Mapping[str, object]) -> bool:
        with self._database.transaction() as statements:
            statements.rows(_RUNS["share_run"], run_key=place.run_key)
            statements.rows(_TASKS["hold_task"], **place.columns)
            return statements.row(_TASKS["park_task"], **place.columns, **values) is not None

    def _claim(self, requests: Sequence[ClaimRequest], places: Sequence[Place | None]) -> list[ClaimResult]:
        """The claims, ``UNKNOWN`` for those whose task is not there; a task that is asked for twice is claimed once
        and then refused."""
        first: dict[Place, int] = {}
        for index, place in enumerate(places):
            if place is not None:
                first.setdefault(place, index)
        rows = self._claim_rows(requests, sorted(first.items()))
        claims: list[ClaimResult] = []
        for index, (request, place) in enumerate(zip(requests, places, strict=True)):
            row = rows.get(index)
            if row is not None:
                claims.append(_claim_result(request, row))
            elif place is None or first[place] == index:
                claims.append(NotClaimed.UNKNOWN)
            else:
                claims += self._claim([request], [place])
        return claims

    def _claim_rows(
        self, requests: Sequence[ClaimRequest], sought: Sequence[tuple[Place, int]]
    ) -> dict[int, tuple[Any, ...]]:
        """What became of each task that is there, by the position of its request."""
        if not sought:
            return {}
        if len(sought) == 1:
            ((place, index),) = sought
            values = _claim_columns(requests[index])
            rows = self._database.tuples(_TASKS["claim_task"], place.columns | values)
            return dict.fromkeys([index], rows[0]) if rows else {}
        asked = [_claim_columns(requests[index]) for _, index in sought]
        columns = lists(
            **Place.lists([place for place, _ in sought]),
            attempts=[one["attempt"] for one in asked],
            owners=[one["owner"] for one in asked],
            times=[one["now"] for one in asked],
            ends=[one["expires_at"] for one in asked],
            positions=[index for _, index in sought],
        )
        return {row[0]: row[1:] for row in self._database.tuples(_TASKS["claim_tasks"], columns)}

    def _write(self, lease: Lease, block: str, **values: object) -> None:
        """A write under a lease."""
        place = self._keys.place(lease.task_id)
        if place is None or self._row_of(place, block, {"token": lease.token, **values}) is None:
            raise LeaseLost("the task is no longer held under this lease", task_id=lease.task_id)

    def _row_of(self, place: Place, block: str, values: Mapping[str, object]) -> Row | None:
        """The row that a statement gives for a task."""
        row = self._database.row(_TASKS[block], **place.columns, **values)
        if row is None and (moved := self._keys.moved(place)) is not None:
            row = self._database.row(_TASKS[block], **moved.columns, **values)
        return row


def _claim_columns(request: ClaimRequest) -> dict[str, object]:
    return {
        "attempt": request.attempt if 0 < request.attempt <= MAX_INTEGER else 0,  # which no task waits for
        "owner": request.worker,
        "now": request.now,
        "expires_at": request.now + timedelta(seconds=request.lease_seconds),
    }


def _claim_result(request: ClaimRequest, row: tuple[Any, ...]) -> ClaimResult:
    status, attempt, charged, parameters, paused, job_type, task_type, granted, checkpoint = row[:9]
    if granted is not None:
        ends = request.now + timedelta(seconds=request.lease_seconds)
        lease = Lease(request.task_id, request.attempt, granted, request.worker, ends)
        return Claimed(lease, task_type, parameters, checkpoint, charged)
    token, held_attempt, owner, expires_at, progressed = row[9:]
    if status != TaskStatus.QUEUED:
        return NotClaimed.ENDED
    if token is not None:
        if expires_at > request.now:
            return NotClaimed.RUNNING
        held = Lease(request.task_id, held_attempt, token, WorkerId(owner), expires_at)
        return LeaseExpired(held, job_type, task_type, charged, progressed)
    if attempt != request.attempt:
        return NotClaimed.STALE
    return NotClaimed.PAUSED if paused else NotClaimed.RUNNING
