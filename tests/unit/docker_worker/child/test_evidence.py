"""What is told of a child that ended without an outcome."""

from __future__ import annotations

import signal

import pytest

from core.errors import HandlerLost, LeaseLost
from docker_worker.child.evidence import Evidence, NotBegun, was_stopped, why_lost
from docker_worker.child.process import Death, KillReason
from docker_worker.limits import TaskLimits
from docker_worker.memory import MIB

LIMITS = TaskLimits(memory_bytes=400 * MIB, scratch_bytes=7 * MIB)


def evidence(
    killed: KillReason | None,
    code: int | None = -signal.SIGKILL,
    fault: str = "",
    *,
    began: bool = True,
    kills: int = 0,
) -> Evidence:
    death = Death(killed, code, fault)
    return Evidence(death, began, 12.34, 60.0, 10.0, 401 * MIB + 1, LIMITS, kills)


@pytest.mark.parametrize(
    ("given", "code", "text"),
    [
        (evidence(KillReason.DEADLINE), "DEADLINE_EXCEEDED", "within 60 s, nor 10 s after"),
        (evidence(KillReason.MEMORY), "MEMORY_EXCEEDED", "took 402 MiB, where it may have 400"),
        (evidence(KillReason.SCRATCH), "SCRATCH_FULL", "more than 7 MiB"),
        (
            evidence(KillReason.PROTOCOL, fault="not understood"),
            "HANDLER_DIED",
            "SIGKILL (not understood) after 12.3 s",
        ),
        (evidence(None, -signal.SIGSEGV), "HANDLER_DIED", "was ended by SIGSEGV after 12.3 s, with 402 MiB"),
        (evidence(None, 3), "HANDLER_DIED", "left with exit code 3"),
        (evidence(None, -63), "HANDLER_DIED", "was ended by signal 63"),
        (evidence(None, kills=1), "HANDLER_DIED", "for want of memory"),
    ],
)
def test_what_the_handler_did_is_told_and_charged(given: Evidence, code: str, text: str) -> None:
    error = why_lost(given)

    assert isinstance(error, HandlerLost)
    assert (error.lost_code, error.charged) == (code, True)
    assert text in error.message


def test_without_a_kill_by_the_kernel_none_is_told() -> None:
    assert "memory" not in why_lost(evidence(None)).message


@pytest.mark.parametrize("killed", [KillReason.HURRIED, KillReason.CLOSED, KillReason.ABANDONED, KillReason.RECYCLED])
def test_what_the_worker_did_costs_nothing(killed: KillReason) -> None:
    error = why_lost(evidence(killed))

    assert isinstance(error, HandlerLost)
    assert (error.lost_code, error.charged) == ("HANDLER_STOPPED", False)
    assert was_stopped(Death(killed, None, "")) is not None


def test_who_ignored_a_stop_has_lost_the_lease() -> None:
    assert isinstance(why_lost(evidence(KillReason.STOP_IGNORED)), LeaseLost)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (evidence(None, 1, began=False), "left with exit code 1 before"),
        (evidence(None, None, "FileNotFoundError 2", began=False), "could not be started: FileNotFoundError 2"),
    ],
)
def test_before_the_handler_was_called_it_is_not_to_blame(given: Evidence, text: str) -> None:
    error = why_lost(given)

    assert isinstance(error, NotBegun)
    assert text in error.message
    assert was_stopped(given.death) is None
