"""A call whose connection breaks, at each of its exchanges with the server, happened whole or not at all.

Calling again is safe: then it has happened once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from itertools import count

import pytest

from core.errors import CoreMachineError, LeaseLost, StoreFull, StoreUnavailable
from infrastructure.postgres.store import PostgresStateStore
from tests.support.postgres import Database
from tests.support.postgres_proxy import Fault, PostgresProxy
from tests.support.postgres_store import pool_to
from tests.support.scene import CALLS, Scene
from tests.support.stepped import Arena

NUMBERED = ("run_key", "token", "ended", "number", "row_id", "record_id")
"""Columns that count, also what did not happen."""

REFUSED = (LeaseLost, AssertionError)
"""What the repeated call finds where the first has happened: a scene's calls assert that they are granted."""


@pytest.fixture
def arena(postgres_database: Database) -> Iterator[Arena]:
    with closing(Arena(postgres_database.url)) as opened:
        yield opened


def state(arena: Arena) -> dict[str, list[str]]:
    """All that is stored but for the numbers that the database counts."""
    return arena.everything(without=NUMBERED)


def answer(name: str, store: PostgresStateStore, scene: Scene) -> CoreMachineError | None:
    """The error that a call ends in, other than a refusal."""
    try:
        CALLS[name](store, scene)
    except REFUSED:
        return None
    except CoreMachineError as error:
        return error
    return None


def the_end_of(name: str, arena: Arena, database: Database) -> dict[str, list[str]]:
    """The state in which a call leaves a scene when all goes well."""
    database.reset()
    assert answer(name, arena.store, Scene(arena.store)) is None
    return state(arena)


@pytest.mark.parametrize("name", CALLS)
def test_a_call_that_failed_can_be_repeated(arena: Arena, postgres_database: Database, name: str) -> None:
    after = the_end_of(name, arena, postgres_database)
    with PostgresProxy(postgres_database.url) as proxy, pool_to(proxy.conninfo, maximum=1) as pool:
        for exchange in count(1):
            postgres_database.reset()
            scene, store = Scene(arena.store), PostgresStateStore(pool)
            before = state(arena)
            for fault, error, left in (
                (Fault.REQUEST_LOST, StoreUnavailable, [before]),
                (Fault.DISK_FULL, StoreFull, [before]),
                (Fault.ANSWER_LOST, StoreUnavailable, [before, after]),
            ):
                proxy.arm(fault, exchange)
                failed = answer(name, store, scene)
                if proxy.disarm():
                    assert state(arena) == after
                    return
                assert type(failed) is error
                arena.until_alone()
                assert state(arena) in left
            assert answer(name, store, scene) is None
            assert state(arena) == after
