"""What must hold at the end of a simulated day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

from core.ids import TaskId
from core.model import RunStatus
from tests.support.day_surroundings import LEASE, WATCH
from tests.support.worker_day import Day


class Broken(AssertionError):
    """Something that must hold does not."""


def check(day: Day) -> None:
    """What must hold at the end. Raises :class:`Broken`, with the seed."""
    problems = [*_lost(day), *_charged_wrongly(day), *_done_again(day), *_freed_late(day)]
    if problems:
        raise Broken(f"seed {day.seed}: " + "; ".join(problems[:5]))


def _lost(day: Day) -> Iterator[str]:
    for run in day.runs():
        if run.status is not RunStatus.COMPLETED:
            yield f"job {run.job_id[:8]} is {run.status}"
    for queue in ("jobs", "tasks", "long-running-tasks"):
        for letter in day.bus.dead_letters(queue, 10):
            yield f"dead letter {letter.reason} in {queue}"
    for task in day.tasks():
        outcomes = Counter(attempt.outcome for attempt in day.state.list_attempts(task.task_id))
        if outcomes["completed"] != 1 or outcomes[None]:
            yield f"{_short(task.task_id)} ended as {dict(outcomes)}"


def _charged_wrongly(day: Day) -> Iterator[str]:
    """A lease may be lost by nobody but who vanished, or never learned that he had it."""
    book = day.book
    unknown = book.granted - book.began
    for task in day.tasks():
        for attempt in day.state.list_attempts(task.task_id):
            key = (task.task_id, attempt.attempt)
            lost = attempt.outcome == "lease_expired"
            if lost and key not in book.vanished and key not in unknown:
                yield f"{_short(task.task_id)}: attempt {attempt.attempt} lost its lease, and was alive"
            if attempt.outcome in ("retry", "failed") and key not in book.failed:
                code = attempt.error.code if attempt.error is not None else ""
                yield f"{_short(task.task_id)}: attempt {attempt.attempt} failed ({code}), and did nothing wrong"


def _done_again(day: Day) -> Iterator[str]:
    book = day.book
    again = Counter(task for (task, _), times in book.pages.items() for _ in range(times - 1))
    kills = Counter(task for task, _ in book.vanished)
    for task, times in again.items():
        if times > kills[task] + book.unsaved[task]:
            yield f"{_short(task)}: {times} pages done again, after {kills[task]} kills"


def _freed_late(day: Day) -> Iterator[str]:
    for (task_id, number), vanished_at in day.book.vanished.items():
        attempt = day.state.list_attempts(task_id)[number - 1]
        ended = attempt.ended_at
        if attempt.outcome != "lease_expired" or ended is None:
            continue
        free_at = vanished_at + timedelta(seconds=LEASE)
        watched = [(max(free_at, start) + timedelta(seconds=WATCH), end) for start, end in day.lives]
        late = any(seen_by < min(end, ended) for seen_by, end in watched)
        if late and not day.database.was(vanished_at, ended) and not day.identity_service.was(vanished_at, ended):
            yield f"{_short(task_id)}: freed {(ended - vanished_at).total_seconds():.0f} s after the kill"


def _short(task_id: TaskId) -> str:
    return f"{task_id[:6]}:{task_id.rpartition(':')[2]}"
