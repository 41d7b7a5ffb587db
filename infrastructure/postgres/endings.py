"""The ends of attempts, and what each causes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any

from psycopg import Rollback

from core.decisions import FailFinally, Requeue, Transition, within_budget
from core.errors import LeaseLost
from core.limits import check_json, check_text
from core.model import FailurePolicy, Finished, Lease, OutboundMessage, OutboxRow, RunStatus, TaskStatus
from core.outcome import ErrorInfo, Succeeded
from core.ports import AttemptEnd
from infrastructure.postgres.database import Database, Row, Statements, joined
from infrastructure.postgres.run_keys import Place, RunKeys
from infrastructure.postgres.runs import end_run, error_columns
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
            _check_end(end)
        finished: list[Finished | None] = []
        for success, group in groupby(ends, key=lambda end: isinstance(end.transition, Succeeded)):
            some = list(group)
            finished += self._end_tasks(some) if success else map(self._fail_or_requeue, some)
        return finished

    def _end_tasks(self, ends: Sequence[AttemptEnd]) -> list[Finished | None]:
        """End attempts whose tasks end with them and whose stages go on, in one statement."""
        places = [self._keys.place(end.lease.task_id) for end in ends]
        known = sorted((place, index) for index, place in enumerate(places) if place is not None)
        rows = self._end_known(ends, known) if known else ()
        by_position = {row[0]: row for row in rows}
        last = {row[1]: row[0] for row in sorted(by_position.values(), key=itemgetter(0)) if row[1] is not None}
        return [_finished(end, by_position.get(index), last) for index, end in enumerate(ends)]

    def _end_known(self, ends: Sequence[AttemptEnd], known: Sequence[tuple[Place, int]]) -> Sequence[tuple[Any, ...]]:
        """A row for each attempt that was ended: its position, and the outbox row of the stage that it ended."""
        if len(ends) == 1 and isinstance(ends[0].transition, Succeeded):
            (end,) = ends
            values = {"token": end.lease.token, "now": end.now, "result_json": _result(end.transition)}
            return self._database.tuples(_TASKS["complete_task"], known[0][0].columns | values)
        sought = [ends[index] for _, index in known]
        columns = Place.joined_columns([place for place, _ in known]) | {
            "tokens": joined([end.lease.token for end in sought]),
            "times": joined([end.now.isoformat() for end in sought]),
            "results": joined([_result(end.transition) for end in sought]),
            "positions": joined([index for _, index in known]),
        }
        return self._database.tuples(_TASKS["end_tasks"], columns | _error_lists(sought))

    def _fail_or_requeue(self, end: AttemptEnd) -> Finished | None:
        place = self._keys.place(end.lease.task_id)
        if place is None:
            return None
        if isinstance(end.transition, Requeue):
            return self._requeue(end, end.transition, place)
        assert isinstance(end.transition, FailFinally)
        return self._fail(end, end.transition.error, place)

    def _fail(self, end: AttemptEnd, error: ErrorInfo, place: Place) -> Finished | None:
        policy = self._database.row(_TASKS["failure_policy"], run_key=place.run_key, stage=place.stage)
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
            row = self._database.row(_TASKS["requeue_task"], **place.columns, **values)
            return _requeued(end.wakeup, row) if row is not None else None
        return self._requeue_charged(end, transition, place, values)

    def _requeue_charged(
        self, end: AttemptEnd, transition: Requeue, place: Place, values: Mapping[str, object]
    ) -> Finished | None:
        wakeup = end.wakeup
        assert wakeup is not None
        with self._database.transaction() as statements:
            if statements.row(_RUNS["spend_retry"], run_key=place.run_key) is not None:
                row = statements.row(_TASKS["requeue_task"], **place.columns, **values)
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
        return self._database.row(_TASKS["holder"], token=lease.token, **place.columns) is not None


def _fail_run(statements: Statements, end: AttemptEnd, error: ErrorInfo, place: Place) -> Finished | None:
    statements.rows(_TASKS["lock_run"], run_key=place.run_key)
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
    end_run(statements, place.run_key, RunStatus.FAILED, None, error, end.now)
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


def _check_end(end: AttemptEnd) -> None:
    match end.transition:
        case Succeeded(result_json):
            check_json(result_json, "result")
        case FailFinally(error):
            check_text(error.message, "error message")
        case Requeue(cause, _, _, error):
            check_text(cause, "cause")
            check_text(error.message if error is not None else "", "error message")


def _error_lists(ends: Sequence[AttemptEnd]) -> dict[str, object]:
    """The errors of attempts as lists, which are empty where none failed: a list is slow to send."""
    errors = [end.transition.error if isinstance(end.transition, FailFinally) else None for end in ends]
    columns = [error_columns(error) for error in errors] if any(errors) else []
    return {
        "codes": [code for code, _, _ in columns],
        "messages": [message for _, message, _ in columns],
        "retryables": [retryable for _, _, retryable in columns],
    }
