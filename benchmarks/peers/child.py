"""What each measured system's process has in common: what it is asked for, and how it answers.

``python -m benchmarks.peers NAME URL --tasks N --jobs J --singles S [--idle]``. It answers with one line of JSON,
then, with ``--idle``, waits without work until its standard input is closed.

A job of N tasks is submitted and run in this one process: a first task plans, N tasks each give back the number that
they got, and a last one adds up all results; the sum is checked. A job's time is from its submission to the sum.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import NamedTuple


class Order(NamedTuple):
    """``jobs`` jobs of ``tasks`` tasks after one that is not counted, then ``singles`` jobs of one task."""

    url: str
    tasks: int
    jobs: int
    singles: int
    idle: bool


@dataclass(slots=True)
class Measured:
    """``jobs`` has the seconds of each job, ``singles`` those of each job of one task, by the way it was done."""

    version: str
    settings: str
    jobs: dict[str, list[float]] = field(default_factory=dict)
    singles: dict[str, list[float]] = field(default_factory=dict)


class WrongResult(AssertionError):
    """A job's result is not what its tasks gave."""


def read_order() -> Order:
    options = argparse.ArgumentParser()
    options.add_argument("url")
    options.add_argument("--tasks", type=int, default=1_000)
    options.add_argument("--jobs", type=int, default=0)
    options.add_argument("--singles", type=int, default=0)
    options.add_argument("--idle", action="store_true")
    return Order(**vars(options.parse_args()))


def answer(measured: Measured) -> None:
    """Print the line that :func:`parse_answer` reads."""
    print(json.dumps(dataclasses.asdict(measured)), flush=True)


def parse_answer(line: str) -> Measured:
    return Measured(**json.loads(line))


def wait_for_end() -> None:
    """Until whoever started this process closes its standard input."""
    sys.stdin.read()


def check_sum(total: int, tasks: int) -> None:
    """Raises :class:`WrongResult` unless ``total`` is the sum of the numbers below ``tasks``."""
    if total != tasks * (tasks - 1) // 2:
        raise WrongResult(f"{tasks} tasks gave {total}")


def repeat(times: int, call: Callable[[], object]) -> list[float]:
    """Seconds of each call, after one that is not counted; none where ``times`` is 0."""
    return [_timed(call) for _ in range(times + 1)][1:] if times else []


async def repeat_async(times: int, call: Callable[[], Awaitable[object]]) -> list[float]:
    """:func:`repeat` for coroutines."""
    seconds = []
    for _ in range(times + 1 if times else 0):
        started = time.perf_counter()
        await call()
        seconds.append(time.perf_counter() - started)
    return seconds[1:]


def run_async(main: Coroutine[object, object, None]) -> None:
    """On uvloop where there is one: every asyncio system here is faster on it."""
    factory = None if sys.platform == "win32" else _uvloop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main)


def _uvloop() -> asyncio.AbstractEventLoop:
    import uvloop  # noqa: PLC0415 # it cannot be installed on Windows

    return uvloop.new_event_loop()


def _timed(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started
