"""Two stores side by side: one and the same differ in nothing, and a store with a mechanism removed is told apart."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from core.ports import StateStore
from testing.contracts.same_traces import SameTracesMachine
from testing.contracts.state_store import StateStoreContract
from testing.contracts.twin_stores import StoresDiffer, TwinStores
from testing.mock_outbox import Outbox
from testing.mock_state import MockStateManager
from tests.support.planted_operations import PLANTED_OPERATIONS, SkipsRunsOfOneMoment
from tests.support.planted_stores import PLANTED

TOLD_APART = [planted for planted in (*PLANTED, *PLANTED_OPERATIONS) if planted is not SkipsRunsOfOneMoment]
"""The steps never make so many runs that a page ends among them."""

SIZE = settings(max_examples=25, stateful_step_count=60, deadline=None)
UNSHRUNK = settings(max_examples=200, stateful_step_count=60, deadline=None, phases=[Phase.generate])


def machine_on(other: type[MockStateManager]) -> type[SameTracesMachine]:
    class OnTheseStores(SameTracesMachine):
        def make_stores(self) -> tuple[StateStore, StateStore]:
            return MockStateManager(), other()

    return OnTheseStores


class CountsFromAnotherNumber(MockStateManager):
    """A store whose numbers are none of the other's."""

    def __init__(self) -> None:
        super().__init__()
        self._sequence = count(1_000, 3)
        self._outbox = OutboxFromAnotherNumber()


class OutboxFromAnotherNumber(Outbox):
    def __init__(self) -> None:
        super().__init__()
        self._ids = count(7_000, 2)


def test_stores_that_count_in_their_own_way_have_the_same_traces() -> None:
    run_state_machine_as_test(machine_on(CountsFromAnotherNumber), settings=SIZE)


class TestTwins(StateStoreContract):
    """The contract holds for two stores that are looked at as one."""

    @pytest.fixture
    def store(self) -> StateStore:
        return TwinStores.of(MockStateManager(), CountsFromAnotherNumber())


@pytest.mark.parametrize("planted", TOLD_APART, ids=lambda planted: planted.__name__)
def test_a_planted_store_is_told_apart(planted: type[MockStateManager]) -> None:
    with pytest.raises((StoresDiffer, KeyError)):
        run_state_machine_as_test(machine_on(planted), settings=UNSHRUNK)
