"""Days of a queue worker whose database, queue and identity come and go, and which is killed and deployed.

``WORKER_DAYS=START:END`` runs other seeds than the few that the suite has time for.
"""

from __future__ import annotations

import os

import pytest

from tests.support.day_rules import Broken, check
from tests.support.planted_days import PLANTS
from tests.support.worker_day import Day

SEEDS = range(3)


def seeds() -> range:
    given = os.environ.get("WORKER_DAYS")
    if given is None:
        return SEEDS
    start, _, end = given.partition(":")
    return range(int(start), int(end))


@pytest.mark.parametrize("seed", seeds())
def test_no_task_is_lost_in_a_day(seed: int) -> None:
    day = Day(seed)

    book = day.run()
    check(day)

    assert {"killed", "deployed", "lock lost"} <= set(book.faults)
    assert {"unavailable", "carried out, reported as failed"} <= set(day.injector.faults)
    assert sum(book.pages.values()) > 1_000
    assert book.vanished
    assert len(day.database.spans) > 10


def test_a_seed_gives_the_same_day_again() -> None:
    first, again = Day(2), Day(2)

    assert first.run() == again.run()
    assert first.clock.now() == again.clock.now()


@pytest.mark.parametrize("name", PLANTS)
def test_it_sees_through(name: str) -> None:
    assert any(is_broken(seed, name) for seed in SEEDS)


def is_broken(seed: int, plant: str) -> bool:
    day = Day(seed, PLANTS[plant])
    day.run()
    try:
        check(day)
    except Broken:
        return True
    return False
