"""The ends of attempts, and what each causes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any

from psycopg import Rollback

from core.decisions import FailFinally, Requeue, Transition, check_transition, within_budget
from core.errors import LeaseLost
from core.model import FailurePolicy, Finished, Lease, LeaseExpired, OutboundMessage, OutboxRow, RunStatus, TaskStatus
from core.outcome import ErrorInfo, Succeeded
from core.ports import AttemptEnd
from infrastructure.postgres.database import Database, Row, Statements, lists
from infrastructure.postgres.run_keys import MAX_BIG, Place, RunKeys
from infrastructure.postgres.runs import RunEnd, end_run, error_columns
from infrastructure.postgres.sql_blocks import load_blocks

_TASKS, _RUNS = load_blocks("tasks.sql"), load_blocks("runs.sql")


class EndStatements:
    """The part of the store that ends attempts."""

    def __init__(self, database: Database, keys: RunKeys) -> None:
        self._database = database
        self._keys = keys

    def finish_attempt(
        self, lease: Lease, transition: Transition, wakeup: OutboundMessage | None, now: datetime
    ) -> Finished:
        (finished,) = self.finish_attempts([AttemptEnd(lease, transition, wakeup, now)])
        if finished is None:
            raise LeaseLost("the task is no longer held under this lease", task_id=lease.task_id)
        return finished

    def finish_attempts(self, ends: Sequence[AttemptEnd]) -> Sequence[Finished | None]:
        for end in ends:
            check_transition(end.transition, end.wakeup)
        places = [self._keys.place(end.lease.task_id) for end in ends]
        finished = self._finish(ends, places)
        for index, place in enumerate(places):
            if finished[index] is None and place is not None and (moved := self._keys.moved(place)):
                (finished[index],) = self._finish([ends[index]], [moved])
        return finished

    def end_lost_attempt(
        self, expired: LeaseExpired, transition: FailFinally | Requeue, wakeup: OutboundMessage | None, now: datetime
    ) -> Finished:
        check_transition(transition, wakeup)
        end, place = AttemptEnd(expired.lease, transition, wakeup, now), self._keys.place(expired.lease.task_id)
        finished = self._end_lost(end, place, expired)
        if finished is None and place is not None and (moved := self._keys.moved(place)):
            finished = self._end_lost(end, moved, expired)
        if finished is None:
            raise LeaseLost("the holder is there after all", task_id=expired.lease.task_id)
        return finished

    def _end_lost(self, end: AttemptEnd, place: Place | None, seen: LeaseExpired) -> Finished | None:
        return self._fail_or_requeue(end, place, self._failure_policies([end], [place]).get(0), seen)

    def _finish(self, ends: Sequence[AttemptEnd], places: Sequence[Place | None]) -> list[Finished | None]:
        policies = self._failure_policies(ends, places)

        def ends_alone(index: int) -> bool:
            """Whether nothing but the task ends, and perhaps its stage."""
            success = isinstance(ends[index].transition, Succeeded)
            return success or policies.get(index) is FailurePolicy.TOLERATE

        finished: list[Finished | None] = []
        for alone, group in groupby(range(len(ends)), key=ends_alone):
            if alone:
                finished += self._end_tasks([(ends[index], places[index]) for index in group], self._database)
            else:
                finished += [self._fail_or_requeue(ends[index], places[index], policies.get(index)) for index in group]
        return finished

    def _end_tasks(
        self, ends: Sequence[tuple[AttemptEnd, Place | None]], database: Database | Statements
    ) -> list[Finished | None]:
        """End attempts whose tasks end with them and whose stages go on, in one statement."""
        known = _each_lease_once([(place, index, end) for index, (end, place) in enumerate(ends) if place is not None])
        rows = _end_known(known, database) if known else ()
        by_position = {row[0]: row for row in rows}
        last = {row[1]: row[0] for row in sorted(by_position.values(), key=itemgetter(0)) if row[1] is not None}
        return [_finished(end, by_position.get(index), last) for index, (end, _) in enumerate(ends)]

    def _fail_or_requeue(
        self,
        end: AttemptEnd,
        place: Place | None,
        policy: FailurePolicy | None,
        seen: LeaseExpired | None = None,
    ) -> Finished | None:
        """``policy`` is what a failure does; ``seen`` is the lease as it has to be found, where that is another's."""
        if place is None or not 0 < end.lease.token <= MAX_BIG:
            return None
        if isinstance(end.transition, Requeue):
            return self._requeue(end, end.transition, place, seen)
        assert isinstance(end.transition, FailFinally)
        if policy is None:
            return None
        if policy is FailurePolicy.TOLERATE:
            return self._fail_tolerated(end, place, seen)
        with self._database.transaction() as statements:
            finished = _fail_run(statements, end, end.transition.error, place, seen)
            if finished is None:
                raise Rollback
        return finished

    def _failure_policies(self, ends: Sequence[AttemptEnd], places: Sequence[Place | None]) -> dict[int, FailurePolicy]:
        """What those that fail do to their runs, by index; there for those whose lease is held."""
        held = [
            (index, end.lease.token, place)
            for index, (end, place) in enumerate(zip(ends, places, strict=True))
            if isinstance(end.transition, FailFinally) and place is not None and 0 < end.lease.token <= MAX_BIG
        ]
        if not held:
            return {}
        columns = lists(
            **Place.lists([place for _, _, place in held]),
            tokens=[token for _, token, _ in held],
            positions=[index for index, _, _ in held],
        )
        rows = self._database.tuples(_TASKS["failure_policies"], columns)
        return {index: FailurePolicy(policy) for index, policy in rows}

    def _fail_tolerated(self, end: AttemptEnd, place: Place, seen: LeaseExpired | None) -> Finished | None:
        if seen is None:
            (finished,) = self._end_tasks([(end, place)], self._database)
            return finished
        with self._database.transaction() as statements:
            if not _is_as_seen(statements, place, seen):
                return None
            (finished,) = self._end_tasks([(end, place)], statements)
            return finished

    def _requeue(
        self, end: AttemptEnd, transition: Requeue, place: Place, seen: LeaseExpired | None
    ) -> Finished | None:
        assert end.wakeup is not None
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
        if not transition.charged and seen is None:
            row = self._database.row(_TASKS["requeue_task"], **place.columns, **values)
            return _requeued(end.wakeup, row) if row is not None else None
        with self._database.transaction() as statements:
            if not transition.charged or statements.row(_RUNS["spend_retry"], run_key=place.run_key) is not None:
                row = None
                if _is_as_seen(statements, place, seen):
                    row = statements.row(_TASKS["requeue_task"], **place.columns, **values)
                if row is None:
                    raise Rollback
                return _requeued(end.wakeup, row)
        final = within_budget(transition, 0, 0)
        if isinstance(final, Requeue):  # which is free, so the lease is lost
            return None
        failed = end._replace(transition=final)  # over the budget, or else the lease is lost, which is found out now
        return self._fail_or_requeue(failed, place, self._failure_policies([failed], [place]).get(0), seen)


def _end_known(
    known: Sequence[tuple[Place, int, AttemptEnd]], database: Database | Statements
) -> Sequence[tuple[Any, ...]]:
    """A row for each attempt that was ended: its position, and the outbox row of the stage that it ended."""
    ((place, position, end), *others) = known
    if not others and position == 0 and isinstance(end.transition, Succeeded):
        values = {"token": end.lease.token, "now": end.now, "result_json": end.transition.result_json}
        return database.tuples(_TASKS["complete_task"], place.columns | values)
    columns = lists(
        **Place.lists([place for place, _, _ in known]),
        tokens=[end.lease.token for _, _, end in known],
        times=[end.now.isoformat() for _, _, end in known],
        results=[_result(end.transition) for _, _, end in known],
        positions=[position for _, position, _ in known],
    )
    return database.tuples(_TASKS["end_tasks"], columns | _error_lists([end for _, _, end in known]))


def _is_as_seen(statements: Statements, place: Place, seen: LeaseExpired | None) -> bool:
    """Whether a lease is still as somebody saw it run out, which holds its task from now on. ``None`` is one's own."""
    if seen is None:
        return True
    lease = {"token": seen.lease.token, "expires_at": seen.lease.expires_at, "progressed": seen.progressed}
    return statements.row(_TASKS["hold_lost_lease"], **place.columns, **lease) is not None


def _fail_run(
    statements: Statements, end: AttemptEnd, error: ErrorInfo, place: Place, seen: LeaseExpired | None
) -> Finished | None:
    """End an attempt and its run. ``None`` is a lost lease, and then what was done is to be undone."""
    run = statements.row(_TASKS["lock_run"], run_key=place.run_key)
    if run is None or run.ended:
        return None
    stage = {"run_key": place.run_key, "stage": place.stage}
    cancelled = statements.count(_RUNS["cancel_tasks"], spared=place.name, **stage)
    if not _is_as_seen(statements, place, seen):
        return None
    code, message, retryable = error_columns(error)
    failed = statements.row(
        _TASKS["fail_task"],
        token=end.lease.token,
        now=end.now,
        code=code,
        message=message,
        retryable=retryable,
        **place.columns,
    )
    if failed is None:
        return None
    end_run(statements, place.run_key, RunEnd(RunStatus.FAILED, None, error, end.now), cancelled, failed.shard)
    return Finished(TaskStatus.FAILED, RunStatus.FAILED, ())


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


def _each_lease_once(known: Iterable[tuple[Place, int, AttemptEnd]]) -> list[tuple[Place, int, AttemptEnd]]:
    """In key order, and of several ends of one lease the first. A token that can be none is left out."""
    first: dict[tuple[Place, int], tuple[Place, int, AttemptEnd]] = {}
    for one in known:
        first.setdefault((one[0], one[2].lease.token), one)
    return sorted((one for (_, token), one in first.items() if 0 < token <= MAX_BIG), key=itemgetter(0, 1))


def _error_lists(ends: Sequence[AttemptEnd]) -> dict[str, object]:
    """The errors of attempts as lists, which are empty where none failed: a list is slow to send."""
    errors = [end.transition.error if isinstance(end.transition, FailFinally) else None for end in ends]
    columns = [error_columns(error) for error in errors] if any(errors) else []
    return {
        "codes": [code for code, _, _ in columns],
        "messages": [message for _, message, _ in columns],
        "retryables": [retryable for _, _, retryable in columns],
    }
