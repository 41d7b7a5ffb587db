"""What must hold when a world has come to rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from core.model import Event, EventKind, RunRecord, TaskStatus
from testing.simulation.handlers import Numbers
from testing.simulation.rules import Violation
from testing.simulation.run_book import RunBook
from testing.simulation.task_book import TaskBook

if TYPE_CHECKING:
    from core.ports import StateStore
    from testing.simulation.world import World

FAR_AWAY = datetime(2100, 1, 1, tzinfo=UTC)


def judge(world: World) -> None:
    """Raises :class:`Violation`."""
    store: StateStore = world.store
    if not world.witness.runs:
        raise Violation("what was submitted is there", "no run")
    for (job_id, number), book in world.witness.runs.items():
        record = store.load_run(job_id, number)
        if record is None:
            raise Violation("what was submitted is there", f"run {number}")
        _judge_run(record, book)
        _judge_events(store.list_events(job_id, number), record, book)
        for task in [task for stage in book.stages for task in stage]:
            _judge_task(store, task)
    left = store.unpublished(1, FAR_AWAY)
    if left:
        raise Violation("nothing is published for a run that has ended", left[0].message.message_id)


def _judge_run(record: RunRecord, book: RunBook) -> None:
    if (record.status, record.result_json, record.retries_used) != (book.ended, book.result_json, book.retries_used):
        raise Violation("terminal states absorb", f"{record.status} after {book.ended}, {record.result_json}")
    if any(stage.remaining for stage in record.stages) or len(record.stages) != len(book.stages):
        raise Violation("a stage counts its tasks", str(record.stages))
    if record.result_json is not None:
        _judge_sum(book, record.result_json)


def _judge_sum(book: RunBook, result_json: str) -> None:
    found = sum(Numbers.model_validate_json(result_json).values)
    survivors = [task for task in book.stages[1] if task.status is TaskStatus.COMPLETED]
    expected = sum([2 * int(task.name[1:]) + 1 for task in survivors])
    whole = book.parameters.n**2
    if found != expected or not (book.job.may_fail or found == whole):
        raise Violation("the sum is right", f"{found}, not {expected}")


def _judge_events(events: Sequence[Event], record: RunRecord, book: RunBook) -> None:
    kinds = Counter([event.kind for event in events])
    begun = kinds[EventKind.JOB_SUBMITTED if book.number == 1 else EventKind.JOB_RESUBMITTED]
    if begun != 1 or kinds[EventKind.JOB_ENDED] != 1:
        raise Violation("a run begins once and ends once", str(kinds))
    if events[-1].kind is not EventKind.JOB_ENDED:
        raise Violation("terminal states absorb", f"{events[-1].kind} after the end")
    for kind in (EventKind.STAGE_STARTED, EventKind.STAGE_ENDED):
        stages = [event.stage for event in events if event.kind is kind]
        if stages != [stage.number for stage in record.stages[book.reused :]]:
            raise Violation("a stage begins once and ends once", f"{kind}: {stages}")


def _judge_task(store: StateStore, task: TaskBook) -> None:
    record = store.load_task(task.task_id)
    if record is None or (record.status, record.result_json) != (task.status, task.result_json):
        raise Violation("terminal states absorb", f"{task}: {record}")
    tries = store.list_attempts(task.task_id)
    if [one.attempt for one in tries] != list(range(1, len(tries) + 1)):
        raise Violation("attempts are numbered without gaps", f"{task}: {tries}")
    tokens = [one.token for one in tries if one.outcome != "parked"]
    if tokens != sorted(set(tokens)):
        raise Violation("fencing tokens grow", f"{task}: {tokens}")
    completed = sum([one.outcome == "completed" for one in tries])
    if completed != (task.status is TaskStatus.COMPLETED and not task.copied):
        raise Violation("a task ends once", f"{task}: {completed} attempts completed it")
