from __future__ import annotations

import pytest

from core.ports import StateStore
from testing.contracts.state_store import StateStoreContract
from testing.mock_state import MockStateManager


class TestMockStateManager(StateStoreContract):
    @pytest.fixture
    def store(self) -> StateStore:
        return MockStateManager()
