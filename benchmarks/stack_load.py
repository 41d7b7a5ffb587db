"""Many tasks and many jobs on the whole stack: how fast, what it costs each part, and what the host keeps of it."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from benchmarks.stack_client import StackClient, StackFailed, instant
from benchmarks.stack_processes import cpu_of_parts, memory_of, spent
from benchmarks.stack_truth import count_ended
from local.stack import Stack, StackOptions

END_SECONDS = 600.0
SUBMITTERS = 3
UNDER_WAY = 48
"""Jobs that may have been submitted and not ended, where many are run."""

SAMPLES = 50
LOOK_SECONDS = 0.25
FLAT_MB = 8.0
"""What the resident set may grow by from the third to the last fifth of the jobs."""


class Round(NamedTuple):
    per_s: float
    cpu: dict[str, float]


class Sample(NamedTuple):
    """How many jobs had ended, and the resident set then, MB."""

    jobs: int
    mb: float


def throughput(greetings: int, rounds: int) -> dict[str, object]:
    with (
        TemporaryDirectory(prefix="stack-load-") as folder,
        Stack(StackOptions(data=Path(folder), ocr_engine="test")) as stack,
        StackClient(stack.url, stack.key) as client,
    ):
        _greet(stack, client, 20, "warm-up")
        found = sorted(_greet(stack, client, greetings, f"round-{number}") for number in range(rounds))
    median = found[len(found) // 2]
    return {
        "throughput_n": greetings,
        "throughput_rounds": rounds,
        "throughput_per_s": round(found[-1].per_s),
        "throughput_per_s_median": round(median.per_s),
        "throughput_cpu": median.cpu,
    }


def _greet(stack: Stack, client: StackClient, greetings: int, key: str) -> Round:
    before = cpu_of_parts(stack)
    job_id = client.submit("hello_world", {"n": greetings}, key)
    status = client.wait(job_id, LOOK_SECONDS, END_SECONDS)
    if status["status"] != "completed":
        raise StackFailed(f"hello_world is {status['status']}")
    cpu = spent(before, cpu_of_parts(stack))
    seconds = (instant(status["updated_at"]) - instant(status["created_at"])).total_seconds()
    return Round(2 * greetings / seconds, cpu)


def memory(jobs: int) -> dict[str, object]:
    """The host's process, looked at :data:`SAMPLES` times while so many hello_world jobs of one greeting run."""
    with (
        TemporaryDirectory(prefix="stack-memory-") as folder,
        Stack(StackOptions(data=Path(folder), ocr_engine="test")) as stack,
    ):
        load = _Load(stack, jobs)
        began = time.monotonic()
        samples = load.run()
        seconds = time.monotonic() - began
    third, last = _fifth(samples, 2), _fifth(samples, 4)
    return {
        "memory_jobs": jobs,
        "memory_jobs_per_s": round(jobs / seconds, 1),
        "memory_samples_mb": [round(sample.mb, 1) for sample in samples[:: max(1, len(samples) // 10)]],
        "memory_growth_mb": round(last - third, 2),
        "memory_slope_mb": round(_slope(samples[len(samples) // 2 :]) * 1e3, 3),
    }


class _Load:
    """Submits jobs as others end, from several threads."""

    def __init__(self, stack: Stack, jobs: int) -> None:
        self._stack = stack
        self._jobs = jobs
        self._submitted = 0
        self._ended = 0
        self._changed = threading.Condition()
        self._failure: StackFailed | None = None

    def run(self) -> list[Sample]:
        """Raises :class:`StackFailed`."""
        threads = [threading.Thread(target=self._submit) for _ in range(SUBMITTERS)]
        for thread in threads:
            thread.start()
        try:
            return self._watch()
        finally:
            with self._changed:
                self._submitted = self._jobs
                self._changed.notify_all()
            for thread in threads:
                thread.join()

    def _watch(self) -> list[Sample]:
        samples: list[Sample] = []
        until = time.monotonic() + END_SECONDS
        while self._ended < self._jobs:
            time.sleep(LOOK_SECONDS)
            ended = count_ended(self._stack.settings)
            if ended > self._ended:
                until = time.monotonic() + END_SECONDS
            with self._changed:
                self._ended = ended
                self._changed.notify_all()
            if self._failure is not None or time.monotonic() > until:
                raise self._failure or StackFailed(f"{ended} of {self._jobs} jobs ended, and no more")
            if ended >= len(samples) * self._jobs / SAMPLES:
                samples.append(Sample(ended, memory_of(self._stack, "host")))
        return samples

    def _submit(self) -> None:
        try:
            with StackClient(self._stack.url, self._stack.key) as client:
                while (number := self._next()) is not None:
                    client.submit("hello_world", {"n": 1}, f"memory-{number}")
        except StackFailed as error:
            self._failure = error

    def _next(self) -> int | None:
        with self._changed:
            self._changed.wait_for(lambda: self._submitted < min(self._jobs, self._ended + UNDER_WAY) or self._is_over)
            if self._is_over:
                return None
            self._submitted += 1
            return self._submitted

    @property
    def _is_over(self) -> bool:
        return self._submitted >= self._jobs


def _fifth(samples: Sequence[Sample], number: int) -> float:
    """The median of the samples of a fifth, from 0 on."""
    size = len(samples) / 5
    return statistics.median(sample.mb for sample in samples[int(number * size) : int((number + 1) * size)])


def _slope(samples: Sequence[Sample]) -> float:
    """MB a job, by least squares."""
    return statistics.linear_regression([sample.jobs for sample in samples], [sample.mb for sample in samples]).slope
