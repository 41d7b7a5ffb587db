from __future__ import annotations

import json
from datetime import timedelta

import pytest

from core.context import NO_LONGER_OURS, CheckpointManager, StopReason, StopSignal, TaskContext
from core.ids import JobId, TaskId
from core.messages import TaskQueueMessage
from core.outcome import CUT
from core.scratch import Scratch
from testing.clock import EPOCH, FakeClock
from testing.memory_blobs import MemoryBlobStore

MESSAGE = TaskQueueMessage(
    job_id=JobId("a" * 64), run=2, job_type="job", stage=3, task_id=TaskId("t"), task_type="task", attempt=4
)


class Written:
    """What a handler wrote."""

    def __init__(self) -> None:
        self.checkpoints: list[str] = []
        self.progress: list[tuple[float, str]] = []

    def save_checkpoint(self, checkpoint_json: str) -> None:
        self.checkpoints.append(checkpoint_json)

    def report_progress(self, percent: float, message: str) -> None:
        self.progress.append((percent, message))


class Desk:
    """A context and what is around it."""

    def __init__(self, checkpoint: str | None = None, timeout: float = 60) -> None:
        self.clock = FakeClock()
        self.stop = StopSignal()
        self.written = Written()
        self.context = TaskContext(
            MESSAGE,
            timeout=timeout,
            blobs=MemoryBlobStore(),
            clock=self.clock,
            stop=self.stop,
            writes=self.written,
            scratch=Scratch(),
            checkpoint_json=checkpoint,
        )


def test_a_context_knows_its_ids_and_its_deadline() -> None:
    context = Desk(timeout=90).context

    assert (context.job_id, context.run, context.job_type) == (MESSAGE.job_id, 2, "job")
    assert (context.stage, context.task_id, context.task_type, context.attempt) == (3, "t", "task", 4)
    assert context.deadline == EPOCH + timedelta(seconds=90)


def test_a_handler_is_told_to_stop_by_the_signal() -> None:
    desk = Desk()
    assert (desk.context.should_stop, desk.context.stop_reason) == (False, None)

    desk.stop.set("deploy")
    desk.stop.set("too late")

    assert (desk.context.should_stop, desk.context.stop_reason) == (True, "deploy")
    assert desk.context.checkpoint.should_stop


@pytest.mark.parametrize("ours_no_more", [StopReason.CANCELLED, StopReason.LEASE_LOST])
@pytest.mark.parametrize("before", [StopReason.MEMORY, StopReason.SHUTDOWN, StopReason.DEADLINE])
@pytest.mark.parametrize("told_by", ["itself", "its parent"])
def test_a_task_that_is_no_longer_ours_outweighs_what_was_said_before(
    before: StopReason, ours_no_more: StopReason, told_by: str
) -> None:
    parent = StopSignal()
    own = StopSignal(parent)
    (own if told_by == "itself" else parent).set(before)

    own.set(ours_no_more)
    own.set(before)
    own.set(next(iter(NO_LONGER_OURS - {ours_no_more})))

    assert own.reason == ours_no_more
    assert parent.reason == (None if told_by == "itself" else before)


def test_a_handler_is_told_to_stop_at_its_deadline() -> None:
    desk = Desk(timeout=60)
    desk.clock.advance(59.9)
    assert not desk.context.should_stop

    desk.clock.advance(0.1)

    assert desk.context.stop_reason == "deadline"


@pytest.mark.parametrize(("given", "kept"), [(50, 50.0), (-1, 0.0), (101, 100.0), (float("nan"), 0.0)])
def test_progress_is_kept_between_0_and_100(given: float, kept: float) -> None:
    desk = Desk()

    desk.context.report_progress(given, "page 1")

    assert desk.written.progress == [(kept, "page 1")]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("x" * 1_000, "x" * 1_000),
        ("x" * 1_001, "x" * (1_000 - len(CUT)) + CUT),
        ("a\0b", "a\ufffdb"),
        ("\ud800", "\ufffd"),
    ],
)
def test_no_task_fails_over_its_progress_message(given: str, kept: str) -> None:
    desk = Desk()

    desk.context.report_progress(5, given)

    assert desk.written.progress == [(5, kept)]


def test_a_phase_is_skipped_once_it_was_saved() -> None:
    checkpoint = Desk().context.checkpoint
    assert not checkpoint.should_skip("inspect")

    assert checkpoint.save("inspect")

    assert checkpoint.should_skip("inspect")
    assert not checkpoint.should_skip("read")


def test_a_later_attempt_resumes_from_what_was_saved() -> None:
    first = Desk()
    first.context.checkpoint.save("inspect", {"pages": 3})
    first.context.checkpoint.save("read", {"page": 1})
    first.context.checkpoint.save("read", {"page": 2})

    resumed = Desk(first.written.checkpoints[-1]).context.checkpoint

    assert resumed.should_skip("inspect")
    assert (resumed.get_data("pages"), resumed.get_data("page")) == (3, 2)
    assert resumed.get_data("nobody") is None
    assert resumed.get_data("nobody", 7) == 7
    assert json.loads(first.written.checkpoints[-1])["phases"] == ["inspect", "read"]


def test_an_artifact_that_does_not_hold_is_not_saved() -> None:
    desk = Desk()

    assert desk.context.checkpoint.save("write", {"file": "x"}, validate_artifact=lambda: False) is False

    assert desk.written.checkpoints == []
    assert not desk.context.checkpoint.should_skip("write")
    assert desk.context.checkpoint.save("write", validate_artifact=lambda: True)
    assert desk.context.checkpoint.should_skip("write")


def test_a_phase_whose_saving_failed_is_not_skipped() -> None:
    def refuse(checkpoint_json: str) -> None:
        raise ConnectionError

    checkpoint = CheckpointManager(None, refuse)

    with pytest.raises(ConnectionError):
        checkpoint.save("read", {"page": 1})

    assert not checkpoint.should_skip("read")
    assert checkpoint.get_data("page") is None


@pytest.mark.parametrize("value", [float("nan"), object()])
def test_what_json_cannot_hold_is_refused_and_nothing_is_saved(value: object) -> None:
    desk = Desk()

    with pytest.raises((ValueError, TypeError)):
        desk.context.checkpoint.save("read", {"x": value})

    assert desk.written.checkpoints == []
    assert not desk.context.checkpoint.should_skip("read")


def test_saving_says_whether_to_stop_now() -> None:
    desk = Desk()
    checkpoint = desk.context.checkpoint

    assert checkpoint.save_and_stop_if_requested("one") is False
    desk.stop.set("deploy")
    assert checkpoint.save_and_stop_if_requested("two", {"x": 1}) is True

    assert checkpoint.should_skip("two")
    assert len(desk.written.checkpoints) == 2
