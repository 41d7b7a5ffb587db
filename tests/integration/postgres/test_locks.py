"""The order in which rows are taken."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing

import pytest

from tests.support.postgres import Database
from tests.support.scene import CALLS, ORDER, Scene, rows
from tests.support.stepped import PATIENT, Arena

Place = tuple[int, tuple[object, ...]]
"""A row, by its table's place in the order and its key."""


@pytest.fixture
def arena(postgres_database: Database) -> Iterator[Arena]:
    with closing(Arena(postgres_database.url)) as opened:
        yield opened


def some(keys: Sequence[tuple[object, ...]]) -> Sequence[tuple[object, ...]]:
    """All of a few, and of many the first two, every fifth, and the last."""
    return sorted({*keys[:2], *keys[:: 1 if len(keys) < 12 else 5], keys[-1]})


def held(arena: Arena) -> set[Place]:
    """The rows that anybody holds."""
    found = set()
    for rank, (table, key) in enumerate(ORDER.items()):
        free = arena.admin.execute(f"SELECT {key} FROM coremachine.{table} FOR UPDATE SKIP LOCKED".encode())
        found |= {(rank, row) for row in rows(arena, table) - set(free)}
    return found


@pytest.mark.parametrize("name", CALLS)
def test_who_waits_for_a_row_holds_none_that_comes_after_it(arena: Arena, name: str) -> None:
    """Each row in turn is held by somebody, and the call, where it waits for it, is looked at."""
    scene = Scene(arena.store)
    blocker, caller = arena.session(), arena.session()
    waited = 0
    for rank, (table, key) in enumerate(ORDER.items()):
        for row in some(sorted(rows(arena, table))):
            blocker.begin().lock(table, **dict(zip(key.split(", "), row, strict=True)))
            caller.begin()
            call = caller.start(lambda store: CALLS[name](store, scene))
            if arena.waits(caller, blocker):
                waited += 1
                assert [place for place in held(arena) if place > (rank, row)] == []
            blocker.rollback()
            call.result(PATIENT)
            caller.rollback()
    assert (waited > 0) is (name not in {"submit_job", "unpublished", "reissue_stale", "expired_leases"})
