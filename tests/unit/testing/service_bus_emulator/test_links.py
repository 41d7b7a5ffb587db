"""Links to a queue: credit, windows, messages of many frames, and the handshake by which a delivery is settled."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from testing.service_bus_emulator.amqp.encode import encode
from testing.service_bus_emulator.amqp.errors import error_value
from testing.service_bus_emulator.amqp.performatives import Attach, Begin, Detach, Disposition, Flow, Transfer
from testing.service_bus_emulator.amqp.types import Described, Symbol, UInt
from testing.service_bus_emulator.broker.faults import (
    Delay,
    DropConnection,
    FaultPlan,
    FaultRule,
    LoseLock,
    Operation,
    Throttle,
)
from testing.service_bus_emulator.broker.rules import QueueRules
from testing.service_bus_emulator.link import CREDIT
from testing.service_bus_emulator.messages import BATCH_FORMAT, read_message
from tests.unit.testing.service_bus_emulator.peers import QUEUE, Peer, World, body

ACCEPTED = Described(0x24, [])
RELEASED = Described(0x26, [])
ABANDONED = Described(0x27, [True, False])
DEFERRED = Described(0x27, [True, True])
REJECTED = Described(0x25, [])
REASONS: dict[Any, Any] = {"DeadLetterReason": "R", "DeadLetterErrorDescription": "D"}
DEAD_LETTERED = Described(0x25, [error_value("com.microsoft:dead-letter", "D", REASONS)])


def with_messages(count: int, world: World | None = None) -> World:
    world = world or World()
    sender = world.peer().begun().sender()
    for number in range(count):
        sender.transfer(number, body(b"%d" % number))
    return world


def bodies(peer: Peer) -> list[bytes]:
    return [read_message(payload).payload for _, payload in peer.deliveries()]


def condition(outcome: Described) -> str:
    """Of a rejected; all three fields of its error are there."""
    assert outcome.descriptor == 0x25
    (error,) = outcome.value
    name, text, info = error.value
    assert text
    assert info == {}
    return str(name)


def counts(world: World) -> tuple[int, int, int]:
    """Messages that are active, deferred, dead."""
    found = world.queue.properties(world.clock.now())
    return found.active, found.deferred, found.dead_letters


# Messages in


def test_a_sender_is_told_the_size_limit_and_given_credit() -> None:
    peer = World().peer().begun().sender()

    assert peer.last(Attach).max_message_size == 256 * 1024
    assert (peer.last(Flow).handle, peer.last(Flow).link_credit) == (0, CREDIT)


def test_each_message_is_settled_with_its_outcome() -> None:
    peer = World().peer().begun().sender().transfer(0, body(b"good")).transfer(1, b"bad").transfer(2, body(b"good"))

    outcomes = [(one.first, one.settled, one.state.descriptor) for one in peer.all(Disposition)]
    assert outcomes == [(0, True, 0x24), (1, True, 0x25), (2, True, 0x24)]
    assert condition(peer.all(Disposition)[1].state) == "amqp:decode-error"
    assert counts(peer.world) == (2, 0, 0)


def test_credit_is_given_again_before_it_ends() -> None:
    peer = World().peer().begun().sender()
    for number in range(CREDIT // 2):
        peer.transfer(number, body(b"x"), settled=True)

    assert (peer.last(Flow).delivery_count, peer.last(Flow).link_credit) == (CREDIT // 2, CREDIT)
    assert peer.all(Disposition) == []


def test_messages_of_many_frames_may_be_interleaved_with_those_of_another_link() -> None:
    peer = World().peer().begun().sender(handle=0).sender(handle=5)
    one, other = body(b"a" * 1000), body(b"b" * 1000)
    for start in range(0, 900, 300):
        peer.say(Transfer(0, 0, b"0", 0, more=True), payload=one[start : start + 300])
        peer.say(Transfer(5, 1, b"1", 0, more=True), payload=other[start : start + 300])
    peer.say(Transfer(5), payload=other[900:]).say(Transfer(0), payload=one[900:])

    assert [entry.first for entry in peer.all(Disposition)] == [1, 0]
    assert bodies(peer.world.peer().begun().receiver()) == [other, one]


def test_an_aborted_message_is_forgotten() -> None:
    peer = World().peer().begun().sender()
    peer.say(Transfer(0, 0, b"0", 0, more=True), payload=b"half").say(Transfer(0, 0, aborted=True))
    peer.transfer(1, body(b"whole"))

    assert [entry.first for entry in peer.all(Disposition)] == [1]
    assert bodies(peer.world.peer().begun().receiver()) == [body(b"whole")]


def test_a_message_that_is_too_large_is_rejected_and_its_bytes_are_not_kept() -> None:
    world = World()
    peer = world.peer().begun().sender()
    for number in range(100):
        peer.say(Transfer(0, 0, b"0", 0, more=True), payload=b"x" * 60_000)
        assert peer.connection._held == (60_000 * (number + 1) if number < 4 else 0)
    peer.say(Transfer(0, 0), payload=b"x")
    peer.transfer(1, body(b"small"))

    rejected, accepted = peer.all(Disposition)
    assert condition(rejected.state) == "amqp:link:message-size-exceeded"
    assert accepted.state == ACCEPTED
    assert peer.connection._held == 0


def test_who_does_not_wait_for_the_outcome_of_a_too_large_message_loses_the_link() -> None:
    peer = World().peer().begun().sender()
    for more in (True, True, True, True, True, False):
        peer.say(Transfer(0, 0, b"0", 0, settled=True, more=more), payload=b"x" * 60_000)

    assert peer.error() == "amqp:link:message-size-exceeded"
    assert not peer.is_gone


def test_beginnings_of_messages_on_many_links_are_bounded() -> None:
    peer = World().peer().begun().sender(handle=100)
    peer.say(Transfer(100, 100, b"0", 0, more=True), payload=b"x")
    for handle in range(30):
        peer.sender(handle=handle)
        for _ in range(4):
            peer.say(Transfer(handle, handle, b"0", 0, more=True), payload=b"x" * 60_000)

    assert peer.error() == "amqp:resource-limit-exceeded"
    assert peer.is_gone
    assert peer.connection._held == 0


def test_a_batch_is_taken_as_a_whole_or_not_at_all() -> None:
    peer = World().peer().begun().sender()
    good, bad = body(body(b"1")) + body(body(b"2")), body(body(b"3")) + body(b"\x00\x53\x99\x40")
    for number, batch in enumerate((good, bad, b"")):
        peer.say(Transfer(0, number, b"%d" % number, BATCH_FORMAT), payload=batch)

    assert [entry.state.descriptor for entry in peer.all(Disposition)] == [0x24, 0x25, 0x25]
    assert bodies(peer.world.peer().begun().receiver()) == [body(b"1"), body(b"2")]


@pytest.mark.parametrize(
    ("transfer", "expected"),
    [
        (Transfer(0), "amqp:not-allowed"),
        (Transfer(1, 0), "amqp:not-allowed"),
        (Transfer(9, 0), "amqp:session:unattached-handle"),
    ],
)
def test_transfers_that_make_no_sense_end_what_they_concern(transfer: Transfer, expected: str) -> None:
    peer = World().peer().begun().sender().receiver().say(transfer)

    assert peer.error() == expected
    assert not peer.is_gone


def test_another_delivery_within_one_ends_the_link() -> None:
    peer = World().peer().begun().sender().say(Transfer(0, 0, b"0", 0, more=True), Transfer(0, 1, b"1", 0))

    assert peer.error() == "amqp:not-allowed"


def test_a_window_that_is_not_kept_ends_the_session() -> None:
    peer = World().peer().begun().sender()
    granted = peer.last(Begin).incoming_window
    peer.connection._sessions[0]._incoming_window = 0
    peer.transfer(0, body(b"x"))

    assert granted == 5000
    assert peer.error() == "amqp:session:window-violation"


def test_the_window_is_opened_again_when_half_of_it_is_used() -> None:
    peer = World().peer().begun().sender()
    for number in range(2501):
        peer.transfer(number, body(b"x"), settled=True)

    flows = [flow for flow in peer.all(Flow) if flow.handle is None]
    assert [(flow.next_incoming_id, flow.incoming_window) for flow in flows] == [(2500, 5000)]


# Messages out


def test_no_more_messages_come_than_there_is_credit() -> None:
    world = with_messages(5)
    peer = world.peer().begun().receiver(credit=2)
    assert bodies(peer) == [body(b"0"), body(b"1")]

    peer.flow(1, 2, count=2)

    assert bodies(peer) == [body(b"%d" % number) for number in range(4)]
    assert [transfer.delivery_id for transfer, _ in peer.deliveries()] == [0, 1, 2, 3]


def test_a_message_goes_out_when_it_comes_in() -> None:
    world = World()
    peer = world.peer().begun().receiver()
    with_messages(1, world)

    assert bodies(peer) == [body(b"0")]


def test_draining_uses_up_the_credit() -> None:
    peer = with_messages(1).peer().begun().receiver(credit=0).flow(1, 10, drain=True)

    assert len(peer.deliveries()) == 1
    flow = peer.last(Flow)
    assert (flow.delivery_count, flow.link_credit, flow.drain) == (10, 0, True)


def test_a_message_is_cut_to_the_peers_frames_and_waits_for_its_window() -> None:
    world = World()
    content = bytes(range(256)) * 8
    world.peer().begun().sender().transfer(0, body(content))
    peer = world.peer().begun(window=2, max_frame_size=512).receiver(credit=0).flow(1, 5, window=2)
    assert len(peer.deliveries()) == 2

    for seen in (2, 4, 6):
        peer.say(Flow(seen, 2, 0, 1000))

    frames = peer.deliveries()
    assert [transfer.more for transfer, _ in frames] == [True] * (len(frames) - 1) + [False]
    assert len({transfer.delivery_tag for transfer, _ in frames}) == 1
    assert read_message(b"".join(payload for _, payload in frames)).payload == body(content)


def test_nothing_is_taken_while_the_window_is_closed() -> None:
    world = with_messages(5)
    peer = world.peer().begun(window=0).receiver(credit=0).flow(1, 5, window=0)
    other = world.peer().begun().receiver(credit=5)

    assert peer.deliveries() == []
    assert len(other.deliveries()) == 5


def test_messages_come_when_the_window_opens() -> None:
    world = with_messages(5)
    peer = world.peer().begun(window=0).receiver(credit=0).flow(1, 3, window=0)
    peer.receiver(handle=2, credit=0).flow(2, 5, window=0)

    peer.say(Flow(0, 4, 0, 1000))

    assert [transfer.handle for transfer, _ in peer.deliveries()] == [1, 1, 1, 2]
    peer.say(Flow(4, 4, 0, 1000, 1, 3, 0))
    assert peer.deliveries()[4][0].handle == 2


def test_received_and_deleted_is_settled_when_it_comes() -> None:
    world = with_messages(1)
    peer = world.peer().begun().receiver(snd_settle_mode=1)

    assert [transfer.settled for transfer, _ in peer.deliveries()] == [True]
    assert counts(world) == (0, 0, 0)


def test_receivers_take_turns() -> None:
    world = World()
    peers = [world.peer().begun().receiver(credit=100) for _ in range(4)]
    with_messages(40, world)

    assert [len(peer.deliveries()) for peer in peers] == [10] * 4


# Settling


@pytest.mark.parametrize(
    ("outcome", "echo", "left"),
    [
        (ACCEPTED, ACCEPTED, (0, 0, 0)),
        (RELEASED, RELEASED, (1, 0, 0)),
        (ABANDONED, ABANDONED, (1, 0, 0)),
        (DEFERRED, DEFERRED, (0, 1, 0)),
        (DEAD_LETTERED, REJECTED, (0, 0, 1)),
        (Described(Symbol("amqp:accepted:list"), []), Described(Symbol("amqp:accepted:list"), []), (0, 0, 0)),
    ],
)
def test_the_receiver_hears_back_the_outcome_that_it_asked_for(
    outcome: Any, echo: Any, left: tuple[int, int, int]
) -> None:
    world = with_messages(1)
    peer = world.peer().begun().receiver(credit=1).settle(0, outcome)

    heard = peer.last(Disposition)
    assert (heard.role, heard.first, heard.settled, heard.state) == (False, 0, True, echo)
    active, deferred, dead = counts(world)
    assert (active, deferred, dead) == left


def test_a_released_message_comes_again_as_though_it_never_had() -> None:
    peer = with_messages(1).peer().begun().receiver(credit=1).settle(0, RELEASED, settled=True).flow(1, 1, count=1)

    seen = peer.world.queue.peek(1, 1, peer.world.clock.now())
    assert [one.delivery_count for one in seen] == [0]
    assert len(peer.deliveries()) == 2
    assert peer.all(Disposition) == []


def test_a_late_outcome_is_refused_with_all_that_an_error_has() -> None:
    world = with_messages(1, World({QUEUE: QueueRules(lock_duration=timedelta(seconds=30))}))
    peer = world.peer().begun().receiver(credit=1)
    world.advance(31)
    peer.settle(0, ACCEPTED)

    assert condition(peer.last(Disposition).state) == "com.microsoft:message-lock-lost"
    assert counts(world) == (1, 0, 0)


def test_an_outcome_for_what_was_never_delivered_is_refused() -> None:
    peer = World().peer().begun().receiver().settle(7, ACCEPTED)

    assert condition(peer.last(Disposition).state) == "com.microsoft:message-lock-lost"


def test_a_range_of_deliveries_is_settled_however_wide_it_claims_to_be() -> None:
    world = with_messages(20)
    peer = world.peer().begun().receiver(credit=20).settle(0, ACCEPTED, last=4).settle(5, ACCEPTED, last=0xFFFF_FFFF)

    assert [entry.first for entry in peer.all(Disposition)] == list(range(20))
    assert counts(world) == (0, 0, 0)


def test_properties_come_along_with_an_abandoned_message() -> None:
    world = with_messages(1)
    changed = Described(0x27, [True, False, {Symbol("tries"): UInt(3)}])
    peer = world.peer().begun().receiver(credit=1).settle(0, changed).flow(1, 1, count=1)

    (_, again) = peer.deliveries()[1]
    assert b"tries" in again
    assert read_message(again).payload.endswith(body(b"0"))


def test_properties_that_no_queue_keeps_are_refused() -> None:
    peer = (
        with_messages(1).peer().begun().receiver(credit=1).settle(0, Described(0x27, [True, False, {Symbol("a"): []}]))
    )

    assert condition(peer.last(Disposition).state) == "amqp:decode-error"


def test_a_lost_connection_gives_back_what_it_held_and_the_delivery_counts() -> None:
    world = with_messages(2)
    peer = world.peer().begun().receiver()
    world.run(lambda: peer.connection.connection_lost(None))

    seen = world.queue.peek(1, 5, world.clock.now())
    assert [one.delivery_count for one in seen] == [1, 1]
    assert len(world.peer().begun().receiver().deliveries()) == 2


def test_locks_outlive_their_link() -> None:
    world = with_messages(1)
    peer = world.peer().begun().receiver().say(Detach(1, closed=True))

    assert peer.last(Detach) == Detach(1, closed=True)
    assert world.peer().begun().receiver().deliveries() == []


# Attaching


@pytest.mark.parametrize(
    ("attach", "expected"),
    [
        (Attach("a", 0, role=True, source=Described(0x28, ["nowhere"]), target=Described(0x29, [])), "amqp:not-found"),
        (Attach("a", 0, role=False, source=Described(0x28, []), target=None), "amqp:not-allowed"),
        (Attach("a", 0, role=True, source=Described(0x28, [None]), target=None), "amqp:not-implemented"),
        (Attach("a", 0, role=False, target=Described(0x30, [])), "amqp:not-implemented"),
        (Attach("a", 0, role=True, source=Described(0x28, ["sessions"])), "amqp:not-allowed"),
        (Attach("a", 0, role=True, source=Described(0x28, ["nowhere/$management"])), "amqp:not-found"),
    ],
)
def test_a_link_to_what_is_not_there_is_attached_to_nothing_and_detached_with_the_reason(
    attach: Attach, expected: str
) -> None:
    world = World({QUEUE: QueueRules(), "sessions": QueueRules(requires_session=True)})
    peer = world.peer().begun().say(attach)

    answer = peer.last(Attach)
    assert (answer.name, answer.source, answer.target) == ("a", None, None)
    assert peer.error() == expected
    peer.say(Detach(0, closed=True)).sender()
    assert not peer.is_gone
    assert peer.last(Flow).link_credit == CREDIT


def test_a_handle_names_one_link_and_has_an_end() -> None:
    assert World().peer().begun().sender().sender().error() == "amqp:session:handle-in-use"
    assert World().peer().begun().sender(handle=256).error() == "amqp:not-allowed"


def test_what_is_on_its_way_to_a_link_that_we_ended_is_passed_over() -> None:
    peer = World().peer().begun().sender(address="nowhere").transfer(0, body(b"x")).flow(0, 1)

    assert peer.error() == "amqp:not-found"
    assert not peer.is_gone


def test_entities_are_found_by_any_address_and_case() -> None:
    for address in ("Tasks", "/tasks/", "amqps://host:5671/TASKS", "sb://host/tasks/$DeadLetterQueue"):
        assert World().peer().begun().receiver(address=address).error() is None


# Sessions of a queue

SESSIONS = {QUEUE: QueueRules(requires_session=True, lock_duration=timedelta(seconds=30))}


def session_message(session_id: str) -> bytes:
    properties: list[Any] = [None] * 10 + [session_id]
    return b"\x00\x53\x73" + encode(properties) + body(session_id.encode())


def test_a_receiver_waits_for_a_session_and_may_give_credit_before_it_has_one() -> None:
    world = World(SESSIONS)
    peer = world.peer().begun().session_receiver(None).flow(1, 5)
    assert peer.all(Attach) == []

    world.peer().begun().sender().transfer(0, session_message("s1"))

    source = peer.last(Attach).source
    assert source.value[7] == {"com.microsoft:session-filter": "s1"}
    assert peer.last(Attach).properties is not None
    assert len(peer.deliveries()) == 1


def test_a_receiver_that_waited_in_vain_is_told_so() -> None:
    world = World(SESSIONS)
    peer = world.peer().begun().session_receiver(None, properties={Symbol("com.microsoft:timeout"): UInt(5000)})
    world.advance(4.9)
    assert peer.error() is None

    world.advance(0.2)

    assert peer.error() == "com.microsoft:timeout"
    world.peer().begun().sender().transfer(0, session_message("s1"))
    assert len(peer.all(Attach)) == 1


def test_a_session_belongs_to_one_until_it_detaches() -> None:
    world = World(SESSIONS)
    holder = world.peer().begun().session_receiver("s1")
    assert world.peer().begun().session_receiver("s1").error() == "com.microsoft:session-cannot-be-locked"

    holder.say(Detach(1, closed=True))

    assert world.peer().begun().session_receiver("s1").error() is None


@pytest.mark.parametrize(
    ("ended", "deliveries"),
    [
        (lambda peer: peer.say(Detach(1, closed=True)), 0),
        (lambda peer: peer.world.run(lambda: peer.connection.connection_lost(None)), 1),
        (lambda peer: peer.world.advance(31), 1),
    ],
    ids=["closed", "connection lost", "lock ended"],
)
def test_what_was_given_in_a_session_counts_unless_the_session_was_closed(
    ended: Callable[[Peer], object], deliveries: int
) -> None:
    world = World(SESSIONS)
    world.peer().begun().sender().transfer(0, session_message("s1"))
    peer = world.peer().begun().session_receiver("s1").flow(1, 5)
    assert len(peer.deliveries()) == 1

    ended(peer)

    (seen,) = world.queue.peek(1, 5, world.clock.now())
    assert seen.delivery_count == deliveries
    assert world.peer().begun().session_receiver("s1").error() is None


def test_a_receiver_whose_session_lock_ended_is_detached() -> None:
    world = World(SESSIONS)
    peer = world.peer().begun().session_receiver("s1").flow(1, 5)
    world.advance(31)
    world.peer().begun().sender().transfer(0, session_message("s1"))

    assert peer.error() == "com.microsoft:session-lock-lost"
    assert peer.deliveries() == []


# Faults on demand


def faulty(*rules: FaultRule) -> World:
    world = with_messages(1)
    world.server.faults = FaultPlan(rules)
    return world


def test_a_throttled_send_is_refused_as_busy() -> None:
    peer = faulty(FaultRule(Throttle(), Operation.SEND, times=1)).peer().begun().sender()
    peer.transfer(0, body(b"x")).transfer(1, body(b"x"))

    refused, taken = peer.all(Disposition)
    assert condition(refused.state) == "com.microsoft:server-busy"
    assert taken.state == ACCEPTED


def test_a_dropped_connection_ends_without_a_word_and_what_it_asked_for_did_not_happen() -> None:
    world = faulty(FaultRule(DropConnection(), Operation.SETTLE))
    peer = world.peer().begun().receiver().settle(0, ACCEPTED)

    assert peer.transport.is_aborted
    assert peer.all(Disposition) == []
    assert counts(world) == (1, 0, 0)


def test_a_connection_that_is_dropped_when_it_should_receive_does_not_hurt_the_sender() -> None:
    world = faulty(FaultRule(DropConnection(), Operation.RECEIVE, after=2))
    receiver = world.peer().begun().receiver(credit=5)
    sender = world.peer().begun().sender().transfer(0, body(b"x"))

    assert receiver.transport.is_aborted
    assert sender.last(Disposition).state == ACCEPTED
    assert counts(world) == (2, 0, 0)


def test_a_lost_lock_is_lost_when_it_is_needed() -> None:
    world = faulty(FaultRule(LoseLock(), Operation.SETTLE, times=1))
    peer = world.peer().begun().receiver(credit=1).settle(0, ACCEPTED)

    assert condition(peer.last(Disposition).state) == "com.microsoft:message-lock-lost"
    assert counts(world) == (1, 0, 0)


def test_a_delayed_answer_comes_later() -> None:
    world = faulty(FaultRule(Delay(3.0), Operation.SEND, times=1))
    peer = world.peer().begun().sender().transfer(0, body(b"x"))
    world.advance(2.9)
    assert peer.all(Disposition) == []

    world.advance(0.2)

    assert peer.last(Disposition).state == ACCEPTED
    assert peer.transfer(1, body(b"y")).last(Disposition).first == 1


# Bounds


def test_links_of_a_connection_are_bounded() -> None:
    peer = World().peer().opened()
    source, target = Described(0x28, [QUEUE]), Described(0x29, [QUEUE])
    for channel in range(4):
        attaches = [Attach(f"{n}", n, role=False, source=source, target=target) for n in range(251)]
        peer.say(Begin(None, 0, 10, 10), *attaches, channel=channel)

    assert peer.error() == "amqp:resource-limit-exceeded"
    assert peer.is_gone


def test_what_waits_for_the_window_goes_with_its_link() -> None:
    world = World()
    world.peer().begun().sender().transfer(0, body(b"x" * 2000))
    peer = world.peer().begun(window=1, max_frame_size=512).receiver(credit=0).flow(1, 5, window=1)
    peer.say(Detach(1, closed=True)).say(Flow(1, 100, 0, 1000))

    assert len(peer.deliveries()) == 1
    assert peer.error() is None
