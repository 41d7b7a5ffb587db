"""What a stage costs: to create, to end with many clients, a task of it as it grows, and on the disk for good."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable

from benchmarks import postgres_baseline
from benchmarks.postgres_ours import StageOfTasks, opened_store, seconds_to_end
from benchmarks.postgres_server import BenchmarkServer, table_sizes
from core.ports import StateStore
from testing.contracts.scenario import at

CLIENTS = 16
BATCH = 100
REPEAT = 3
SIZES = (100, 1_000, 10_000, 100_000)
SAMPLE = 2_000
"""How many tasks are claimed and ended one by one, of each size of stage."""

JOB_TASKS = 10_000
KEPT_RUNS = 2
"""How many runs retention leaves."""

DELETE_BATCH = 1_000

Numbers = dict[str, object]


def create(server: BenchmarkServer, tasks: int) -> Numbers:
    """The time of the one transition that creates a stage, the tasks' records having been made before."""
    with opened_store(server.database("create"), 1) as store:
        times = [_timed(StageOfTasks.submitted(store, tasks).open) for _ in range(REPEAT + 1)][1:]
    return {
        "create_tasks": tasks,
        "create_ms": round(min(times) * 1e3, 1),
        "create_ms_median": round(statistics.median(times) * 1e3, 1),
    }


def end_stage(server: BenchmarkServer, tasks: int) -> Numbers:
    """A stage ended by many clients, one by one and in batches, and as the baseline does it."""
    baseline = tasks / postgres_baseline.seconds_to_end(server.database("baseline"), tasks, CLIENTS)
    with opened_store(server.database("end"), CLIENTS) as store:
        single = tasks / min(seconds_to_end(store, tasks, CLIENTS, 1) for _ in range(REPEAT))
        batched = tasks / min(seconds_to_end(store, tasks, CLIENTS, BATCH) for _ in range(REPEAT))
    return {
        "end_tasks": tasks,
        "end_clients": CLIENTS,
        "end_per_s_baseline": round(baseline),
        "end_per_s": round(single),
        "end_per_s_batched": round(batched),
        "end_ratio": round(single / baseline, 1),
        "end_ratio_batched": round(batched / baseline, 1),
    }


def growth(server: BenchmarkServer, sizes: tuple[int, ...]) -> Numbers:
    """What a task costs one client, claimed and ended by itself, the stage's creation included, by the stage's size.

    The sizes take turns, so that the machine's moods meet them all; the best turn counts. ``growth`` is the dearest
    size beside the smallest.
    """
    costs: dict[int, list[float]] = {size: [] for size in sizes}
    with opened_store(server.database("growth"), 1) as store:
        for _ in range(REPEAT):
            for size in sizes:
                costs[size].append(_cost_a_task(store, size))
    best = {size: min(found) * 1e6 for size, found in costs.items()}
    return {
        **{f"us_per_task_{size}": round(cost, 1) for size, cost in best.items()},
        "growth": round(max(best.values()) / best[sizes[0]], 3),
    }


def _cost_a_task(store: StateStore, size: int) -> float:
    """Seconds a task: of small stages as many as come to the sample, of a large one its last tasks."""
    created = lived = 0.0
    stages = max(1, SAMPLE // size)
    for _ in range(stages):
        stage = StageOfTasks.submitted(store, size)
        started = time.perf_counter()
        rows = stage.open()
        created += time.perf_counter() - started
        stage.publish(rows)
        lived += _cost_of_last(stage, min(size, SAMPLE))
    return created / (stages * size) + lived / (stages * min(size, SAMPLE))


def _cost_of_last(stage: StageOfTasks, tasks: int) -> float:
    """Seconds in which the last ``tasks`` tasks are claimed and ended, the others having been ended before."""
    size = len(stage.stage.tasks)
    if tasks < size:
        leases = stage.claim_many(size - tasks)
        for first in range(0, len(leases), 1_000):
            stage.end_many(leases[first : first + 1_000])
    gc.collect()
    started = time.perf_counter()
    for lease in stage.claim(size - tasks, size):
        stage.end(lease)
    return time.perf_counter() - started


def retention(server: BenchmarkServer, tasks: int) -> Numbers:
    """Bytes of tables and indexes while jobs come and go, old runs being deleted after each."""
    url = server.database("retention")
    bytes_at: list[int] = []
    with opened_store(url, CLIENTS) as store:
        for done in range(1, tasks // JOB_TASKS + 1):
            _live(store)
            _retain(store)
            if done % max(1, tasks // JOB_TASKS // 5) == 0:
                bytes_at.append(_print_size(url, done * JOB_TASKS))
    sizes = table_sizes(url)
    for size in sizes:
        print(f"    {size.table:<16} {size.rows / 2**20:8.1f} MB, indexes {size.indexes / 2**20:8.1f} MB")
    return {
        "retention_tasks": tasks,
        "retention_mb": round(bytes_at[-1] / 2**20, 1),
        "retention_mb_at": [round(size / 2**20, 1) for size in bytes_at],
        "retention_tables_mb": {
            size.table: [round(size.rows / 2**20, 1), round(size.indexes / 2**20, 1)] for size in sizes
        },
    }


def _live(store: StateStore) -> None:
    """One job of many tasks, from its submission to its end."""
    stage = StageOfTasks.submitted(store, JOB_TASKS)
    stage.publish(stage.open())
    leases = stage.claim_many()
    for first in range(0, len(leases), BATCH):
        stage.end_many(leases[first : first + BATCH])
    stage.end_run()


def _retain(store: StateStore) -> None:
    ended = store.ended_runs(at(1_000), 1_000)
    for job_id, run in ended[: max(0, len(ended) - KEPT_RUNS)]:
        while not store.delete_run(job_id, run, DELETE_BATCH):
            pass


def _print_size(url: str, tasks: int) -> int:
    """Print what is on the disk after ``tasks`` tasks; its bytes."""
    total = sum(size.rows + size.indexes for size in table_sizes(url))
    print(f"  after {tasks:>9,} tasks: {total / 2**20:.1f} MB in tables and indexes", flush=True)
    return total


def _timed(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started
