"""The whole contract of :class:`core.ports.StateStore`."""

from __future__ import annotations

import pytest

from core.ports import StateStore
from testing.contracts.state_jobs import RunEndContract, StageContract, StageResultsContract, SubmitContract
from testing.contracts.state_recovery import (
    ExpiredLeasesContract,
    HistoryContract,
    OutboxContract,
    StaleWakeupsContract,
)
from testing.contracts.state_tasks import ClaimContract, FinishContract, LeaseContract


class StateStoreContract(
    SubmitContract,
    StageContract,
    RunEndContract,
    StageResultsContract,
    ClaimContract,
    LeaseContract,
    FinishContract,
    HistoryContract,
    OutboxContract,
    ExpiredLeasesContract,
    StaleWakeupsContract,
):
    """Override ``store`` to give an empty store. Times are those of :mod:`testing.contracts.scenario`."""

    @pytest.fixture
    def store(self) -> StateStore:
        raise NotImplementedError
