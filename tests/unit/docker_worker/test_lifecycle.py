"""What a worker does from the first signal to its end, on a clock of the test's own and without real signals."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from docker_worker.lifecycle import (
    DockerWorkerLifecycle,
    Drain,
    Grace,
    Hurry,
    Leave,
    Phase,
    Wait,
    next_act,
)
from docker_worker.signals import Received
from docker_worker.status import WorkerState, WorkerStatus
from testing.clock import FakeClock

PATIENT = 30.0
GRACE = Grace.of(25.0)
DRAIN = Drain(GRACE, 100.0)


@pytest.mark.parametrize("seconds", [0.1, 1.0, 10.0, 25.0, 3_600.0])
def test_each_part_of_the_grace_period_has_its_share(seconds: float) -> None:
    grace = Grace.of(seconds)
    assert 0.5 * seconds < grace.hurry_after < grace.leave_after < grace.end_after < seconds


def test_the_default_leaves_four_seconds_to_commit_and_three_to_close() -> None:
    assert Grace.of(25.0) == Grace(18.0, 22.0, 24.5)


@pytest.mark.parametrize(
    ("since", "hurried", "asked_again", "expected"),
    [
        (0.0, False, False, Wait(0.1)),
        (0.0, False, True, Hurry()),
        (0.0, True, True, Wait(0.1)),
        (17.95, False, False, Wait(0.05)),
        (18.0, False, False, Hurry()),
        (18.0, True, False, Wait(0.1)),
        (22.0, True, False, Leave(in_order=False)),
        (22.0, False, True, Leave(in_order=False)),
    ],
)
def test_what_follows_while_the_loop_goes_on(since: float, hurried: bool, asked_again: bool, expected: object) -> None:
    drain = Drain(GRACE, 100.0, hurried)
    found = next_act(drain, 100.0 + since, ended=False, asked_again=asked_again)
    if isinstance(expected, Wait):
        assert isinstance(found, Wait)
        assert found.seconds == pytest.approx(expected.seconds)
    else:
        assert found == expected


@pytest.mark.parametrize("since", [0.0, 18.0, 22.0])
def test_the_loops_end_is_the_drains(since: float) -> None:
    assert next_act(DRAIN, 100.0 + since, ended=True, asked_again=True) == Leave(in_order=True)


class Source:
    """A loop that ends so many seconds after it was told, or at once when it is hurried. Waiting moves its clock."""

    def __init__(self, ends_after: float = 0.0, ends_when_hurried: bool = True) -> None:
        self.now = 0.0
        self.events: list[tuple[float, str]] = []
        self.dies = threading.Event()
        self._ends_after = ends_after
        self._ends_when_hurried = ends_when_hurried
        self._until: float | None = None

    @property
    def alive(self) -> bool:
        return not self.dies.is_set() and (self._until is None or self.now < self._until)

    def start(self) -> None:
        self._note("start")

    def stop(self) -> None:
        self._note("stop")
        if not self.dies.is_set():
            self._until = self.now + self._ends_after

    def join(self, timeout: float) -> bool:
        self.now += timeout
        return not self.alive

    def hurry(self) -> None:
        self._note("hurry")
        if self._ends_when_hurried:
            self._until = self.now

    def _note(self, what: str) -> None:
        self.events.append((round(self.now, 1), what))


class Scene:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.status = WorkerStatus(FakeClock())
        self.received = Received()
        self.handed_on: list[tuple[int, Phase]] = []
        self.over = threading.Event()
        self.cut_off: list[int] = []
        self.ended = threading.Event()
        self.hangs = threading.Event()
        self.lifecycle = DockerWorkerLifecycle(
            source,
            source,
            self.status,
            self.received,
            grace_seconds=25.0,
            end_now=self._end_now,
            monotonic=lambda: source.now,
            pause=lambda _: self.hangs.wait(PATIENT),
        )

    def run(self, *signals: int) -> None:
        """From the start to the moment at which the server gets the signal."""
        for number in signals:
            self.received.note(number)
        self.lifecycle.start(self._hand_on)
        assert self.over.wait(PATIENT)

    def _end_now(self, code: int) -> None:
        self.cut_off.append(code)
        self.ended.set()

    def _hand_on(self, number: int) -> None:
        self.handed_on.append((number, self.lifecycle.phase))
        self.over.set()


@pytest.fixture
def scenes() -> Iterator[list[Scene]]:
    scenes: list[Scene] = []
    yield scenes
    for scene in scenes:
        scene.hangs.set()


def scene_of(scenes: list[Scene], source: Source) -> Scene:
    scenes.append(Scene(source))
    return scenes[-1]


def test_the_server_gets_the_signal_when_the_task_has_ended(scenes: list[Scene]) -> None:
    scene = scene_of(scenes, Source(ends_after=3.0))
    scene.run(signal.SIGINT)

    assert scene.source.events == [(0.0, "start"), (0.0, "stop")]
    assert scene.source.now == pytest.approx(3.0, abs=0.11)
    assert scene.handed_on == [(signal.SIGINT, Phase.DRAINED)]
    assert scene.status.snapshot().state is WorkerState.DRAINING
    assert scene.lifecycle.exit_code == 0
    assert not scene.cut_off


def test_a_task_that_ignores_the_request_is_killed_near_the_end(scenes: list[Scene]) -> None:
    scene = scene_of(scenes, Source(ends_after=1_000.0))
    scene.run(signal.SIGTERM)

    assert scene.source.events == [(0.0, "start"), (0.0, "stop"), (18.0, "hurry")]
    assert scene.lifecycle.exit_code == 0


def test_a_second_signal_kills_it_at_once(scenes: list[Scene]) -> None:
    scene = scene_of(scenes, Source(ends_after=1_000.0))
    scene.run(signal.SIGTERM, signal.SIGTERM)

    assert scene.source.events == [(0.0, "start"), (0.0, "stop"), (0.0, "hurry")]
    assert scene.lifecycle.exit_code == 0


def test_more_signals_change_nothing_more(scenes: list[Scene]) -> None:
    scene = scene_of(scenes, Source(ends_after=1_000.0))
    scene.run(*[signal.SIGINT] * 5)
    assert [what for _, what in scene.source.events].count("hurry") == 1


def test_what_ends_in_no_way_is_left_behind_in_time(scenes: list[Scene], caplog: pytest.LogCaptureFixture) -> None:
    scene = scene_of(scenes, Source(ends_after=1_000.0, ends_when_hurried=False))
    scene.run(signal.SIGTERM)
    assert scene.source.now == pytest.approx(22.0)
    assert [record.levelname for record in caplog.records if record.message == "worker_drained"] == ["ERROR"]


def test_what_hangs_after_that_is_cut_off_with_the_same_exit_code(scenes: list[Scene]) -> None:
    scene = scene_of(scenes, Source())
    scene.run(signal.SIGTERM)
    assert not scene.cut_off
    scene.hangs.set()
    assert scene.ended.wait(PATIENT)
    assert scene.cut_off == [0]


def test_a_loop_that_dies_ends_the_process_with_1(scenes: list[Scene], caplog: pytest.LogCaptureFixture) -> None:
    scene = scene_of(scenes, Source())
    scene.source.dies.set()
    scene.run()

    assert scene.handed_on == [(signal.SIGTERM, Phase.DRAINED)]
    assert scene.lifecycle.exit_code == 1
    assert scene.lifecycle.loop_is_dead
    assert "worker_loop_ended" in caplog.messages


def test_a_loop_that_was_told_to_end_is_not_dead(scenes: list[Scene]) -> None:
    scene = scene_of(scenes, Source())
    assert not scene.lifecycle.loop_is_dead
    scene.run(signal.SIGTERM)
    assert not scene.source.alive
    assert not scene.lifecycle.loop_is_dead


def test_a_server_that_ends_by_itself_is_waited_for_by_nobody_but_the_drain(scenes: list[Scene]) -> None:
    scene = scene_of(scenes, Source(ends_after=2.0))
    scene.lifecycle.start(scene._hand_on)
    scene.lifecycle.finish()

    assert scene.lifecycle.phase is Phase.DRAINED
    assert scene.source.now == pytest.approx(2.0, abs=0.11)
    assert [what for _, what in scene.source.events] == ["start", "stop"]


def test_finishing_after_the_drain_hurries_nobody(scenes: list[Scene]) -> None:
    scene = scene_of(scenes, Source(ends_after=2.0))
    scene.run(signal.SIGTERM)
    scene.lifecycle.finish()
    assert [what for _, what in scene.source.events] == ["start", "stop"]


def test_what_never_began_is_finished_at_once(scenes: list[Scene]) -> None:
    scene_of(scenes, Source()).lifecycle.finish()
