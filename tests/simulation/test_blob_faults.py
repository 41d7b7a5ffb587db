"""A handler's blobs meet the same faults as the store and the bus."""

from __future__ import annotations

from pydantic import BaseModel

from core.context import TaskContext
from core.handlers import task_handler
from core.retry import RetryPolicy
from testing.factories import Registries, create_single_task, create_test_harness
from testing.faults import FaultPlan


class NoteParams(BaseModel):
    text: str


def keeps_a_note(params: NoteParams, context: TaskContext) -> NoteParams:
    """Writes a blob and reads it back."""
    name = f"notes/{context.job_id}/{params.text}"
    context.blobs.put(name, params.text.encode(), "text/plain")
    return NoteParams(text=context.blobs.get(name).decode())


def test_a_blob_store_that_is_away_or_crashes_costs_attempts_and_no_result() -> None:
    handler = task_handler("keeps_a_note", keeps_a_note, retry=RetryPolicy(max_attempts=50, base=0.0, cap=0.0))
    met: set[str] = set()
    for seed in range(60):
        harness, injector = create_test_harness(
            Registries.of([], [handler]), seed=seed, faults=FaultPlan(crash=0.1, unavailable=0.1, uncertain=0.1)
        )
        message = create_single_task(harness.clean, harness.state, "keeps_a_note", {"text": "hello"})
        harness.inject(message)
        harness.drain(task_id=message.task_id)

        task = harness.state.load_task(message.task_id)
        assert task is not None
        assert (task.status, task.result_json) == ("completed", '{"text":"hello"}'), f"seed {seed}"
        met |= {f"{step.operation}: {step.fault}" for step in injector.trace if step.operation in ("put", "get")}

    assert {"put: crash before", "put: crash after", "put: unavailable", "get: unavailable"} <= met
