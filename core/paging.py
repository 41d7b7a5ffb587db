"""Pages of lists, and their cursors: opaque texts that say after what the next page goes on."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar

from core.errors import InvalidCursor, InvalidParameters
from core.ids import MAX_RUN, JobId, TaskId, is_job_id, is_task_id_of
from core.listing import RunCursor, RunSummary
from core.model import RunRecord, TaskRecord

T = TypeVar("T")

MAX_LIMIT = 1_000
MAX_NUMBER = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """``next`` is the cursor of the next page, ``None`` at the end."""

    items: Sequence[T]
    next: str | None

    @classmethod
    def of(cls, found: Sequence[T], limit: int, cursor: Callable[[T], str]) -> Page[T]:
        """The page of ``found``, which is one item longer than ``limit`` where there is more."""
        items = found[:limit]
        return cls(items, cursor(items[-1]) if len(found) > limit else None)


def checked_limit(limit: int) -> int:
    """Raises :class:`InvalidParameters` unless ``limit`` is 1 to 1,000."""
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidParameters(f"limit: 1 to {MAX_LIMIT}")
    return limit


def checked_after(after: int) -> int:
    """Raises :class:`InvalidCursor` for what numbers no event or record, nor is 0."""
    if not 0 <= after <= MAX_NUMBER:
        raise InvalidCursor("after: the number of the last one that was seen, or 0")
    return after


def run_cursor_text(run: RunSummary) -> str:
    return _packed([run.created_at.isoformat(), run.job_id, run.run])


def run_cursor(text: str | None) -> RunCursor | None:
    """Raises :class:`InvalidCursor` for what is no cursor of a list of runs."""
    if text is None:
        return None
    match _unpacked(text):
        case [str() as at, str() as job_id, int() as run] if is_job_id(job_id) and 1 <= run <= MAX_RUN:
            return RunCursor(_time(at), JobId(job_id), int(run))
        case _:
            raise InvalidCursor("this is no cursor of a list of runs")


def task_cursor_text(task: TaskRecord) -> str:
    return _packed([task.task_id])


def task_cursor(text: str | None, run: RunRecord) -> TaskId | None:
    """Raises :class:`InvalidCursor` for what is no cursor of a list of this run's tasks."""
    if text is None:
        return None
    match _unpacked(text):
        case [str() as task_id] if is_task_id_of(task_id, run.job_id, run.run):
            return TaskId(task_id)
        case _:
            raise InvalidCursor("this is no cursor of a list of this run's tasks")


def _packed(parts: Sequence[object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def _unpacked(text: str) -> object:
    try:
        return json.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise InvalidCursor("this is no cursor") from error


def _time(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
        if at.tzinfo is not None:
            return at.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidCursor("this is no cursor of a list of runs") from error
    raise InvalidCursor("this is no cursor of a list of runs")
