"""The state store's contract catches a store with any one mechanism removed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from core.ports import StateStore
from testing.contracts.state_store import StateStoreContract
from testing.mock_state import MockStateManager
from tests.support.planted_operations import PLANTED_OPERATIONS
from tests.support.planted_stores import PLANTED


def broken_promises(store: Callable[[], StateStore]) -> Iterator[str]:
    """The names of the contract's tests that a store fails."""
    contract = StateStoreContract()
    names = [name for name in dir(contract) if name.startswith("test_")]
    return (name for name in names if not keeps(getattr(contract, name), store()))


def keeps(test: Callable[[StateStore], None], store: StateStore) -> bool:
    try:
        test(store)
    except (Exception, pytest.fail.Exception):  # noqa: BLE001 - a broken store may fail in any way
        return False
    return True


def test_the_store_as_it_is_keeps_every_promise() -> None:
    assert list(broken_promises(MockStateManager)) == []


@pytest.mark.parametrize("planted", [*PLANTED, *PLANTED_OPERATIONS], ids=lambda planted: planted.__name__)
def test_the_contract_catches(planted: type[MockStateManager]) -> None:
    assert next(broken_promises(planted), None) is not None
