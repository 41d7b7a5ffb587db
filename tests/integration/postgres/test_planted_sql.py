"""Each mechanism of the statements is missed by a test where it is taken out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial

import pytest

from testing.contracts.state_store import StateStoreContract
from tests.integration.postgres import (
    test_concurrency,
    test_concurrent_pauses,
    test_concurrent_runs,
    test_concurrent_stages,
    test_dropped_messages,
    test_locks,
    test_recovery,
)
from tests.support.planted_sql import PLANTED, Planted, plant
from tests.support.postgres import Database
from tests.support.stepped import Arena

Test = Callable[..., None]

MODULES = {
    module.__name__.rsplit(".", 1)[-1]: module
    for module in (
        test_concurrency,
        test_concurrent_pauses,
        test_concurrent_runs,
        test_concurrent_stages,
        test_dropped_messages,
        test_locks,
        test_recovery,
    )
}


@pytest.fixture
def arena(postgres_database: Database) -> Iterator[Arena]:
    with closing(Arena(postgres_database.url)) as opened:
        yield opened


def catcher_of(planted: Planted) -> Callable[[Arena], None]:
    """The test that misses what was taken out."""
    found = re.fullmatch(r"(?:(\w+)\.)?(\w+)(?:\[(\w+)\])?", planted.caught_by)
    assert found is not None
    place, name, value = found.groups()
    if place is None:
        return lambda arena: getattr(StateStoreContract(), name)(arena.store)
    test: Test = getattr(MODULES[place], name) if place in MODULES else getattr(_class(place)(), name)
    return partial(test, **_parameter(test, value)) if value else test


def _class(name: str) -> type:
    (found,) = {vars(module)[name] for module in MODULES.values() if name in vars(module)}
    assert isinstance(found, type)
    return found


def _parameter(test: Test, wanted: str) -> dict[str, object]:
    """The arguments that pytest calls by this name."""
    (mark,) = (mark for mark in test.pytestmark if mark.name == "parametrize")  # type: ignore[attr-defined]
    name, values = mark.args
    for index, value in enumerate(values):
        if wanted in {str(value), getattr(value, "__name__", ""), f"{name}{index}"}:
            return {name: value}
    raise LookupError(f"{wanted}: no parameter of {test}")


@pytest.mark.parametrize("planted", PLANTED, ids=str)
def test_is_caught(arena: Arena, planted: Planted) -> None:
    catcher = catcher_of(planted)
    with plant(planted), pytest.raises((Exception, pytest.fail.Exception)):
        catcher(arena)


@pytest.mark.parametrize("name", sorted({planted.caught_by for planted in PLANTED}))
def test_the_sound_statements_pass(arena: Arena, name: str) -> None:
    catcher_of(next(planted for planted in PLANTED if planted.caught_by == name))(arena)


def test_what_does_not_fit_is_refused() -> None:
    for block, old in (("complete_task", "no such text"), ("complete_task", "run_key"), ("no_such_block", "run_key")):
        with pytest.raises(ValueError, match="planted"), plant(Planted("planted", block, old, "", "")):
            pytest.fail("it was planted")
