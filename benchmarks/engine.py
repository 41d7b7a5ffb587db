"""What the engine itself costs: trivial tasks in memory, wire bytes and all.

``python -m benchmarks.engine``. The job has three stages: one task, 9,998 in parallel, one that gathers.
Each repetition starts anew, timed from the submission to the last settlement. The best repetition is held
to the goals, as the timeit module does it: on a shared machine the others measure its neighbours. The
median is printed beside it. ``--peers`` runs as many trivial tasks on taskiq's in-memory broker, in turn
with ours, so that the two meet the same machine.
"""

from __future__ import annotations

import asyncio
import gc
import importlib.metadata
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import ClassVar

from pydantic import BaseModel
from taskiq import InMemoryBroker

from benchmarks.report import Goal, finish, parser
from core.context import TaskContext
from core.handlers import task_handler
from core.ids import JobId
from core.jobs import JobContext, JobDefinition, Parallelism, StageDefinition, TaskSpec
from core.model import RunStatus, TaskResult
from testing.factories import Registries, create_test_harness

GOALS = (Goal("us_per_task", "<=", 25.0, "us"), Goal("job_seconds", "<", 0.5, "s"))


class Number(BaseModel):
    value: int


def trivial(params: Number, context: TaskContext) -> Number:
    """Give back what it was given."""
    return params


class TrivialJob(JobDefinition[Number]):
    job_type: ClassVar[str] = "trivial"
    description: ClassVar[str] = "One task, then as many as the parameter says, then one"
    stages: ClassVar[tuple[StageDefinition, ...]] = (
        StageDefinition(1, "plan", "trivial"),
        StageDefinition(2, "work", "trivial", Parallelism.FAN_OUT),
        StageDefinition(3, "gather", "trivial", Parallelism.FAN_IN),
    )
    parameters: ClassVar[type[BaseModel]] = Number
    result: ClassVar[type[BaseModel]] = Number

    def create_tasks_for_stage(
        self, stage: StageDefinition, job_params: Number, job_id: JobId, previous_results: Sequence[TaskResult]
    ) -> Sequence[TaskSpec]:
        if stage.number == 2:
            return [TaskSpec(str(index), Number(value=index)) for index in range(job_params.value)]
        return [TaskSpec("only", Number(value=len(previous_results)))]

    def finalize_job(self, context: JobContext[Number]) -> Number:
        return context.results(3)[0].parse(Number)


REGISTRIES = Registries.of([TrivialJob()], [task_handler("trivial", trivial)])


def run_job(tasks: int, clock: Callable[[], float]) -> float:
    """Seconds by ``clock`` to run a job of ``tasks`` tasks in all."""
    harness, _ = create_test_harness(REGISTRIES)
    gc.collect()
    started = clock()
    submitted = harness.submit("trivial", {"value": tasks - 2})
    harness.drain()
    elapsed = clock() - started
    run = harness.state.load_run(submitted.job_id, 1)
    assert run is not None
    assert run.status is RunStatus.COMPLETED
    assert run.result_json == f'{{"value":{tasks - 2}}}'
    return elapsed


async def _taskiq(tasks: int) -> float:
    broker = InMemoryBroker()

    @broker.task
    async def echo(value: int) -> int:
        return value

    await broker.startup()
    started = time.perf_counter()
    for value in range(tasks):
        await echo.kiq(value)
    elapsed = time.perf_counter() - started
    await broker.shutdown()
    return elapsed


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser(__doc__ or "")
    options.add_argument("--tasks", type=int, default=10_000)
    options.add_argument("--repeat", type=int, default=9)
    options.add_argument("--peers", action="store_true", help="taskiq beside it, in the same run")
    chosen = options.parse_args(arguments)
    run_job(100, time.perf_counter)
    ours, theirs = [], []
    for _ in range(chosen.repeat):
        ours.append(run_job(chosen.tasks, time.perf_counter))
        if chosen.peers:
            theirs.append(asyncio.run(_taskiq(chosen.tasks)))
    measured: dict[str, object] = {
        "tasks": chosen.tasks,
        "repeat": chosen.repeat,
        "job_seconds": round(min(ours), 4),
        "us_per_task": round(min(ours) / chosen.tasks * 1e6, 2),
        "us_per_task_median": round(statistics.median(ours) / chosen.tasks * 1e6, 2),
        "python": platform.python_version(),
    }
    print(
        f"{chosen.tasks} tasks in three stages: {min(ours):.3f} s, {measured['us_per_task']} us a task "
        f"(median {measured['us_per_task_median']})"
    )
    if theirs:
        measured["taskiq_us_per_task"] = round(min(theirs) / chosen.tasks * 1e6, 2)
        measured["taskiq"] = importlib.metadata.version("taskiq")
        print(f"taskiq {measured['taskiq']} in memory: {measured['taskiq_us_per_task']} us a task")
    return finish(chosen, measured, GOALS)


if __name__ == "__main__":
    sys.exit(main())
