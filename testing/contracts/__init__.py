"""Contract suites: one class of tests for each port, run on every implementation of it.

Subclass one, override its fixture to give a fresh implementation, and pytest collects the rest::

    class TestMockStateManager(StateStoreContract):
        @pytest.fixture
        def store(self) -> StateStore:
            return MockStateManager()
"""
