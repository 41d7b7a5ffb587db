"""The worker's board tells the pace that the job's status tells."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from core.attempt_writes import LeasedWrites
from docker_worker.status import WorkerStatus
from testing.clock import FakeClock


class Rates:
    """A store that notes the rates that it is told."""

    def __init__(self) -> None:
        self.told: list[float | None] = []

    def report_progress(self, *said: object) -> None:
        self.told.append(cast("float | None", said[-1]))


@pytest.mark.parametrize("checkpoint_json", [None, "{}"])
def test_board_and_store_are_told_the_same_rate(checkpoint_json: str | None) -> None:
    clock, store = FakeClock(), Rates()
    status = WorkerStatus(clock)
    claim: Any = SimpleNamespace(
        lease=SimpleNamespace(task_id="t", attempt=1, token=1), task_type="one", checkpoint_json=checkpoint_json
    )
    status.began(cast("Any", SimpleNamespace(claim=claim)))
    writes = LeasedWrites(cast("Any", store), clock, claim, 60.0)

    seen: list[float | None] = []
    for step in range(200):
        clock.advance(1 + step % 7)
        percent = min(100.0, step * step / 400)
        status.progressed(percent, "")
        writes.report_progress(percent, "")
        current = status.snapshot().current
        assert current is not None
        seen.append(current.rate())

    assert seen == store.told
    assert len({rate for rate in seen if rate is not None}) > 100
