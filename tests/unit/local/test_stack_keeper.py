"""A part that ends is started again, one that cannot start is not, and a thread owns it through all of that."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from local.errors import PortUnavailable
from local.stack_errors import PartFailed
from local.stack_keeper import Keeper
from local.stack_plan import PartName

SECONDS = 30.0


class Scripted:
    """A part that goes by the test's word. ``refusals`` are raised by its starts, one each."""

    name: PartName = "worker"
    address = "nowhere"

    def __init__(self, *refusals: Exception) -> None:
        self.refusals = list(refusals)
        self.pid = 0
        self.trace: list[str] = []
        self.orderly = True
        self.threads: set[str] = set()

    def prepare(self) -> None:
        self._note("prepare")

    def start(self, stop: threading.Event) -> None:
        self._note("start")
        if self.refusals:
            raise self.refusals.pop(0)
        self.pid = len(self.trace)

    def look(self) -> str | None:
        self.threads.add(threading.current_thread().name)
        return None if self.pid else "signal SIGKILL"

    def stop(self) -> bool:
        self._note("stop")
        self.pid = 0
        return self.orderly

    def kill(self) -> None:
        self.pid = 0

    def kill_all(self) -> None:
        self.kill()

    def _note(self, what: str) -> None:
        self.threads.add(threading.current_thread().name)
        self.trace.append(what)


class Watched:
    def __init__(self, part: Scripted, *, restart: bool = True) -> None:
        self.changed = threading.Condition()
        self.said: list[str] = []
        self.ready = 0
        self.part = part
        self.keeper = Keeper(part, self.changed, self.said.append, self.became_ready, restart=restart)

    def became_ready(self) -> None:
        assert self.keeper.up
        self.ready += 1

    def wait_until_up(self, starts: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: self.keeper.up and self.keeper.starts == starts, SECONDS)

    def wait_until_failed(self) -> str:
        with self.changed:
            assert self.changed.wait_for(lambda: self.keeper.failure is not None, SECONDS)
        return str(self.keeper.failure)


@contextmanager
def kept(part: Scripted, *, restart: bool = True) -> Iterator[Watched]:
    watched = Watched(part, restart=restart)
    watched.keeper.start()
    try:
        yield watched
    finally:
        watched.keeper.ask_to_stop()
        watched.keeper.join()


def test_a_part_that_ends_is_started_again() -> None:
    part = Scripted()
    with kept(part) as watched:
        watched.wait_until_up(1)
        watched.keeper.kill()
        assert not watched.keeper.up
        watched.wait_until_up(2)

    assert watched.said == ["it ended by itself: signal SIGKILL; it is started again in 0.1 s"]
    assert part.trace == ["start", "start", "stop"]
    assert part.threads == {"keeper-worker"}
    assert watched.ready == 2
    assert watched.keeper.ended_in_order


def test_a_part_that_does_not_come_back_at_once_is_tried_again_later() -> None:
    part = Scripted()
    with kept(part) as watched:
        watched.wait_until_up(1)
        part.refusals = [PartFailed("no"), OSError(11, "Resource temporarily unavailable")]
        watched.keeper.kill()
        watched.wait_until_up(2)

    assert watched.said[1:] == [
        "no; it is started again in 0.2 s",
        "it cannot be started: the system: Resource temporarily unavailable; it is started again in 0.4 s",
    ]


def test_a_part_that_cannot_start_is_given_up_with_its_name_and_its_kind_of_error() -> None:
    with kept(Scripted(PortUnavailable("port 1 is not ours"))) as watched:
        assert watched.wait_until_failed() == "worker: port 1 is not ours"
        assert isinstance(watched.keeper.failure, PortUnavailable)
    assert not watched.keeper.ended_in_order


def test_without_restart_the_first_end_is_the_last() -> None:
    with kept(Scripted(), restart=False) as watched:
        watched.wait_until_up(1)
        watched.keeper.kill()
        assert watched.wait_until_failed() == "worker: it ended by itself: signal SIGKILL"
    assert watched.part.trace == ["start", "stop"]


def test_what_is_not_up_cannot_be_killed() -> None:
    keeper = Watched(Scripted()).keeper
    with pytest.raises(PartFailed, match="worker is not up"):
        keeper.kill()
    keeper.join()
    assert keeper.ended_in_order


def test_a_part_that_had_to_be_cut_off_did_not_end_in_order() -> None:
    part = Scripted()
    part.orderly = False
    with kept(part) as watched:
        watched.wait_until_up(1)
    assert not watched.keeper.ended_in_order


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_bug_in_a_part_is_not_waited_for() -> None:
    with kept(Scripted(ZeroDivisionError("a bug"))) as watched:
        assert watched.wait_until_failed() == "worker is kept no longer"


def test_what_was_only_prepared_is_ended_too() -> None:
    watched = Watched(Scripted())
    watched.keeper.prepare()
    watched.keeper.ask_to_stop()
    watched.keeper.join()
    assert watched.part.trace == ["prepare", "stop"]
    assert watched.keeper.ended_in_order
