from __future__ import annotations

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from core.ports import StateStore
from testing.contracts.state_machine import StateStoreMachine
from testing.mock_state import MockStateManager
from tests.support.planted_stores import ClaimsTwice, EndsARunTwice, NoFencing, OpensAStageTwice, RestartsItsTokens

SIZE = settings(max_examples=70, stateful_step_count=80)
UNSHRUNK = settings(SIZE, phases=[Phase.generate], report_multiple_bugs=False)


def machine_on(store: type[MockStateManager]) -> type[StateStoreMachine]:
    class OnThisStore(StateStoreMachine):
        def make_store(self) -> StateStore:
            return store()

    return OnThisStore


def test_random_transitions_keep_the_invariants() -> None:
    run_state_machine_as_test(machine_on(MockStateManager), settings=SIZE)


@pytest.mark.parametrize("planted", [NoFencing, ClaimsTwice, EndsARunTwice, OpensAStageTwice, RestartsItsTokens])
def test_random_transitions_catch(planted: type[MockStateManager]) -> None:
    with pytest.raises((AssertionError, KeyError, IndexError)):
        run_state_machine_as_test(machine_on(planted), settings=UNSHRUNK)
