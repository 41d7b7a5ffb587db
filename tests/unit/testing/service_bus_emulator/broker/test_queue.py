from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from testing.service_bus_emulator.broker.errors import (
    ArgumentInvalid,
    ArgumentOutOfRange,
    EntityDisabled,
    EntityNotFound,
    EntityQuotaExceeded,
    MessageLockLost,
    MessageNotFound,
    MessageSizeExceeded,
    OperationNotAllowed,
)
from testing.service_bus_emulator.broker.message import DeadLetterInfo, Message, MessageState, ReceiveMode
from testing.service_bus_emulator.broker.queue import create_queue
from testing.service_bus_emulator.broker.rules import EntityStatus, QueueRules, Tier
from tests.unit.testing.service_bus_emulator.broker.bench import LOCK_SECONDS, Bench, message, names


class TestSending:
    def test_messages_come_in_the_order_of_their_sequence_numbers(self) -> None:
        bench = Bench()

        assert bench.send("1", "2") + bench.send("3") == [1, 2, 3]
        assert names(bench.receive()) == ["1", "2", "3"]

    def test_all_are_taken_or_none(self) -> None:
        bench = Bench()

        with pytest.raises(MessageSizeExceeded):
            bench.send(message("1"), message("2", size=256 * 1024 + 1))

        assert bench.receive() == []

    @pytest.mark.parametrize(
        ("tier", "max_message", "single", "batch"),
        [
            (Tier.STANDARD, None, 256 * 1024, 256 * 1024),
            (Tier.PREMIUM, None, 1024 * 1024, 1024 * 1024),
            (Tier.PREMIUM, 100 * 1024 * 1024, 100 * 1024 * 1024, 1024 * 1024),
        ],
    )
    def test_each_tier_has_its_largest_message_and_batch(
        self, tier: Tier, max_message: int | None, single: int, batch: int
    ) -> None:
        bench = Bench(tier=tier, max_message_bytes=max_message)

        bench.send(message("fits", size=single))
        bench.queue.send([message("one", size=9)], bench.now, batch_bytes=batch)
        with pytest.raises(MessageSizeExceeded):
            bench.send(message("single", size=single + 1))
        with pytest.raises(MessageSizeExceeded):
            bench.queue.send([message("batch", size=9)], bench.now, batch_bytes=batch + 1)
        with pytest.raises(MessageSizeExceeded):
            bench.send(message("a", size=batch), message("b", size=1))

    def test_a_standard_queue_cannot_be_set_to_take_more(self) -> None:
        with pytest.raises(ValueError, match="262144"):
            QueueRules(max_message_bytes=256 * 1024 + 1)
        with pytest.raises(ValueError, match="Premium"):
            QueueRules(tier=Tier.PREMIUM, max_message_bytes=100 * 1024 * 1024 + 1)

    @pytest.mark.parametrize(
        "bad",
        [
            Message(b"", 1, message_id="x" * 129),
            Message(b"", 1, session_id="x" * 129),
            Message(b"", 1, partition_key="x" * 129),
            Message(b"", 1, time_to_live=timedelta(seconds=-1)),
        ],
    )
    def test_what_is_out_of_range_is_refused(self, bad: Message) -> None:
        with pytest.raises(ArgumentOutOfRange):
            Bench().send(bad)

    def test_a_full_queue_refuses_until_something_is_completed_dead_letters_counted(self) -> None:
        bench = Bench(max_size_bytes=30)
        bench.send("1", "2", "3")
        first, second, _ = bench.receive()
        bench.queue.dead_letter(first.lock_token, bench.now)

        with pytest.raises(EntityQuotaExceeded):
            bench.send("4")
        bench.queue.complete(second.lock_token, bench.now)

        assert bench.send("4") == [4]

    def test_a_dead_letter_queue_takes_no_sends(self) -> None:
        bench = Bench()

        with pytest.raises(OperationNotAllowed):
            bench.queue.dead_letter_queue.send([message("1")], bench.now)

    @pytest.mark.parametrize(
        ("status", "sends", "receives"),
        [
            (EntityStatus.ACTIVE, True, True),
            (EntityStatus.DISABLED, False, False),
            (EntityStatus.SEND_DISABLED, False, True),
            (EntityStatus.RECEIVE_DISABLED, True, False),
        ],
    )
    def test_a_disabled_queue_refuses(self, status: EntityStatus, sends: bool, receives: bool) -> None:
        bench = Bench()
        bench.queue.status = status

        for allowed, act in ((sends, lambda: bench.send("1")), (receives, bench.receive)):
            if allowed:
                act()
            else:
                with pytest.raises(EntityDisabled):
                    act()


class TestPeekLock:
    def test_a_message_is_given_once(self) -> None:
        bench = Bench()
        bench.send("1", "2")

        assert names(bench.receive(1, owner="a")) == ["1"]
        assert names(bench.receive(owner="b")) == ["2"]
        assert bench.receive(owner="a") == []

    def test_received_and_deleted_is_gone_and_settles_nothing(self) -> None:
        bench = Bench()
        bench.send("1")

        delivery = bench.one(mode=ReceiveMode.RECEIVE_AND_DELETE)

        assert delivery.locked_until is None
        assert bench.queue.properties(bench.now).active == 0
        with pytest.raises(MessageLockLost):
            bench.queue.complete(delivery.lock_token, bench.now)

    def test_completed_does_not_come_back(self) -> None:
        bench = Bench()
        bench.send("1")
        bench.queue.complete(bench.one().lock_token, bench.now)

        bench.clock.advance(LOCK_SECONDS + 1)

        assert bench.receive() == []

    def test_abandoned_comes_back_in_its_place_and_counts(self) -> None:
        bench = Bench()
        bench.send("1", "2")

        bench.queue.abandon(bench.one().lock_token, bench.now, properties_to_modify={"why": b"busy"})

        again = bench.one()
        assert (names([again]), again.stored.delivery_count) == (["1"], 1)
        assert again.stored.properties_to_modify == {"why": b"busy"}

    def test_properties_of_several_abandons_are_merged(self) -> None:
        bench = Bench()
        bench.send("1")

        bench.queue.abandon(bench.one().lock_token, bench.now, properties_to_modify={"a": 1, "b": 1})
        bench.queue.abandon(bench.one().lock_token, bench.now, properties_to_modify={"b": 2})

        assert bench.one().stored.properties_to_modify == {"a": 1, "b": 2}

    def test_a_lock_that_ends_counts_at_that_very_moment(self) -> None:
        bench = Bench()
        bench.send("1")
        delivery = bench.one()
        assert delivery.locked_until == bench.later(LOCK_SECONDS)

        bench.clock.advance(LOCK_SECONDS - 0.001)
        assert bench.receive() == []
        bench.clock.advance(0.001)

        assert bench.one().stored.delivery_count == 1
        with pytest.raises(MessageLockLost):
            bench.queue.complete(delivery.lock_token, bench.now)

    def test_released_comes_back_and_does_not_count(self) -> None:
        bench = Bench()
        bench.send("1", "2")

        bench.queue.release(bench.one().lock_token, bench.now)

        again = bench.one()
        assert (names([again]), again.stored.delivery_count) == (["1"], 0)

    @pytest.mark.parametrize("counted", [False, True])
    def test_what_a_lost_owner_held_comes_back_and_counts_where_the_caller_says(self, counted: bool) -> None:
        bench = Bench()
        bench.send("1", "2", "3")
        bench.receive(2, owner="lost")
        bench.receive(1, owner="other")

        bench.queue.release_all("lost", bench.now, counted=counted)

        found = bench.receive()
        assert names(found) == ["1", "2"]
        assert [one.stored.delivery_count for one in found] == [int(counted)] * 2

    def test_a_lost_lock_counts(self) -> None:
        bench = Bench()
        bench.send("1")
        delivery = bench.one()

        bench.queue.lose_lock(delivery.lock_token, bench.now)

        assert bench.one().stored.delivery_count == 1

    def test_renewed_lasts_from_now_on(self) -> None:
        bench = Bench()
        bench.send("1")
        delivery = bench.one()
        bench.clock.advance(LOCK_SECONDS * 0.6)

        assert bench.queue.renew([delivery.lock_token], bench.now) == [bench.later(LOCK_SECONDS)]

        bench.clock.advance(LOCK_SECONDS * 0.6)
        assert bench.receive() == []
        bench.queue.complete(delivery.lock_token, bench.now)

    def test_renewing_a_lost_lock_renews_none_of_them(self) -> None:
        bench = Bench()
        bench.send("1")
        delivery = bench.one()
        bench.clock.advance(LOCK_SECONDS * 0.6)

        with pytest.raises(MessageLockLost):
            bench.queue.renew([delivery.lock_token, uuid4()], bench.now)

        assert bench.queue.next_event(bench.now) == delivery.locked_until

    def test_nothing_is_settled_twice(self) -> None:
        bench = Bench()
        bench.send("1")
        token = bench.one().lock_token
        bench.queue.complete(token, bench.now)

        queue = bench.queue
        for settle in (queue.complete, queue.abandon, queue.defer, queue.dead_letter, queue.release, queue.lose_lock):
            with pytest.raises(MessageLockLost):
                settle(token, bench.now)

    def test_tokens_come_from_the_factory(self) -> None:
        bench = Bench(queue=create_queue("q", new_token=lambda: UUID(int=7)))
        bench.send("1")

        assert bench.one().lock_token == UUID(int=7)

    def test_a_clock_that_steps_back_stands_still(self) -> None:
        bench = Bench()
        bench.send("1")
        bench.clock.advance(5)
        token = bench.one().lock_token

        bench.queue.advance(bench.later(-3))

        assert bench.queue.renew([token], bench.later(-3)) == [bench.later(LOCK_SECONDS)]


class TestDeadLetters:
    def test_too_many_deliveries_are_the_end(self) -> None:
        bench = Bench(max_delivery_count=3)
        bench.send("1")

        counts = []
        while found := bench.receive():
            counts.append(found[0].stored.delivery_count)
            bench.queue.abandon(found[0].lock_token, bench.now)

        assert counts == [0, 1, 2]
        assert bench.dead() == [("1", "MaxDeliveryCountExceeded")]

    def test_a_released_delivery_is_none_of_them(self) -> None:
        bench = Bench(max_delivery_count=1)
        bench.send("1")

        bench.queue.release(bench.one().lock_token, bench.now)
        bench.queue.release_all("me", bench.now)

        assert bench.dead() == []

    def test_a_dead_letter_keeps_its_number_reason_and_properties(self) -> None:
        bench = Bench()
        bench.send("1", "2")
        _, second = bench.receive()

        bench.queue.dead_letter(
            second.lock_token, bench.now, reason="BAD", description="not ours", properties_to_modify={"a": 1}
        )

        (dead,) = bench.queue.dead_letter_queue.peek(0, 10, bench.now)
        assert (dead.sequence_number, dead.dead_letter) == (2, DeadLetterInfo("BAD", "not ours", "q"))
        assert dead.properties_to_modify == {"a": 1}
        assert bench.queue.properties(bench.now).dead_letters == 1

    def test_dead_letters_are_browsed_in_order_of_their_numbers(self) -> None:
        bench = Bench()
        bench.send("1", "2", "3")
        for delivery in reversed(bench.receive()):
            bench.queue.dead_letter(delivery.lock_token, bench.now)

        assert [name for name, _ in bench.dead()] == ["1", "2", "3"]

    def test_a_dead_letter_is_received_and_completed_and_never_dies_again(self) -> None:
        bench = Bench(max_delivery_count=1, life=1)
        bench.send("1")
        bench.queue.dead_letter(bench.one().lock_token, bench.now)
        grave = Bench(queue=bench.queue.dead_letter_queue)
        grave.clock.advance(100)

        for _ in range(3):
            grave.queue.abandon(grave.one().lock_token, grave.now)
        delivery = grave.one()
        with pytest.raises(OperationNotAllowed):
            grave.queue.dead_letter(delivery.lock_token, grave.now)
        grave.queue.complete(delivery.lock_token, grave.now)

        assert grave.receive() == []
        assert bench.queue.properties(bench.now).size_bytes == 0

    def test_a_dead_letter_queue_has_none_of_its_own(self) -> None:
        grave = Bench().queue.dead_letter_queue

        assert (grave.path, grave.is_dead_letter_queue) == ("q/$deadletterqueue", True)
        with pytest.raises(EntityNotFound):
            grave.dead_letter_queue  # noqa: B018


class TestTimeToLive:
    def test_an_expired_message_is_gone(self) -> None:
        bench = Bench()
        bench.send(message("1", life=5))

        bench.clock.advance(4.999)
        assert bench.queue.properties(bench.now).active == 1
        bench.clock.advance(0.001)

        assert (bench.receive(), bench.dead()) == ([], [])

    def test_an_expired_message_is_dead_lettered_where_the_queue_says_so(self) -> None:
        bench = Bench(dead_letter_on_expiration=True)
        bench.send(message("1", life=5))

        bench.clock.advance(5)
        bench.queue.advance(bench.now)

        assert bench.dead() == [("1", "TTLExpiredException")]

    @pytest.mark.parametrize(("life", "expected"), [(None, 20), (5, 5), (60, 20)])
    def test_the_queue_has_a_default_that_is_also_the_most(self, life: float | None, expected: float) -> None:
        bench = Bench(life=20)
        bench.send(message("1", life=life))

        assert bench.one().stored.expires_at == bench.later(expected)

    def test_the_longest_time_to_live_there_is_is_for_ever(self) -> None:
        bench = Bench()
        bench.send(Message(b"", 1, time_to_live=timedelta.max))

        assert bench.one().stored.expires_at is None

    def test_a_locked_message_expires_only_when_it_comes_back(self) -> None:
        bench = Bench(dead_letter_on_expiration=True)
        bench.send(message("1", life=5), message("2", life=5))
        first, second = bench.receive()

        bench.clock.advance(6)
        bench.queue.complete(first.lock_token, bench.now)
        bench.queue.abandon(second.lock_token, bench.now)

        assert bench.receive() == []
        assert bench.dead() == [("2", "TTLExpiredException")]


class TestSchedules:
    def test_a_scheduled_message_becomes_active_with_a_new_number_when_it_is_due(self) -> None:
        bench = Bench()
        (number,) = bench.queue.schedule([message("later", due=bench.later(5))], bench.now)
        bench.send("now")
        assert (number, names(bench.receive())) == (1, ["now"])

        bench.clock.advance(4.999)
        assert bench.receive() == []
        bench.clock.advance(0.001)

        stored = bench.one().stored
        assert (stored.sequence_number, stored.enqueued_at, stored.state) == (3, bench.now, MessageState.ACTIVE)

    def test_they_come_in_the_order_in_which_they_are_due_before_what_is_sent_then(self) -> None:
        bench = Bench()
        bench.send(message("second", due=bench.later(2)), message("first", due=bench.later(1)))

        bench.clock.advance(3)
        bench.send("third")

        assert names(bench.receive()) == ["first", "second", "third"]

    def test_what_was_due_in_the_past_is_there_at_once(self) -> None:
        bench = Bench()

        assert bench.queue.schedule([message("1", due=bench.later(-1))], bench.now) == [1]
        assert names(bench.receive()) == ["1"]

    def test_its_life_begins_when_it_is_due(self) -> None:
        bench = Bench()
        bench.send(message("1", due=bench.later(10), life=5))

        bench.clock.advance(14)
        assert bench.one().stored.expires_at == bench.later(1)

    def test_a_cancelled_message_does_not_come(self) -> None:
        bench = Bench()
        first, second = bench.send(message("1", due=bench.later(1)), message("2", due=bench.later(1)))

        with pytest.raises(MessageNotFound):
            bench.queue.cancel_scheduled([first, 99], bench.now)
        bench.queue.cancel_scheduled([second], bench.now)
        bench.clock.advance(1)

        assert names(bench.receive()) == ["1"]
        with pytest.raises(MessageNotFound):
            bench.queue.cancel_scheduled([first], bench.now)

    def test_scheduling_needs_a_time(self) -> None:
        bench = Bench()

        with pytest.raises(ArgumentInvalid):
            bench.queue.schedule([message("1")], bench.now)


class TestDeferral:
    def test_deferred_comes_only_when_it_is_asked_for(self) -> None:
        bench = Bench()
        bench.send("1", "2")
        bench.queue.defer(bench.one().lock_token, bench.now)

        assert names(bench.receive()) == ["2"]
        (delivery,) = bench.deferred(1)
        assert (delivery.stored.state, delivery.stored.delivery_count) == (MessageState.DEFERRED, 0)
        bench.queue.complete(delivery.lock_token, bench.now)
        assert bench.queue.properties(bench.now).deferred == 0

    def test_abandoned_it_stays_deferred_and_counts(self) -> None:
        bench = Bench(max_delivery_count=2)
        bench.send("1")
        bench.queue.defer(bench.one().lock_token, bench.now)

        bench.queue.abandon(bench.deferred(1)[0].lock_token, bench.now)
        assert bench.receive() == []
        bench.deferred(1)
        bench.clock.advance(LOCK_SECONDS)

        assert bench.receive() == []
        assert bench.dead() == [("1", "MaxDeliveryCountExceeded")]

    def test_it_does_not_expire(self) -> None:
        bench = Bench()
        bench.send(message("1", life=5))
        bench.queue.defer(bench.one().lock_token, bench.now)

        bench.clock.advance(100)

        assert names(bench.deferred(1, mode=ReceiveMode.RECEIVE_AND_DELETE)) == ["1"]

    def test_all_are_given_or_none(self) -> None:
        bench = Bench()
        bench.send("1", "2")
        bench.queue.defer(bench.one().lock_token, bench.now)

        for numbers in ((1, 2), (1, 99)):
            with pytest.raises(MessageNotFound):
                bench.deferred(*numbers)
        bench.deferred(1)
        with pytest.raises(MessageNotFound):
            bench.deferred(1)

    def test_a_number_that_is_asked_for_twice_is_given_once(self) -> None:
        bench = Bench()
        bench.send("1")
        bench.queue.defer(bench.one().lock_token, bench.now)

        assert len(bench.deferred(1, 1)) == 1


class TestPeek:
    def test_it_shows_every_state_and_locks_nothing(self) -> None:
        bench = Bench()
        bench.send("1", "2", message("3", due=bench.later(5)), "4")
        bench.queue.defer(bench.one().lock_token, bench.now)
        bench.one()

        shown = bench.queue.peek(0, 3, bench.now)

        assert [(one.sequence_number, one.state.name) for one in shown] == [
            (1, "DEFERRED"),
            (2, "ACTIVE"),
            (3, "SCHEDULED"),
        ]
        assert names(bench.receive()) == ["4"]

    def test_it_begins_at_the_number_and_skips_what_is_gone(self) -> None:
        bench = Bench()
        bench.send(*(str(number) for number in range(200)))
        for _ in range(150):
            bench.one(mode=ReceiveMode.RECEIVE_AND_DELETE)

        assert [one.sequence_number for one in bench.queue.peek(3, 2, bench.now)] == [151, 152]
        assert [one.sequence_number for one in bench.queue.peek(199, 9, bench.now)] == [199, 200]
        assert bench.queue.peek(201, 9, bench.now) == []
        assert bench.queue.peek(0, 0, bench.now) == []


class TestDuplicates:
    def test_an_id_is_dropped_within_the_window_which_does_not_begin_anew(self) -> None:
        bench = Bench(window=10)
        bench.send("1")
        bench.queue.complete(bench.one().lock_token, bench.now)
        bench.clock.advance(9)

        assert bench.send("1", "2", "2") == [1, 2, 2]
        assert names(bench.receive()) == ["2"]
        bench.clock.advance(1)

        assert bench.send("1") == [3]

    def test_a_scheduled_and_even_a_cancelled_message_was_seen(self) -> None:
        bench = Bench(window=10)
        (number,) = bench.send(message("1", due=bench.later(1)))
        bench.queue.cancel_scheduled([number], bench.now)

        assert bench.send("1") == [number]
        assert bench.receive() == []

    def test_messages_without_an_id_are_all_taken(self) -> None:
        bench = Bench(window=10)

        assert bench.send(Message(b"", 1), Message(b"", 1)) == [1, 2]

    def test_without_detection_ids_do_not_matter(self) -> None:
        assert Bench().send("1", "1") == [1, 2]
