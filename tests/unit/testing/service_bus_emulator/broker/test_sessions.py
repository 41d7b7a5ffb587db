from __future__ import annotations

from datetime import datetime

import pytest

from testing.service_bus_emulator.broker.errors import (
    EntityQuotaExceeded,
    MessageNotFound,
    MessageSizeExceeded,
    OperationNotAllowed,
    SessionCannotBeLocked,
    SessionLockLost,
)
from testing.service_bus_emulator.broker.message import ReceiveMode, SessionLock
from tests.unit.testing.service_bus_emulator.broker.bench import LOCK_SECONDS, Bench, message, names


@pytest.fixture
def bench() -> Bench:
    return Bench(requires_session=True, max_delivery_count=2, max_size_bytes=100)


def accept(bench: Bench, session_id: str | None, owner: str = "me") -> SessionLock | None:
    return bench.queue.accept_session(session_id, owner, bench.now)


def end_of_lock(bench: Bench) -> datetime:
    return bench.later(LOCK_SECONDS)


class TestAccepting:
    def test_one_receiver_holds_a_session(self, bench: Bench) -> None:
        bench.send(message("1", session="a"))

        assert accept(bench, "a") == SessionLock("a", end_of_lock(bench))
        for other in ("me", "you"):
            with pytest.raises(SessionCannotBeLocked):
                accept(bench, "a", other)

    def test_a_session_without_messages_can_be_held(self, bench: Bench) -> None:
        assert accept(bench, "new") is not None
        assert bench.receive(session="new") == []

    def test_the_next_session_is_the_one_whose_first_message_is_oldest(self, bench: Bench) -> None:
        bench.send(message("1", session="b"), message("2", session="a"), message("3", session="b"))

        found = [accept(bench, None, owner) for owner in ("x", "y", "z")]

        assert [lock and lock.session_id for lock in found] == ["b", "a", None]

    def test_a_session_without_anything_ready_is_not_next(self, bench: Bench) -> None:
        bench.send(message("1", session="a", life=5), message("2", session="b"))
        accept(bench, "b")
        bench.clock.advance(5)

        assert accept(bench, None, "you") is None

    def test_a_queue_without_sessions_has_none_and_one_with_them_gives_nothing_without(self, bench: Bench) -> None:
        plain = Bench()

        with pytest.raises(OperationNotAllowed):
            accept(plain, None)
        with pytest.raises(OperationNotAllowed):
            plain.receive(session="a")
        with pytest.raises(OperationNotAllowed):
            bench.receive()
        with pytest.raises(OperationNotAllowed):
            bench.send("without")


class TestReceiving:
    def test_each_session_is_in_order_and_apart(self, bench: Bench) -> None:
        bench.send(message("1", session="a"), message("2", session="b"), message("3", session="a"))
        accept(bench, "a")
        accept(bench, "b", "you")

        assert names(bench.receive(session="a")) == ["1", "3"]
        assert names(bench.receive(session="b", owner="you")) == ["2"]

    def test_only_the_holder_receives(self, bench: Bench) -> None:
        accept(bench, "a")

        with pytest.raises(SessionLockLost):
            bench.receive(session="a", owner="you")
        with pytest.raises(SessionLockLost):
            bench.receive(session="b")

    def test_an_abandoned_message_keeps_its_place(self, bench: Bench) -> None:
        bench.send(message("1", session="a"), message("2", session="a"))
        accept(bench, "a")

        bench.queue.abandon(bench.one(session="a").lock_token, bench.now)

        assert names(bench.receive(session="a")) == ["1", "2"]

    def test_deferred_messages_are_the_holders(self, bench: Bench) -> None:
        bench.send(message("1", session="a"), message("2", session="b"))
        accept(bench, "a")
        accept(bench, "b")
        bench.queue.defer(bench.one(session="a").lock_token, bench.now)

        with pytest.raises(MessageNotFound):
            self.deferred(bench, "b", "me")
        with pytest.raises(SessionLockLost):
            self.deferred(bench, "a", "you")
        self.deferred(bench, "a", "me")

    @staticmethod
    def deferred(bench: Bench, session_id: str, owner: str) -> None:
        bench.queue.receive_deferred([1], bench.now, mode=ReceiveMode.PEEK_LOCK, owner=owner, session_id=session_id)

    def test_peek_shows_one_session(self, bench: Bench) -> None:
        bench.send(message("1", session="a"), message("2", session="b"), message("3", session="a"))

        assert [one.sequence_number for one in bench.queue.peek(0, 9, bench.now, session_id="a")] == [1, 3]
        assert [one.sequence_number for one in bench.queue.peek(0, 9, bench.now)] == [1, 2, 3]

    def test_its_dead_letters_need_no_session(self, bench: Bench) -> None:
        bench.send(message("1", session="a"))
        accept(bench, "a")
        bench.queue.dead_letter(bench.one(session="a").lock_token, bench.now)

        grave = Bench(queue=bench.queue.dead_letter_queue)

        assert names(grave.receive()) == ["1"]


class TestLocks:
    def test_when_the_sessions_lock_ends_its_deliveries_count_and_settle_nothing(self, bench: Bench) -> None:
        bench.send(message("1", session="a"))
        accept(bench, "a")
        delivery = bench.one(session="a")
        assert delivery.locked_until == end_of_lock(bench) == bench.queue.next_event(bench.now)

        bench.clock.advance(LOCK_SECONDS)

        with pytest.raises(SessionLockLost):
            bench.queue.complete(delivery.lock_token, bench.now)
        accept(bench, None, "you")
        assert bench.one(session="a", owner="you").stored.delivery_count == 1
        bench.clock.advance(LOCK_SECONDS)
        bench.queue.advance(bench.now)
        assert bench.dead() == [("1", "MaxDeliveryCountExceeded")]

    def test_renewing_keeps_session_and_messages(self, bench: Bench) -> None:
        bench.send(message("1", session="a"))
        accept(bench, "a")
        token = bench.one(session="a").lock_token
        bench.clock.advance(LOCK_SECONDS * 0.6)

        assert bench.queue.renew_session("a", "me", bench.now) == end_of_lock(bench)
        bench.clock.advance(LOCK_SECONDS * 0.6)

        bench.queue.complete(token, bench.now)
        with pytest.raises(SessionLockLost):
            bench.queue.renew_session("a", "you", bench.now)

    def test_a_single_message_is_not_renewed(self, bench: Bench) -> None:
        bench.send(message("1", session="a"))
        accept(bench, "a")

        with pytest.raises(OperationNotAllowed):
            bench.queue.renew([bench.one(session="a").lock_token], bench.now)

    def test_what_was_settled_does_not_come_back_with_the_session(self, bench: Bench) -> None:
        bench.send(message("1", session="a"), message("2", session="a"))
        accept(bench, "a")
        bench.queue.complete(bench.receive(session="a")[0].lock_token, bench.now)

        bench.queue.release_all("me", bench.now)

        accept(bench, "a", "you")
        (again,) = bench.receive(session="a", owner="you")
        assert (names([again]), again.stored.delivery_count) == (["2"], 0)


class TestState:
    def test_it_outlives_holders_and_messages_until_it_is_cleared(self, bench: Bench) -> None:
        accept(bench, "a")
        assert bench.queue.session_state("a", "me", bench.now) is None
        bench.queue.set_session_state("a", b"half", "me", bench.now)
        bench.queue.release_all("me", bench.now)
        accept(bench, "a", "you")

        assert bench.queue.session_state("a", "you", bench.now) == b"half"
        assert bench.queue.properties(bench.now).size_bytes == 4
        bench.queue.set_session_state("a", None, "you", bench.now)

        assert bench.queue.session_state("a", "you", bench.now) is None
        assert bench.queue.properties(bench.now).size_bytes == 0

    def test_it_is_the_holders(self, bench: Bench) -> None:
        accept(bench, "a")

        with pytest.raises(SessionLockLost):
            bench.queue.session_state("a", "you", bench.now)
        with pytest.raises(SessionLockLost):
            bench.queue.set_session_state("a", b"x", "you", bench.now)

    def test_it_counts_against_the_quota_and_is_no_larger_than_a_message(self, bench: Bench) -> None:
        accept(bench, "a")

        with pytest.raises(EntityQuotaExceeded):
            bench.queue.set_session_state("a", b"x" * 101, "me", bench.now)
        bench.queue.set_session_state("a", b"x" * 100, "me", bench.now)
        bench.queue.set_session_state("a", b"y" * 100, "me", bench.now)
        with pytest.raises(MessageSizeExceeded):
            bench.queue.set_session_state("a", b"x" * (256 * 1024 + 1), "me", bench.now)

    def test_sessions_are_listed_by_messages_or_by_when_their_state_was_set(self, bench: Bench) -> None:
        bench.send(message("1", session="b"), message("2", session="a"))
        accept(bench, "empty")
        bench.clock.advance(1)
        accept(bench, "c")
        bench.queue.set_session_state("c", b"x", "me", bench.now)

        assert bench.queue.list_sessions(bench.now) == ["a", "b", "c"]
        assert bench.queue.list_sessions(bench.now, skip=1, top=1) == ["b"]
        assert bench.queue.list_sessions(bench.now, updated_since=bench.now) == ["c"]
        assert bench.queue.list_sessions(bench.now, updated_since=bench.later(1)) == []
