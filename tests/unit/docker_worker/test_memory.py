"""How much memory a task may have, and how near to it it is."""

from __future__ import annotations

import pytest

from docker_worker.memory import MIB, Verdict, mib, task_memory, verdict

GIB = 1_024 * MIB


@pytest.mark.parametrize(
    ("used", "expected"),
    [(0, Verdict.FINE), (899, Verdict.FINE), (900, Verdict.NEAR), (1_000, Verdict.NEAR), (1_001, Verdict.OVER)],
)
def test_from_nine_tenths_on_it_is_near_and_beyond_the_limit_over(used: int, expected: Verdict) -> None:
    assert verdict(used, 1_000) is expected


def test_what_is_configured_counts() -> None:
    assert task_memory(3 * GIB, container=2 * GIB, machine=GIB) == 3 * GIB


def test_of_a_containers_limit_a_share_is_kept_for_the_worker() -> None:
    assert task_memory(0, container=4 * GIB, machine=64 * GIB) == 4 * GIB - int(4 * GIB * 0.15)


def test_of_a_small_container_at_least_a_quarter_of_a_gibibyte_is_kept() -> None:
    assert task_memory(0, container=GIB, machine=64 * GIB) == GIB - 256 * MIB


def test_of_a_tiny_container_a_task_has_half() -> None:
    assert task_memory(0, container=300 * MIB, machine=64 * GIB) == 150 * MIB


def test_without_a_container_it_is_a_share_of_the_machine() -> None:
    assert task_memory(0, container=None, machine=100 * GIB) == 85 * GIB


def test_more_than_a_limit_is_more_in_mebibytes_too() -> None:
    assert (mib(0), mib(MIB), mib(MIB + 1)) == (0, 1, 2)
