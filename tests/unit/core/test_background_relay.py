from __future__ import annotations

from collections.abc import Iterator, Sequence
from threading import Event
from typing import cast

import pytest

from core.background_relay import LATE_SECONDS, MAX_WAITING, BackgroundRelay
from core.model import OutboundMessage, OutboxRow
from core.ports import StateStore
from testing.clock import FakeClock
from testing.mock_bus import MockServiceBusRepository

FOR_EVER = 60.0


class Store:
    """Knows which rows were marked, and which are still wanted; ``asked`` how often that was."""

    def __init__(self) -> None:
        self.marked: list[int] = []
        self.unwanted: set[int] = set()
        self.asked = 0
        self.done = Event()
        self.until = 0

    def still_unpublished(self, row_ids: Sequence[int]) -> set[int]:
        self.asked += 1
        return set(row_ids) - self.unwanted

    def mark_published(self, row_ids: Sequence[int], now: object) -> None:
        self.marked += row_ids
        if len(self.marked) >= self.until:
            self.done.set()

    def wait_for(self, rows: int) -> None:
        self.until = rows
        if len(self.marked) < rows:
            assert self.done.wait(FOR_EVER)


class Bus(MockServiceBusRepository):
    """One whose first send waits until a test lets it go."""

    def __init__(self) -> None:
        super().__init__(FakeClock())
        self.entered, self.released = Event(), Event()
        self.calls: list[int] = []

    def send(self, messages: Sequence[OutboundMessage]) -> None:
        self.calls.append(len(messages))
        self.entered.set()
        assert self.released.wait(FOR_EVER)
        super().send(messages)


class Scene:
    def __init__(self) -> None:
        self.store, self.bus, self.now = Store(), Bus(), 0.0
        self.relay = BackgroundRelay(cast(StateStore, self.store), self.bus, FakeClock(), lambda: self.now)


@pytest.fixture
def scene() -> Iterator[Scene]:
    scene = Scene()
    yield scene
    scene.bus.released.set()
    scene.relay.close()


def rows(*numbers: int) -> list[OutboxRow]:
    return [OutboxRow(number, OutboundMessage("tasks", f"m{number}", "task", b"{}")) for number in numbers]


def test_nobody_waits_for_a_bus_that_hangs_and_what_comes_meanwhile_goes_together(scene: Scene) -> None:
    assert scene.relay.publish(rows(1)) == 0
    assert scene.bus.entered.wait(FOR_EVER)
    for number in (2, 3, 4):
        scene.relay.publish(rows(number))
    scene.bus.released.set()
    scene.store.wait_for(4)

    assert scene.bus.calls == [1, 3]
    assert [sent["message_id"] for sent in scene.bus.get_sent_messages()] == ["m1", "m2", "m3", "m4"]


def test_what_waited_long_is_sent_only_where_it_is_still_wanted(scene: Scene) -> None:
    scene.relay.publish(rows(1))
    assert scene.bus.entered.wait(FOR_EVER)
    scene.relay.publish(rows(2, 3))
    scene.store.unwanted = {2}
    scene.now += LATE_SECONDS
    scene.bus.released.set()
    scene.store.wait_for(2)

    assert scene.store.marked == [1, 3]
    assert scene.store.asked == 1


def test_more_than_may_wait_stays_in_the_outbox(scene: Scene) -> None:
    scene.relay.publish(rows(1))
    assert scene.bus.entered.wait(FOR_EVER)
    scene.relay.publish(rows(*range(2, MAX_WAITING + 2)))
    scene.relay.publish(rows(MAX_WAITING + 2))
    scene.bus.released.set()
    scene.store.wait_for(MAX_WAITING + 1)
    scene.relay.close()

    assert scene.store.marked == list(range(1, MAX_WAITING + 2))


def test_nothing_is_taken_after_its_end(scene: Scene) -> None:
    scene.bus.released.set()
    scene.relay.close()
    scene.relay.publish(rows(1))

    assert scene.bus.calls == []
