"""The whole contract of :class:`core.ports.StateStore`."""

from __future__ import annotations

import pytest

from core.ports import StateStore
from testing.contracts.state_batches import ClaimManyContract, FinishManyContract
from testing.contracts.state_jobs import RunEndContract, StageContract, StageResultsContract, SubmitContract
from testing.contracts.state_letters import DeadLetterContract
from testing.contracts.state_lists import EventListContract, RunListContract, TaskListContract
from testing.contracts.state_pauses import HeldBackContract, ParkContract, PauseContract
from testing.contracts.state_progress import ProgressContract
from testing.contracts.state_recovery import (
    ExpiredLeasesContract,
    HistoryContract,
    LostAttemptsContract,
    OutboxContract,
)
from testing.contracts.state_retention import RetentionContract
from testing.contracts.state_runs import FurtherRunContract, ReplayContract, ReuseContract
from testing.contracts.state_strangers import StrangersContract
from testing.contracts.state_tasks import ClaimContract, FinishContract, LeaseContract
from testing.contracts.state_text import TextContract
from testing.contracts.state_wakeups import AttentionContract, OverdueContract, StaleWakeupsContract


class StateStoreContract(
    SubmitContract,
    StageContract,
    RunEndContract,
    StageResultsContract,
    ClaimContract,
    LeaseContract,
    ProgressContract,
    FinishContract,
    FinishManyContract,
    ClaimManyContract,
    PauseContract,
    HeldBackContract,
    ParkContract,
    FurtherRunContract,
    ReuseContract,
    ReplayContract,
    HistoryContract,
    OutboxContract,
    ExpiredLeasesContract,
    LostAttemptsContract,
    StaleWakeupsContract,
    OverdueContract,
    AttentionContract,
    RunListContract,
    TaskListContract,
    EventListContract,
    DeadLetterContract,
    RetentionContract,
    TextContract,
    StrangersContract,
):
    """Override ``store`` to give an empty store. Times are those of :mod:`testing.contracts.scenario`."""

    @pytest.fixture
    def store(self) -> StateStore:
        raise NotImplementedError
