"""When progress is written: at most once a second, and the last of it always."""

from __future__ import annotations

import pytest

from core.attempt_writes import LeasedWrites
from core.errors import LeaseLost, StoreUnavailable
from core.model import Claimed, TaskRecord
from testing.clock import FakeClock
from testing.contracts.scenario import Scenario, at
from testing.mock_state import MockStateManager


class Counting(MockStateManager):
    """Counts what is written; ``error`` is raised instead, once."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.written: list[str] = []
        self.error: Exception | None = None

    def report_progress(self, *arguments: object) -> None:
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        super().report_progress(*arguments)  # type: ignore[arg-type]
        self.written.append(str(arguments[2]))

    def save_checkpoint(self, *arguments: object):  # type: ignore[no-untyped-def]
        self.written.append("checkpoint")
        return super().save_checkpoint(*arguments)  # type: ignore[arg-type]


class Desk:
    def __init__(self, resumes: bool = False) -> None:
        self.clock = FakeClock(at(1))
        self.store = Counting(self.clock)
        self.scenario = Scenario.started(self.store, "x")
        claim = self.scenario.claimed("x")
        if resumes:
            self.store.save_checkpoint(claim.lease, "{}", 60, at(1))
            self.scenario.requeue(claim.lease, charged=False)
            claim = self.scenario.claimed("x", 2)
            self.store.written.clear()
        self.claim: Claimed = claim
        self.writes = LeasedWrites(self.store, self.clock, claim, 60)

    @property
    def task(self) -> TaskRecord:
        return self.scenario.task("x")


def test_of_reports_that_follow_fast_the_first_is_written_at_once_and_then_one_a_second() -> None:
    desk = Desk()
    for number in range(25):
        desk.writes.report_progress(number, str(number))
        desk.clock.advance(0.125)

    assert desk.store.written == ["0", "8", "16", "24"]


def test_the_last_is_written_as_the_attempt_ends_with_the_time_when_it_was_made() -> None:
    desk = Desk()
    desk.writes.report_progress(10, "a")
    desk.clock.advance(0.5)
    desk.writes.report_progress(20, "b")
    desk.clock.advance(300)

    desk.writes.finish()
    desk.writes.finish()

    assert desk.store.written == ["a", "b"]
    assert (desk.task.progress_percent, desk.task.progress_at) == (20, at(1.5))


def test_the_last_is_written_before_a_checkpoint_is_saved() -> None:
    desk = Desk()
    desk.writes.report_progress(10, "a")
    desk.writes.report_progress(20, "b")

    desk.writes.save_checkpoint("{}")

    assert desk.store.written == ["a", "b", "checkpoint"]
    assert desk.writes.progressed


def test_the_rate_is_written_with_it() -> None:
    desk = Desk()
    desk.clock.advance(30)
    desk.writes.report_progress(10, "")

    assert desk.task.progress_rate == pytest.approx(20.0)


def test_a_resumed_attempt_has_no_rate_before_it_has_done_something() -> None:
    desk = Desk(resumes=True)
    desk.clock.advance(30)
    desk.writes.report_progress(60, "")
    first = desk.task.progress_rate
    desk.clock.advance(30)
    desk.writes.report_progress(65, "")

    assert first is None
    assert desk.task.progress_rate == pytest.approx(10.0)


@pytest.mark.parametrize("error", [StoreUnavailable("away"), LeaseLost("taken over")])
def test_what_cannot_be_written_at_the_end_does_not_cost_the_outcome(error: Exception) -> None:
    desk = Desk()
    desk.writes.report_progress(10, "a")
    desk.writes.report_progress(20, "b")
    desk.store.error = error

    desk.writes.finish()

    assert desk.store.written == ["a"]


def test_a_report_that_failed_is_written_the_next_time() -> None:
    desk = Desk()
    desk.store.error = StoreUnavailable("away")
    with pytest.raises(StoreUnavailable):
        desk.writes.report_progress(10, "a")

    desk.writes.save_checkpoint("{}")

    assert desk.store.written == ["a", "checkpoint"]


def test_who_lost_the_lease_learns_it_from_a_report() -> None:
    desk = Desk()
    desk.scenario.finish()

    with pytest.raises(LeaseLost):
        desk.writes.report_progress(10, "a")
