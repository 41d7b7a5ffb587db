"""What a stage costs: to create, to end with many clients, and a task of it as it grows."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping

from benchmarks import postgres_baseline
from benchmarks.postgres_ours import StageOfTasks, opened_store, seconds_to_end
from benchmarks.postgres_server import BenchmarkServer
from core.ports import StateStore

CLIENTS = 16
BATCH = 100
REPEAT = 3
CREATED = 5
"""How many stages are created, after one that is not counted."""

SIZES = (100, 1_000, 10_000, 100_000)
SAMPLE = 2_000
"""How many tasks are claimed and ended one by one, of each size of stage."""

Numbers = dict[str, object]


def create(server: BenchmarkServer, tasks: int) -> Numbers:
    """The time of the one transition that creates a stage, the tasks' records having been made before."""
    with opened_store(server.database("create"), 1) as store:
        times = [_timed(StageOfTasks.submitted(store, tasks).open) for _ in range(CREATED + 1)][1:]
    return {
        "create_tasks": tasks,
        "create_repeats": len(times),
        "create_ms": round(statistics.median(times) * 1e3, 1),
        "create_ms_best": round(min(times) * 1e3, 1),
    }


def end_stage(server: BenchmarkServer, tasks: int, repeat: int) -> Numbers:
    """A stage ended by many clients, as the baseline does it, one by one, and in batches.

    The three take turns, ``repeat`` each, and the medians count. A ratio is that of two medians.
    """
    with opened_store(server.database("end"), CLIENTS) as store:
        ways: Mapping[str, Callable[[], float]] = {
            "baseline": lambda: postgres_baseline.seconds_to_end(server.database("baseline"), tasks, CLIENTS),
            "single": lambda: seconds_to_end(store, tasks, CLIENTS, 1),
            "batched": lambda: seconds_to_end(store, tasks, CLIENTS, BATCH),
        }
        seconds = [{way: call() for way, call in ways.items()} for _ in range(repeat)]
    rates = {way: sorted(round(tasks / turn[way]) for turn in seconds) for way in ways}
    medians = {way: statistics.median(found) for way, found in rates.items()}
    return {
        "end_tasks": tasks,
        "end_clients": CLIENTS,
        "end_repeats": repeat,
        "end_per_s_baseline": round(medians["baseline"]),
        "end_per_s": round(medians["single"]),
        "end_per_s_batched": round(medians["batched"]),
        "end_per_s_all": rates,
        "end_ratio": round(medians["single"] / medians["baseline"], 1),
        "end_ratio_batched": round(medians["batched"] / medians["baseline"], 1),
    }


def growth(server: BenchmarkServer, sizes: tuple[int, ...]) -> Numbers:
    """What a task costs one client, by the stage's size: created and published with its stage, claimed and ended alone.

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
        stage.publish(stage.open())
        created += time.perf_counter() - started
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


def _timed(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started
