"""The contract of :class:`core.ports.MessageBus`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from core.errors import InvalidIdentifier, LockLost, MessageTooLarge
from core.model import OutboundMessage
from core.ports import MessageBus, ReceivedMessage

QUEUE = "tasks"
OTHER_QUEUE = "jobs"


@dataclass(frozen=True, slots=True)
class BusUnderTest:
    """An empty bus, its queues' settings, and the ways to read and pass its time. Times are seconds.

    Both queues have the same settings, with duplicate detection. ``advance`` may move a fake clock or wait.
    """

    bus: MessageBus
    now: Callable[[], datetime]
    advance: Callable[[float], None]
    lock_seconds: float
    max_delivery_count: int
    max_message_bytes: int
    duplicate_window: float

    def send(self, *ids: str, queue: str = QUEUE) -> None:
        self.bus.send([message(name, queue=queue) for name in ids])

    def receive(self, limit: int = 10, queue: str = QUEUE) -> list[ReceivedMessage]:
        return list(self.bus.receive(queue, limit))

    def receive_one(self, queue: str = QUEUE) -> ReceivedMessage:
        (only,) = self.receive(1, queue)
        return only

    def ids(self, limit: int = 10, queue: str = QUEUE) -> list[str]:
        return [received.message_id for received in self.receive(limit, queue)]

    def outlive_lock(self) -> None:
        self.advance(self.lock_seconds + 0.1)


def message(
    name: str, *, queue: str = QUEUE, body: bytes = b'{"a": 1}', due: datetime | None = None
) -> OutboundMessage:
    return OutboundMessage(queue, name, "task", body, due)


class MessageBusContract:
    """Override ``under_test``."""

    @pytest.fixture
    def under_test(self) -> BusUnderTest:
        raise NotImplementedError

    # --- sending ---

    def test_messages_arrive_in_order_as_they_were_sent(self, under_test: BusUnderTest) -> None:
        under_test.bus.send([message("1", body=b'{"n": 1}'), message("2", body=b'{"n": 2}')])
        under_test.send("3")

        received = under_test.receive()

        assert [one.message_id for one in received] == ["1", "2", "3"]
        first = received[0]
        assert (first.queue, first.message_type, first.body) == (QUEUE, "task", b'{"n": 1}')
        assert first.delivery_count == 1

    def test_each_message_goes_to_its_own_queue(self, under_test: BusUnderTest) -> None:
        under_test.bus.send([message("1"), message("2", queue=OTHER_QUEUE)])

        assert (under_test.ids(), under_test.ids(queue=OTHER_QUEUE)) == (["1"], ["2"])

    def test_an_empty_queue_gives_nothing(self, under_test: BusUnderTest) -> None:
        under_test.bus.send([])

        assert under_test.receive() == []

    def test_a_receive_takes_no_more_than_its_limit(self, under_test: BusUnderTest) -> None:
        under_test.send("1", "2", "3")

        assert (under_test.ids(2), under_test.ids(2)) == (["1", "2"], ["3"])

    def test_a_message_at_the_size_limit_is_too_large_with_its_headers_and_nothing_is_sent(
        self, under_test: BusUnderTest
    ) -> None:
        with pytest.raises(MessageTooLarge):
            under_test.bus.send([message("1"), message("2", body=b"x" * under_test.max_message_bytes), message("3")])

        assert under_test.receive() == []

    def test_a_large_message_under_the_limit_arrives_whole(self, under_test: BusUnderTest) -> None:
        body = b"x" * (under_test.max_message_bytes * 3 // 4)

        under_test.bus.send([message("1", body=body)])

        assert under_test.receive_one().body == body

    def test_a_message_id_over_128_characters_is_refused_and_nothing_is_sent(self, under_test: BusUnderTest) -> None:
        with pytest.raises(InvalidIdentifier):
            under_test.bus.send([message("1"), message("x" * 129)])
        under_test.bus.send([message("y" * 128)])

        assert under_test.ids() == ["y" * 128]

    # --- schedules ---

    def test_a_scheduled_message_is_hidden_until_it_is_due(self, under_test: BusUnderTest) -> None:
        due = under_test.now() + timedelta(seconds=2)
        under_test.bus.send([message("later", due=due), message("now")])

        assert under_test.ids() == ["now"]
        under_test.advance(1)
        assert under_test.ids() == []
        under_test.advance(1.1)
        assert under_test.ids() == ["later"]

    def test_scheduled_messages_arrive_in_the_order_in_which_they_are_due(self, under_test: BusUnderTest) -> None:
        start = under_test.now()
        under_test.bus.send(
            [message("second", due=start + timedelta(seconds=2)), message("first", due=start + timedelta(seconds=1))]
        )

        under_test.advance(2.1)

        assert under_test.ids() == ["first", "second"]

    def test_a_message_that_was_due_in_the_past_is_there_at_once(self, under_test: BusUnderTest) -> None:
        under_test.bus.send([message("1", due=under_test.now() - timedelta(seconds=5))])

        assert under_test.ids() == ["1"]

    # --- locks ---

    def test_a_received_message_is_hidden_from_others(self, under_test: BusUnderTest) -> None:
        under_test.send("1")

        received = under_test.receive_one()

        assert under_test.receive() == []
        assert received.locked_until > under_test.now()

    def test_a_completed_message_is_gone(self, under_test: BusUnderTest) -> None:
        under_test.send("1")
        under_test.bus.complete(under_test.receive_one())

        under_test.outlive_lock()

        assert under_test.receive() == []

    def test_a_message_whose_lock_ended_is_delivered_again(self, under_test: BusUnderTest) -> None:
        under_test.send("1")
        first = under_test.receive_one()

        under_test.outlive_lock()

        again = under_test.receive_one()
        assert (again.message_id, again.delivery_count) == ("1", 2)
        assert again.lock_token != first.lock_token

    def test_an_abandoned_message_is_delivered_again_at_once(self, under_test: BusUnderTest) -> None:
        under_test.send("1")

        under_test.bus.abandon(under_test.receive_one())

        again = under_test.receive_one()
        assert (again.message_id, again.delivery_count) == ("1", 2)

    def test_what_was_not_settled_comes_back_to_its_old_place(self, under_test: BusUnderTest) -> None:
        under_test.send("1", "2", "3", "4")
        first, second, _ = under_test.receive(3)
        under_test.bus.abandon(second)
        under_test.bus.abandon(first)

        under_test.outlive_lock()

        assert under_test.ids() == ["1", "2", "3", "4"]

    def test_a_renewed_lock_lasts_longer(self, under_test: BusUnderTest) -> None:
        under_test.send("1")
        received = under_test.receive_one()
        under_test.advance(under_test.lock_seconds * 0.6)

        renewed = under_test.bus.renew_lock(received)

        assert renewed.locked_until > received.locked_until
        assert renewed._replace(locked_until=received.locked_until) == received
        under_test.advance(under_test.lock_seconds * 0.6)
        assert under_test.receive() == []
        under_test.bus.complete(received)

    def test_nothing_is_settled_after_the_lock_ended(self, under_test: BusUnderTest) -> None:
        for settle in self.settlements(under_test.bus):
            under_test.bus.send([message(f"late-{settle.__name__}")])
            received = under_test.receive_one()
            under_test.outlive_lock()

            with pytest.raises(LockLost):
                settle(received)

            under_test.bus.complete(under_test.receive_one())
        assert under_test.bus.dead_letters(QUEUE, 10) == []

    def test_nothing_is_settled_twice(self, under_test: BusUnderTest) -> None:
        under_test.send("1")
        received = under_test.receive_one()
        under_test.bus.complete(received)

        for settle in self.settlements(under_test.bus):
            with pytest.raises(LockLost):
                settle(received)

        assert under_test.receive() == []

    def test_the_old_lock_is_worth_nothing_to_a_message_that_was_delivered_again(
        self, under_test: BusUnderTest
    ) -> None:
        under_test.send("1")
        old = under_test.receive_one()
        under_test.outlive_lock()
        again = under_test.receive_one()

        for settle in self.settlements(under_test.bus):
            with pytest.raises(LockLost):
                settle(old)

        under_test.bus.complete(again)

    @staticmethod
    def settlements(bus: MessageBus) -> list[Callable[[ReceivedMessage], object]]:
        def dead_letter(received: ReceivedMessage) -> None:
            bus.dead_letter(received, "REASON", "why")

        return [bus.complete, bus.abandon, bus.renew_lock, dead_letter]

    # --- dead letters ---

    def test_a_dead_lettered_message_keeps_its_reason_and_leaves_the_queue(self, under_test: BusUnderTest) -> None:
        under_test.send("1")

        under_test.bus.dead_letter(under_test.receive_one(), "MESSAGE_INVALID", "not ours")

        under_test.outlive_lock()
        assert under_test.receive() == []
        (dead,) = under_test.bus.dead_letters(QUEUE, 10)
        assert (dead.queue, dead.message_id, dead.message_type, dead.body) == (QUEUE, "1", "task", b'{"a": 1}')
        assert (dead.reason, dead.description) == ("MESSAGE_INVALID", "not ours")

    def test_a_message_that_is_abandoned_too_often_is_dead_lettered(self, under_test: BusUnderTest) -> None:
        under_test.send("1")

        counts = []
        while received := under_test.receive(1):
            counts.append(received[0].delivery_count)
            under_test.bus.abandon(received[0])

        assert counts == list(range(1, under_test.max_delivery_count + 1))
        (dead,) = under_test.bus.dead_letters(QUEUE, 10)
        assert (dead.message_id, dead.reason) == ("1", "MaxDeliveryCountExceeded")

    def test_a_message_whose_lock_ends_too_often_is_dead_lettered(self, under_test: BusUnderTest) -> None:
        under_test.send("1")

        for _ in range(under_test.max_delivery_count):
            assert under_test.ids() == ["1"]
            under_test.outlive_lock()

        (dead,) = under_test.bus.dead_letters(QUEUE, 10)
        assert dead.reason == "MaxDeliveryCountExceeded"
        assert under_test.receive() == []

    def test_dead_letters_are_listed_oldest_first_and_stay(self, under_test: BusUnderTest) -> None:
        under_test.send("1", "2", "3")
        for received in under_test.receive():
            under_test.bus.dead_letter(received, "REASON", "why")

        assert [dead.message_id for dead in under_test.bus.dead_letters(QUEUE, 2)] == ["1", "2"]
        assert [dead.message_id for dead in under_test.bus.dead_letters(QUEUE, 10)] == ["1", "2", "3"]
        assert list(under_test.bus.dead_letters(OTHER_QUEUE, 10)) == []

    # --- duplicate detection ---

    def test_an_id_seen_within_the_window_is_accepted_and_dropped(self, under_test: BusUnderTest) -> None:
        under_test.send("1")
        under_test.bus.complete(under_test.receive_one())

        under_test.send("1", "2", "2")

        assert under_test.ids() == ["2"]

    def test_an_id_is_new_again_after_the_window(self, under_test: BusUnderTest) -> None:
        under_test.send("1")
        under_test.bus.complete(under_test.receive_one())

        under_test.advance(under_test.duplicate_window + 0.1)
        under_test.send("1")

        assert under_test.ids() == ["1"]

    def test_queues_do_not_share_the_ids_that_they_have_seen(self, under_test: BusUnderTest) -> None:
        under_test.send("1")
        under_test.send("1", queue=OTHER_QUEUE)

        assert (under_test.ids(), under_test.ids(queue=OTHER_QUEUE)) == (["1"], ["1"])

    def test_a_scheduled_message_counts_as_seen_when_it_is_sent(self, under_test: BusUnderTest) -> None:
        under_test.bus.send([message("1", due=under_test.now() + timedelta(seconds=1))])
        under_test.send("1")

        assert under_test.ids() == []
        under_test.advance(1.1)
        assert under_test.ids() == ["1"]
