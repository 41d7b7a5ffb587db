from __future__ import annotations

from collections.abc import Iterator
from threading import Event

import pytest

from core.attempts import Started
from core.consumer import dispatch
from core.errors import StoreUnavailable
from core.ids import WorkerId
from core.messages import TaskQueueMessage, decode
from core.model import Claimed, TaskStatus
from docker_worker.lease_watch import LOOKS_A_LEASE, LeaseWatch
from tests.support.long_task import LEASE, World

EVERY = LEASE / LOOKS_A_LEASE
FOR_EVER = 60.0
"""Seconds that a test waits for another thread; none takes so long unless it hangs."""


class Watched:
    """A world, a watch in it, and a claim of a worker that is not heard of again."""

    def __init__(self) -> None:
        self.world = World()
        self.watch = LeaseWatch(self.world.machine, LEASE, jitter=lambda: 0.0)
        self.began = self.world.clock.now()

    def claim(self) -> Claimed:
        started = self.world.machine.attempts.claim(self.world.message)
        assert isinstance(started, Started)
        return started.claim

    def seconds(self) -> float:
        return (self.world.clock.now() - self.began).total_seconds()

    def until_ended(self) -> float:
        """Step as the thread does; seconds after which the attempt was ended."""
        while self.world.task.status is TaskStatus.RUNNING:
            assert self.seconds() < 10 * LEASE
            self.world.clock.advance(self.watch.step())
        return self.seconds()


@pytest.fixture
def watched() -> Iterator[Watched]:
    watched = Watched()
    yield watched
    watched.watch.stop()


@pytest.mark.parametrize("late", [0.0, 1.7, EVERY - 0.1])
def test_what_a_dead_worker_held_is_free_as_soon_as_its_lease_is_over(watched: Watched, late: float) -> None:
    watched.watch.step()
    watched.world.clock.advance(late)
    claimed_at = watched.seconds()
    watched.claim()

    ended = watched.until_ended() - claimed_at

    assert LEASE <= ended <= LEASE + EVERY
    assert watched.world.outcomes() == ["lease_expired"]
    assert watched.world.woken_again()[0].attempt == 2


def test_it_wakes_up_for_the_next_lease_that_runs_out(watched: Watched) -> None:
    watched.claim()
    watched.world.clock.advance(LEASE - 1.5)

    assert watched.watch.step() == 1.5
    watched.world.clock.advance(1.5)
    watched.watch.step()
    assert watched.world.task.status is TaskStatus.QUEUED


def test_looks_are_spread() -> None:
    world = World()
    pauses = [LeaseWatch(world.machine, LEASE, jitter=lambda at=at: at).step() for at in (0.0, 0.5, 0.99)]  # type: ignore[misc]

    assert pauses[0] == EVERY
    assert pauses == sorted(set(pauses))
    assert pauses[-1] < 1.1 * EVERY


def test_the_leases_of_short_tasks_are_left_to_the_reconciler(watched: Watched) -> None:
    machine, state = watched.world.machine, watched.world.state
    machine.submit("hello_world", {"n": 1})
    dispatch(machine, watched.world.bus.receive("jobs", 1)[0].body)
    message = decode(watched.world.bus.receive("tasks", 1)[0].body)
    assert isinstance(message, TaskQueueMessage)
    claim = state.claim_task(message.task_id, 1, WorkerId("gone"), LEASE, watched.world.clock.now())
    assert isinstance(claim, Claimed)
    watched.world.clock.advance(LEASE + 1)

    watched.watch.step()

    assert state.load_task(message.task_id).status is TaskStatus.RUNNING  # type: ignore[union-attr]


def test_after_an_outage_those_who_live_are_given_time_to_renew(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise StoreUnavailable("no answer")

    lease = watched.claim().lease
    watched.watch.step()
    pauses: list[float] = []
    with monkeypatch.context() as patched:
        patched.setattr(watched.world.state, "expired_leases", away)
        while watched.seconds() < 2 * LEASE:
            pauses.append(watched.watch.step())
            watched.world.clock.advance(pauses[-1])
    assert len(pauses) < 2 * LEASE
    assert max(pauses) == EVERY

    watched.watch.step()
    assert watched.world.task.status is TaskStatus.RUNNING
    watched.world.clock.advance(EVERY)
    watched.world.state.renew_lease(lease, LEASE, watched.world.clock.now())
    renewed_at = watched.seconds()

    assert watched.until_ended() - renewed_at <= LEASE + EVERY


def test_after_an_outage_what_nobody_renews_is_ended_all_the_same(watched: Watched) -> None:
    watched.claim()
    watched.watch.step()
    watched.world.clock.advance(3 * LEASE)
    back_at = watched.seconds()

    assert LEASE / 4 <= watched.until_ended() - back_at <= LEASE


def test_its_thread_begins_and_ends() -> None:
    looked = Event()

    def wait(stopping: Event, seconds: float) -> bool:
        looked.set()
        return stopping.wait(FOR_EVER)

    watch = LeaseWatch(World().machine, LEASE, jitter=lambda: 0.0, wait=wait)
    assert watch.join(0)
    watch.start()
    assert looked.wait(FOR_EVER)
    assert watch.alive
    assert not watch.join(0)
    watch.stop()

    assert watch.join(FOR_EVER)
    assert not watch.alive
