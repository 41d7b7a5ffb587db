from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from core.context import StopReason, StopSignal
from core.errors import HandlerLost, LeaseLost, StoreUnavailable, TransientTaskError
from core.outcome import Failed, Interrupted, Outcome, Succeeded, describe
from core.runner import HandlerCall
from docker_worker.patience import SLICE_SECONDS, PatientRunner
from testing.clock import FakeClock
from testing.memory_blobs import MemoryBlobStore
from tests.support.long_task import World

TIMEOUT = 3_600.0


class Writes:
    """A store that is away up to a time."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.back_at = clock.now()
        self.asked = 0
        self.saved: list[str] = []
        self.told: list[float] = []

    def save_checkpoint(self, checkpoint_json: str) -> None:
        self._check()
        self.saved.append(checkpoint_json)

    def report_progress(self, percent: float, message: str) -> None:
        self._check()
        self.told.append(percent)

    def _check(self) -> None:
        self.asked += 1
        if self._clock.now() < self.back_at:
            raise StoreUnavailable("away")


class Runner:
    """Calls ``act`` as a handler, and makes an outcome of what it raises."""

    def __init__(self) -> None:
        self.while_waiting: Callable[[], None] = lambda: None
        self.act: Callable[[HandlerCall], None] = lambda call: call.writes.save_checkpoint("1")
        self.goes_on: Callable[[], bool] = lambda: True

    def look(self) -> bool:
        self.while_waiting()
        return self.goes_on()

    def __call__(self, call: HandlerCall) -> Outcome:
        try:
            self.act(call)
        except (StoreUnavailable, TransientTaskError) as error:
            return Failed(describe(error), error)
        return Succeeded("{}")


class Desk:
    def __init__(self) -> None:
        self.world = World()
        self.clock = self.world.clock
        self.writes = Writes(self.clock)
        self.inner = Runner()
        self.stop = StopSignal()
        self.looked = 0
        self.patient = PatientRunner(self.inner, jitter=lambda: 0.0, wait=self.clock.advance)
        self.patient.while_waiting = self._look
        self.on_look: Callable[[], None] = lambda: None

    def _look(self) -> None:
        self.looked += 1
        self.on_look()

    def away(self, seconds: float) -> None:
        self.writes.back_at = self.clock.now() + timedelta(seconds=seconds)

    def run(self) -> Outcome:
        handler = self.world.machine.handlers.find("long_task")
        call = HandlerCall(
            handler,
            self.world.message,
            "{}",
            None,
            stop=self.stop,
            writes=self.writes,
            blobs=MemoryBlobStore(),
            clock=self.clock,
        )
        return self.patient(call)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_checkpoint_waits_for_the_store(desk: Desk) -> None:
    desk.away(300)

    assert desk.run() == Succeeded("{}")
    assert desk.writes.saved == ["1"]
    assert 10 < desk.writes.asked < 25
    assert desk.looked >= 300
    assert desk.inner.while_waiting == desk._look


def test_progress_is_not_waited_for(desk: Desk) -> None:
    desk.away(300)
    desk.inner.act = lambda call: call.writes.report_progress(50, "half")

    assert desk.run() == Succeeded("{}")
    assert (desk.writes.asked, desk.writes.told, desk.looked) == (1, [], 0)


def test_who_is_told_to_stop_while_he_waits_is_interrupted_and_did_nothing_wrong(desk: Desk) -> None:
    desk.away(10_000)
    desk.on_look = lambda: desk.stop.set(StopReason.SHUTDOWN)

    outcome = desk.run()

    assert outcome == Interrupted("store_away")
    assert desk.looked == 1


def test_a_store_that_does_not_come_back_is_waited_for_until_the_attempts_time_is_over(desk: Desk) -> None:
    desk.away(10 * TIMEOUT)
    began = desk.clock.now()

    assert desk.run() == Interrupted("store_away")
    assert TIMEOUT <= (desk.clock.now() - began).total_seconds() <= TIMEOUT + SLICE_SECONDS


def test_a_task_that_goes_on_no_more_is_not_waited_for(desk: Desk) -> None:
    """Its process was killed while its checkpoint waited: the runner says why."""

    def killed(call: HandlerCall) -> None:
        with pytest.raises(StoreUnavailable):
            call.writes.save_checkpoint("1")
        raise HandlerLost("MEMORY_EXCEEDED", "killed")

    desk.away(10_000)
    desk.inner.act = killed
    desk.inner.goes_on = lambda: desk.looked < 100

    with pytest.raises(HandlerLost):
        desk.run()

    assert desk.looked == 100
    assert desk.writes.asked < 10


def test_a_handler_that_fails_by_itself_has_failed(desk: Desk) -> None:
    def fails(call: HandlerCall) -> None:
        call.writes.save_checkpoint("1")
        raise TransientTaskError("of its own")

    desk.away(5)
    desk.inner.act = fails

    assert isinstance(desk.run(), Failed)


def test_a_lease_that_was_lost_is_not_waited_for(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*_: Any) -> None:
        raise LeaseLost("another holder")

    monkeypatch.setattr(desk.writes, "save_checkpoint", lost)

    with pytest.raises(LeaseLost):
        desk.run()
