"""A long task's progress: what the handler says, at which rate it comes, and how long it will take."""

from __future__ import annotations

import pytest

from core.context import StopSignal
from core.ids import JobId, task_id_for
from core.limits import MAX_PROGRESS_MESSAGE
from core.messages import TaskQueueMessage
from core.scratch import Scratch
from docker_worker.context import DockerTaskContext, duration
from testing.clock import FakeClock
from testing.memory_blobs import MemoryBlobStore
from tests.support.children import Writes


class Desk:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.writes = Writes()
        job_id = JobId("a" * 64)
        task_id = task_id_for(job_id, 1, 1, "one")
        message = TaskQueueMessage(
            job_id=job_id, run=1, job_type="any", stage=1, task_id=task_id, task_type="any", attempt=1
        )
        self.context = DockerTaskContext(
            message,
            timeout=60.0,
            blobs=MemoryBlobStore(),
            clock=self.clock,
            stop=StopSignal(),
            writes=self.writes,
            scratch=Scratch(),
        )

    def report(self, percent: float, message: str, after: float = 0.0) -> str:
        self.clock.advance(after)
        self.context.report_progress(percent, message)
        return self.writes.progress[-1][1]


def test_the_first_report_is_as_the_handler_said_it() -> None:
    assert Desk().report(40, "page 20 of 50") == "page 20 of 50"


def test_later_ones_say_rate_and_remaining_time_of_this_attempt() -> None:
    desk = Desk()
    desk.report(40, "page 20 of 50")

    assert desk.report(50, "page 25 of 50", after=120) == "page 25 of 50 (5 %/min, 10 min left)"


@pytest.mark.parametrize("percent", [40, 30, 100])
def test_without_progress_or_at_the_end_there_is_no_pace(percent: float) -> None:
    desk = Desk()
    desk.report(40, "at first")

    assert desk.report(percent, "then", after=60) == "then"


def test_two_reports_at_the_same_moment_have_no_pace() -> None:
    desk = Desk()
    desk.report(40, "at first")

    assert desk.report(50, "then") == "then"


def test_a_long_message_is_cut_and_the_pace_is_not() -> None:
    desk = Desk()
    desk.report(0, "at first")
    shown = desk.report(50, "x" * 2_000, after=60)

    assert len(shown) <= MAX_PROGRESS_MESSAGE
    assert shown.endswith("x [cut] (50 %/min, 60 s left)")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (119, "119 s"), (121, "2 min"), (3_570, "1 h 0 min"), (12_000, "3 h 20 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
