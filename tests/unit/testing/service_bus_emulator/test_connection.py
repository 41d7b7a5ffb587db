"""A connection: how it begins, what ends it, and that nobody can hold it up."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from testing.service_bus_emulator.amqp.encode import encode
from testing.service_bus_emulator.amqp.frames import AMQP_HEADER, EMPTY_FRAME, SASL_HEADER, SASL_TYPE, write_frame
from testing.service_bus_emulator.amqp.performatives import (
    Attach,
    Begin,
    Close,
    Disposition,
    End,
    Flow,
    Open,
    SaslInit,
    SaslMechanisms,
    SaslOutcome,
    Transfer,
    write,
)
from testing.service_bus_emulator.amqp.types import Described, Symbol, ULong
from testing.service_bus_emulator.server import Limits
from tests.unit.testing.service_bus_emulator.amqp.values import RELAXED
from tests.unit.testing.service_bus_emulator.peers import PLAIN, QUEUE, Peer, World, body


def test_headers_and_sasl_and_open_are_answered_in_turn() -> None:
    peer = World().peer().raw(SASL_HEADER)
    assert peer.transport.written.startswith(SASL_HEADER)
    peer.raw(write_frame(0, write(SaslInit("ANONYMOUS", b"")), SASL_TYPE))
    peer.raw(AMQP_HEADER)
    assert peer.transport.written.endswith(write_frame(0, write(SaslOutcome(0)), SASL_TYPE) + AMQP_HEADER)

    peer.say(Open("peer"))

    assert peer.last(Open).max_frame_size == 65536
    assert not peer.is_gone


def test_all_of_it_may_come_at_once_or_byte_by_byte() -> None:
    hello = (
        SASL_HEADER
        + write_frame(0, write(SaslInit("PLAIN", PLAIN)), SASL_TYPE)
        + AMQP_HEADER
        + write_frame(0, write(Open("peer")))
        + write_frame(3, write(Begin(None, 0, 10, 10)))
    )
    at_once, slowly = World().peer().raw(hello), World().peer()
    for byte in hello:
        slowly.raw(bytes((byte,)))

    assert [type(record) for _, record, _ in at_once.heard] == [Open, Begin]
    assert [type(record) for _, record, _ in slowly.heard] == [Open, Begin]


@pytest.mark.parametrize(
    "header", [b"SSH-2.0-", AMQP_HEADER, b"AMQP\x02\x01\x00\x00", b"AMQP\x03\x01\x00\x01", b"\0" * 8]
)
def test_another_protocol_is_told_which_one_is_spoken_and_ended(header: bytes) -> None:
    peer = World().peer().raw(header)

    assert peer.transport.written == SASL_HEADER
    assert peer.is_gone


@pytest.mark.parametrize(
    "init", [SaslInit("PLAIN", b"\0RootManageSharedAccessKey\0wrong"), SaslInit("PLAIN", b"x"), SaslInit("SCRAM")]
)
def test_a_wrong_key_or_mechanism_ends_the_connection_with_its_outcome(init: SaslInit) -> None:
    peer = World().peer().raw(SASL_HEADER).raw(write_frame(0, write(init), SASL_TYPE))

    assert peer.transport.written.endswith(write_frame(0, write(SaslOutcome(1)), SASL_TYPE))
    assert peer.is_gone


@pytest.mark.parametrize(
    "frame",
    [
        write_frame(0, write(SaslOutcome(0)), SASL_TYPE),
        write_frame(0, write(Open("me"))),
        write_frame(0, b"", SASL_TYPE),
        write_frame(0, write(SaslMechanisms(Symbol("PLAIN"))), SASL_TYPE),
        b"\xff" * 8,
    ],
)
def test_what_is_no_sasl_init_ends_the_connection(frame: bytes) -> None:
    assert World().peer().raw(SASL_HEADER).raw(frame).is_gone


@pytest.mark.parametrize(
    ("record", "condition"),
    [
        (Open("again"), "amqp:illegal-state"),
        (End(), "amqp:not-allowed"),
        (Flow(None, 1, 0, 1), "amqp:not-allowed"),
        (Transfer(0, 0), "amqp:not-allowed"),
        (SaslInit("PLAIN"), "amqp:not-allowed"),
    ],
)
def test_what_does_not_belong_there_closes_the_connection_with_the_reason(record: Any, condition: str) -> None:
    peer = World().peer().opened().say(record)

    assert peer.error() == condition
    assert peer.is_gone


@pytest.mark.parametrize(
    ("data", "condition"),
    [
        (struct.pack(">IBBH", 65537, 2, 0, 0), "amqp:connection:framing-error"),
        (struct.pack(">IBBH", 7, 2, 0, 0), "amqp:connection:framing-error"),
        (write_frame(0, b"\x00"), "amqp:decode-error"),
        (write_frame(0, encode("hello")), "amqp:decode-error"),
        (write_frame(0, b"", 7), "amqp:decode-error"),
        (write_frame(0, encode(Described(ULong(0x11), []))), "amqp:invalid-field"),
        (write_frame(0, encode(Described(ULong(0x77), []))), "amqp:not-implemented"),
    ],
)
def test_malformed_and_oversize_frames_close_the_connection_with_the_reason(data: bytes, condition: str) -> None:
    peer = World().peer().opened().raw(data)

    assert peer.error() == condition
    assert peer.is_gone


def test_a_frame_size_below_the_least_is_refused() -> None:
    peer = World().peer().opened(max_frame_size=511)

    assert peer.error() == "amqp:invalid-field"


def test_a_session_begins_once_on_its_channel() -> None:
    peer = World().peer().opened().say(Begin(None, 0, 1, 1), channel=7)
    assert peer.last(Begin).remote_channel == 7

    peer.say(Begin(None, 0, 1, 1), channel=7)

    assert peer.error() == "amqp:not-allowed"


def test_a_session_ends_and_its_channel_is_free_again() -> None:
    peer = World().peer().begun().say(End())

    assert peer.last(End) == End()
    peer.say(Begin(None, 0, 1, 1))
    assert len(peer.all(Begin)) == 2
    assert not peer.is_gone


def test_what_is_wrong_in_a_session_ends_it_and_not_the_connection() -> None:
    peer = World().peer().begun().say(Transfer(9, 0, b"t"))

    assert peer.error() == "amqp:session:unattached-handle"
    peer.say(Flow(0, 1, 0, 1)).say(End()).say(Begin(None, 0, 1, 1))
    assert not peer.is_gone
    assert len(peer.all(Begin)) == 2


def test_close_is_answered_and_the_connection_ends() -> None:
    peer = World().peer().begun().say(Close())

    assert peer.last(Close) == Close()
    assert peer.is_gone
    assert peer.world.server.connection_count == 0


# Peers that hold still


def test_a_peer_that_does_not_open_in_time_is_dropped() -> None:
    world = World(limits=Limits(handshake_seconds=20))
    silent, slow, good = world.peer(), world.peer().raw(SASL_HEADER), world.peer().opened()
    world.advance(19)
    assert (silent.is_gone, slow.is_gone) == (False, False)

    world.advance(2)

    assert (silent.is_gone, slow.is_gone, good.is_gone) == (True, True, False)


def test_a_peer_that_falls_silent_is_closed_after_the_idle_time_out() -> None:
    world = World(limits=Limits(idle_seconds=60))
    silent, alive = world.peer().begun(), world.peer().begun()
    assert silent.last(Open).idle_time_out == 60_000
    for _ in range(3):
        world.advance(25)
        alive.raw(EMPTY_FRAME)

    assert (silent.error(), silent.is_gone) == ("amqp:connection:forced", True)
    assert not alive.is_gone


def test_a_peer_that_asks_for_signs_of_life_gets_them() -> None:
    world = World()
    peer = world.peer().opened(idle_time_out=20_000)
    for _ in range(4):
        world.advance(5.1)

    assert bytes(peer.transport.written).count(write_frame(0, b"")) >= 3


def test_a_peer_that_takes_nothing_is_given_nothing_and_not_listened_to() -> None:
    world = World()
    peer = world.peer().begun().receiver(credit=100)
    world.run(peer.connection.pause_writing)
    world.peer().begun().sender().transfer(0, body(b"x"), settled=True)
    assert (peer.transport.reads, peer.deliveries()) == (False, [])

    world.run(peer.connection.resume_writing)

    assert (peer.transport.reads, len(peer.deliveries())) == (True, 1)


def test_connections_over_the_limit_are_dropped_and_room_is_made_again() -> None:
    world = World(limits=Limits(connections=2))
    first, second, third = world.peer().opened(), world.peer().opened(), world.peer()
    assert (first.is_gone, second.is_gone, third.is_gone) == (False, False, True)

    first.say(Close())

    assert not world.peer().opened().is_gone


def test_a_thousand_connections_are_served_and_leave_nothing_behind() -> None:
    world = World()
    peers = [world.peer().begun() for _ in range(1000)]
    assert world.server.connection_count == 1000
    for peer in peers:
        assert not peer.is_gone
        world.run(lambda peer=peer: peer.connection.connection_lost(None))  # type: ignore[misc]

    assert world.server.connection_count == 0


_SOURCE, _TARGET = Described(0x28, [QUEUE]), Described(0x29, [QUEUE])
_SAID: list[tuple[Any, bytes]] = [
    (Open("peer"), b""),
    (Begin(None, 0, 100, 100), b""),
    (Attach("s", 0, role=False, source=_SOURCE, target=_TARGET, initial_delivery_count=0), b""),
    (Attach("r", 1, role=True, source=_SOURCE, target=_TARGET), b""),
    (Flow(0, 100, 0, 100, 1, 0, 10), b""),
    (Transfer(0, 0, b"tag", 0, more=True), body(b"hello")[:3]),
    (Transfer(0), body(b"hello")[3:]),
    (Transfer(0, 1, b"tag", 0x80013700), b"\x00\x53\x75" + encode(body(b"one"))),
    (Disposition(role=True, first=0, last=1, state=Described(0x24, [])), b""),
    (End(), b""),
    (Close(), b""),
]


def _script() -> list[bytes]:
    """All that a peer says in a session in which everything happens once."""
    return [
        SASL_HEADER,
        write_frame(0, write(SaslInit("PLAIN", PLAIN)), SASL_TYPE),
        AMQP_HEADER,
        *(write_frame(0, write(record) + payload) for record, payload in _SAID),
    ]


def _bounded(peer: Peer) -> bool:
    """It ended, or it waits for more; nothing was raised, and little was written."""
    return len(peer.transport.written) < 10_000


@settings(RELAXED, max_examples=300)
@given(st.data())
def test_any_mutation_of_what_a_peer_says_is_answered_or_ends_the_connection(data: st.DataObject) -> None:
    stream = bytearray(b"".join(_script()))
    for _ in range(data.draw(st.integers(1, 3))):
        stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(st.integers(0, 255))

    assert _bounded(World().peer().raw(bytes(stream)))


@settings(RELAXED, max_examples=150)
@given(st.data())
def test_any_order_of_what_a_peer_says_is_answered_or_ends_the_connection(data: st.DataObject) -> None:
    hello, rest = _script()[:4], _script()[4:]
    chosen = data.draw(st.lists(st.sampled_from(rest), max_size=12))

    assert _bounded(World().peer().raw(b"".join(hello + chosen)))


def test_the_script_itself_is_answered_to_its_end() -> None:
    peer = World().peer().raw(b"".join(_script()))

    kinds = [type(record) for _, record, _ in peer.heard]
    assert (kinds[0], kinds[-1]) == (Open, Close)
    assert peer.error() is None
    assert [d.settled for d in peer.all(Disposition)] == [True] * 4
    assert peer.world.queue.properties(peer.world.clock.now()).active == 0
