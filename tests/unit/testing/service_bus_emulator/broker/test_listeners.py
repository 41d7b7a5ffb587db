from __future__ import annotations

from collections.abc import Callable

import pytest

from testing.service_bus_emulator.broker.errors import MessageLockLost
from testing.service_bus_emulator.broker.message import ReceiveMode
from tests.unit.testing.service_bus_emulator.broker.bench import LOCK_SECONDS, Bench, message, names


class Receiver:
    """Takes one message a time until it has ``credit`` of them."""

    def __init__(self, bench: Bench, name: str, credit: int = 100, session: str | None = None) -> None:
        self.bench = bench
        self.name = name
        self.credit = credit
        self.session = session
        self.got: list[str] = []
        self.asked = 0
        self.leave: Callable[[], None] = bench.queue.on_available(self)

    def __call__(self) -> bool:
        self.asked += 1
        if not self.credit:
            return False
        found = self.bench.receive(1, owner=self.name, session=self.session, mode=ReceiveMode.RECEIVE_AND_DELETE)
        self.credit -= len(found)
        self.got += names(found)
        return bool(found)


def test_a_batch_is_shared_among_receivers_however_much_each_would_take() -> None:
    bench = Bench()
    receivers = [Receiver(bench, name) for name in "abc"]

    bench.send(*(str(number) for number in range(9)))

    assert [receiver.got for receiver in receivers] == [["0", "3", "6"], ["1", "4", "7"], ["2", "5", "8"]]


def test_single_messages_go_round_too() -> None:
    bench = Bench()
    receivers = [Receiver(bench, name) for name in "abc"]

    for number in range(6):
        bench.send(str(number))

    assert sorted(len(receiver.got) for receiver in receivers) == [2, 2, 2]


def test_one_without_credit_leaves_it_to_the_others() -> None:
    bench = Bench()
    full, free = Receiver(bench, "full", credit=1), Receiver(bench, "free")

    bench.send("1", "2", "3", "4")

    assert (len(full.got), len(free.got)) == (1, 3)


def test_one_that_never_takes_anything_gives_its_turn_to_no_particular_other() -> None:
    bench = Bench()
    idle, one, other = Receiver(bench, "idle", credit=0), Receiver(bench, "one"), Receiver(bench, "other")

    for number in range(8):
        bench.send(str(number))

    assert (idle.got, len(one.got), len(other.got)) == ([], 4, 4)


def test_one_that_takes_its_last_is_asked_last_all_the_same() -> None:
    """A receiver that asks for one message at a time does not keep the others from theirs."""
    bench = Bench()
    got: list[str] = []

    def takes_one(name: str) -> Callable[[], bool]:
        def listener() -> bool:
            got.extend(name for _ in bench.receive(1, owner=name, mode=ReceiveMode.RECEIVE_AND_DELETE))
            return False

        return listener

    for name in "ab":
        bench.queue.on_available(takes_one(name))
    for number in range(4):
        bench.send(str(number))

    assert got == ["a", "b", "a", "b"]


def test_nobody_is_asked_when_nothing_became_available() -> None:
    bench = Bench()
    bench.send("1", "2")
    receiver = Receiver(bench, "a", credit=0)

    bench.queue.complete(bench.one().lock_token, bench.now)
    bench.queue.advance(bench.now)

    assert receiver.asked == 0


def test_no_more_are_asked_once_all_is_taken() -> None:
    bench = Bench()
    receivers = [Receiver(bench, str(number)) for number in range(50)]

    bench.send("1")

    assert sum(receiver.asked for receiver in receivers) == 1


def test_whatever_makes_a_message_available_is_told() -> None:
    bench = Bench()
    bench.send("abandoned", "released", "expired", message("due", due=bench.later(LOCK_SECONDS)))
    first, second, _ = bench.receive()
    receiver = Receiver(bench, "a")

    bench.queue.abandon(first.lock_token, bench.now)
    bench.queue.release(second.lock_token, bench.now)
    bench.clock.advance(LOCK_SECONDS)
    bench.queue.advance(bench.now)

    assert receiver.got == ["abandoned", "released", "expired", "due"]


def test_a_refused_call_tells_what_came_due_before_it() -> None:
    bench = Bench()
    bench.send("1")
    token = bench.one().lock_token
    receiver = Receiver(bench, "a")
    bench.clock.advance(LOCK_SECONDS)

    with pytest.raises(MessageLockLost):
        bench.queue.complete(token, bench.now)

    assert receiver.got == ["1"]


def test_dead_letters_are_told_where_they_go() -> None:
    bench = Bench()
    bench.send("1")
    receiver = Receiver(Bench(queue=bench.queue.dead_letter_queue), "a")

    bench.queue.dead_letter(bench.one().lock_token, bench.now)

    assert receiver.got == ["1"]


def test_the_holder_of_a_session_is_told_and_so_are_those_who_wait_for_one() -> None:
    bench = Bench(requires_session=True)
    bench.queue.accept_session("a", "holder", bench.now)
    holder = Receiver(bench, "holder", session="a")
    accepted = []

    def waiter() -> bool:
        lock = bench.queue.accept_session(None, "waiter", bench.now)
        accepted.append(lock and lock.session_id)
        return lock is not None

    bench.queue.on_available(waiter)
    bench.send(message("1", session="a"))
    bench.send(message("2", session="b"))

    assert holder.got == ["1"]
    assert [one for one in accepted if one] == ["b"]


def test_one_that_left_is_not_asked_even_in_the_round_under_way() -> None:
    bench = Bench()
    leaver = Receiver(bench, "leaver")

    def sends_away() -> bool:
        leaver.leave()
        leaver.leave()
        return False

    bench.queue.on_available(sends_away)
    bench.send("1")
    bench.send("2")

    assert leaver.asked == 1
