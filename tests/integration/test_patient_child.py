"""A handler in a process of its own whose checkpoint waits for a database that does not come back."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from core.context import StopReason
from core.errors import HandlerLost, LeaseLost, StoreUnavailable
from docker_worker.limits import TaskLimits
from docker_worker.memory import MIB
from docker_worker.patience import PatientRunner
from docker_worker.runner import ChildRunner
from tests.support.children import LIMITS, Writes, ends, make_runner, wish

LITTLE = TaskLimits(memory_bytes=256 * MIB, open_files=256, scratch_bytes=64 * MIB)


@pytest.fixture
def made() -> Iterator[Callable[[TaskLimits], ChildRunner]]:
    runners: list[ChildRunner] = []

    def make(limits: TaskLimits) -> ChildRunner:
        runners.append(make_runner(limits))
        return runners[-1]

    yield make
    for runner in runners:
        runner.close()


def away(_: str) -> None:
    raise StoreUnavailable("no answer")


def test_memory_is_bounded_while_a_checkpoint_waits(made: Callable[[TaskLimits], ChildRunner]) -> None:
    patient = PatientRunner(made(LITTLE), jitter=lambda: 0.0)

    with pytest.raises(HandlerLost) as raised:
        patient(wish("starts_a_hoarder_and_saves", 480, writes=Writes(away), timeout=60.0))

    assert raised.value.lost_code == "MEMORY_EXCEEDED"


def test_a_lease_that_is_lost_after_it_was_told_to_stop_ends_the_process(
    made: Callable[[TaskLimits], ChildRunner],
) -> None:
    """The handler waits for a program that never ends, and hears of nothing."""
    runner = made(LIMITS)
    patient = PatientRunner(runner, jitter=lambda: 0.0)
    pids: list[int | None] = []

    def away_and_lost(_: str) -> None:
        pids.append(runner.stats().pid)
        call.stop.set(StopReason.SHUTDOWN)
        call.stop.set(StopReason.LEASE_LOST)
        raise StoreUnavailable("no answer")

    call = wish("starts_a_hoarder_and_saves", 1, writes=Writes(away_and_lost), timeout=3_600.0)
    with pytest.raises(LeaseLost):
        patient(call)

    (pid,) = pids
    assert pid is not None
    assert ends(pid)
