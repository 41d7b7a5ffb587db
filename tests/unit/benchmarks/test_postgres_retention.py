"""What comes and goes in the benchmark's database while its size is looked at."""

from __future__ import annotations

import threading
from typing import Any, cast

import pytest

from benchmarks import postgres_retention
from benchmarks.postgres_retention import CLIENTS, KEPT_ROUNDS, Lives
from core.listing import RunFilter
from core.model import RunStatus
from core.ports import StateStore
from testing.mock_state import MockStateManager


class SharedStore:
    """The store in memory, for many threads."""

    def __init__(self) -> None:
        self._inner = MockStateManager()
        self._lock = threading.RLock()

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            with self._lock:
                return getattr(self._inner, name)(*arguments, **named)

        return call


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> StateStore:
    monkeypatch.setattr(postgres_retention, "JOB_TASKS", 20)
    monkeypatch.setattr(postgres_retention, "END_BATCH", 7)
    return cast(StateStore, SharedStore())


def test_each_client_does_a_job_in_each_round_and_old_ones_go(store: StateStore) -> None:
    left = [len(store.list_runs(RunFilter(), None, 100)) for _ in Lives(store).rounds(6)]

    assert left == [CLIENTS, 2 * CLIENTS, *[(KEPT_ROUNDS + 1) * CLIENTS] * 4]


def test_jobs_are_done_whole(store: StateStore) -> None:
    assert list(Lives(store).rounds(1)) == [1]

    for summary in store.list_runs(RunFilter(), None, 100):
        run = store.load_run(summary.job_id, 1)
        assert run is not None
        assert run.status is RunStatus.COMPLETED
        assert [(stage.total, stage.remaining) for stage in run.stages] == [(20, 0)]
