"""The management node: operations by request and response, and what is refused."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from testing.service_bus_emulator.amqp.encode import encode
from testing.service_bus_emulator.amqp.performatives import Attach, Disposition, Transfer
from testing.service_bus_emulator.amqp.types import Array, Described, Int, Long, Symbol, Timestamp, UInt
from testing.service_bus_emulator.broker.faults import FaultPlan, FaultRule, LoseLock, Operation, Throttle
from testing.service_bus_emulator.broker.rules import QueueRules
from testing.service_bus_emulator.messages import read_message
from testing.service_bus_emulator.property_values import timestamp
from testing.service_bus_emulator.requests import Request, read_request, write_answer
from tests.unit.testing.service_bus_emulator.amqp.values import RELAXED, VALUES
from tests.unit.testing.service_bus_emulator.peers import QUEUE, Peer, World, body
from tests.unit.testing.service_bus_emulator.test_links import SESSIONS, session_message

NODE = f"{QUEUE}/$management"
OPERATIONS = [
    "renew-lock",
    "peek-message",
    "receive-by-sequence-number",
    "update-disposition",
    "schedule-message",
    "cancel-scheduled-message",
    "renew-session-lock",
    "get-session-state",
    "set-session-state",
    "get-message-sessions",
]
_IDS = iter(range(10**9))


def managed(world: World | None = None, credit: int = 1000) -> Peer:
    peer = (world or World()).peer().begun()
    return peer.receiver(NODE, handle=20, credit=credit).sender(NODE, handle=21)


def ask(peer: Peer, operation: Any, given: Any) -> tuple[int, Any, Any]:
    """Status, condition and body of the answer."""
    send(peer, operation, given)
    found = answers(peer)[-1]
    return found.properties["statusCode"], found.properties.get("errorCondition"), found.body


def send(peer: Peer, operation: Any, given: Any, **properties: Any) -> Peer:
    name = f"com.microsoft:{operation}" if isinstance(operation, str) else operation
    return peer.transfer(next(_IDS), write_answer(None, {"operation": name, **properties}, given), handle=21)


def answers(peer: Peer) -> list[Request]:
    whole: dict[int | None, bytes] = {}
    for transfer, payload in peer.deliveries():
        if transfer.handle == 20:
            whole[transfer.delivery_id] = whole.get(transfer.delivery_id, b"") + payload
    return [read_request(payload) for payload in whole.values()]


def filled(count: int, world: World | None = None) -> World:
    world = world or World()
    sender = world.peer().begun().sender()
    for number in range(count):
        sender.transfer(number, body(b"%d" % number))
    return world


def token_of(peer: Peer, index: int = 0) -> UUID:
    found = [transfer for transfer, _ in peer.deliveries() if transfer.handle == 1][index]
    assert found.delivery_tag is not None
    return UUID(bytes_le=found.delivery_tag)


def now(peer: Peer) -> Any:
    return peer.world.clock.now()


def test_the_answer_names_the_request() -> None:
    peer = managed(filled(1))
    request = b"\x00\x53\x73" + encode([UUID(int=9)]) + b"\x00\x53\x74" + encode({"operation": "x"})
    peer.transfer(0, request, handle=21)

    payload = peer.deliveries()[-1][1]
    assert encode(UUID(int=9)) in payload
    assert peer.last(Disposition).state == Described(0x24, [])


def test_messages_are_peeked_from_a_number_on() -> None:
    peer = managed(filled(5))

    status, _, found = ask(peer, "peek-message", {"from-sequence-number": Long(2), "message-count": Int(2)})

    assert status == 200
    assert [read_message(one["message"]).payload for one in found["messages"]] == [body(b"1"), body(b"2")]
    assert ask(peer, "peek-message", {"from-sequence-number": Long(9), "message-count": Int(2)}) == (204, None, None)


def test_an_answer_of_many_large_messages_is_bounded() -> None:
    world = World()
    sender = world.peer().begun().sender()
    whole = body(b"x" * 200_000)
    for number in range(10):
        for start in range(0, len(whole), 60_000):
            more = start + 60_000 < len(whole)
            sender.say(Transfer(0, number, b"t", 0, more=more), payload=whole[start : start + 60_000])
    peer = managed(world)

    _, _, found = ask(peer, "peek-message", {"from-sequence-number": Long(1), "message-count": Int(100)})

    assert [read_message(one["message"]).payload for one in found["messages"]] == [whole] * 5


def test_a_lock_is_renewed_and_settled_by_its_token() -> None:
    peer = managed(filled(2)).receiver(credit=2)
    first, second = token_of(peer, 0), token_of(peer, 1)

    peer.world.advance(30)
    status, _, found = ask(peer, "renew-lock", {"lock-tokens": Array((first,))})
    assert status == 200
    assert found["expirations"].items[0] > timestamp(now(peer))
    settle = {"disposition-status": "completed", "lock-tokens": Array((first,))}
    assert ask(peer, "update-disposition", settle)[0] == 200
    assert ask(peer, "update-disposition", settle)[:2] == (410, "com.microsoft:message-lock-lost")
    bury = {"disposition-status": "suspended", "lock-tokens": Array((second,)), "deadletter-reason": "R"}
    assert ask(peer, "update-disposition", bury)[0] == 200
    properties = peer.world.queue.properties(now(peer))
    assert (properties.active, properties.dead_letters) == (0, 1)


def test_messages_are_scheduled_and_cancelled() -> None:
    peer = managed()
    due = timestamp(now(peer)) + 60_000
    data = b"\x00\x53\x72" + encode({Symbol("x-opt-scheduled-enqueue-time"): Timestamp(due)}) + body(b"later")

    status, _, found = ask(peer, "schedule-message", {"messages": [{"message-id": "1", "message": data}]})

    assert status == 200
    assert peer.world.queue.properties(now(peer)).scheduled == 1
    assert ask(peer, "cancel-scheduled-message", {"sequence-numbers": found["sequence-numbers"]})[0] == 200
    assert ask(peer, "cancel-scheduled-message", {"sequence-numbers": found["sequence-numbers"]})[:2] == (
        404,
        "com.microsoft:message-not-found",
    )


def test_sessions_are_the_receivers_own() -> None:
    world = World(SESSIONS)
    world.peer().begun().sender().transfer(0, session_message("s1"))
    peer, stranger = managed(world).session_receiver("s1"), managed(world)
    state = {"session-id": "s1", "session-state": b"state"}

    assert ask(stranger, "set-session-state", state)[:2] == (410, "com.microsoft:session-lock-lost")
    assert ask(peer, "set-session-state", state)[0] == 200
    assert ask(peer, "get-session-state", {"session-id": "s1"})[2] == {"session-state": b"state"}
    assert ask(peer, "renew-session-lock", {"session-id": "s1"})[2]["expiration"] > timestamp(now(peer))
    every = {"last-updated-time": Timestamp(253_402_300_800_000), "skip": Int(0), "top": Int(10)}
    assert ask(stranger, "get-message-sessions", every)[2] == {"skip": 1, "sessions-ids": Array(("s1",))}
    assert ask(stranger, "get-message-sessions", {**every, "skip": Int(1)})[0] == 204


@pytest.mark.parametrize(
    ("operation", "given", "status", "condition"),
    [
        ("fly", {}, 501, "amqp:not-implemented"),
        (None, {}, 501, "amqp:not-implemented"),
        (UInt(1), {}, 501, "amqp:not-implemented"),
        ("peek-message", None, 400, "com.microsoft:argument-error"),
        ("peek-message", {}, 400, "com.microsoft:argument-error"),
        ("peek-message", {"from-sequence-number": True, "message-count": Int(1)}, 400, "com.microsoft:argument-error"),
        ("renew-lock", {"lock-tokens": Array(("a",))}, 400, "com.microsoft:argument-error"),
        ("renew-lock", {"lock-tokens": Array((uuid4(),))}, 410, "com.microsoft:message-lock-lost"),
        ("update-disposition", {"disposition-status": "eaten"}, 400, "com.microsoft:argument-error"),
        ("schedule-message", {"messages": [{"message": b"junk"}]}, 400, "com.microsoft:argument-error"),
        ("schedule-message", {"messages": [{"message": body(b"now")}]}, 400, "com.microsoft:argument-error"),
        ("schedule-message", {"messages": ["junk"]}, 400, "com.microsoft:argument-error"),
        ("renew-session-lock", {"session-id": "s"}, 410, "com.microsoft:session-lock-lost"),
    ],
)
def test_what_makes_no_sense_is_answered_with_a_status_and_a_condition(
    operation: Any, given: Any, status: int, condition: str
) -> None:
    assert ask(managed(), operation, given)[:2] == (status, condition)


@settings(RELAXED, max_examples=150)
@given(st.sampled_from(OPERATIONS), st.data())
def test_any_body_is_answered(operation: str, data: st.DataObject) -> None:
    names = [
        "lock-tokens",
        "sequence-numbers",
        "session-id",
        "messages",
        "disposition-status",
        "from-sequence-number",
        "message-count",
        "receiver-settle-mode",
        "last-updated-time",
        "skip",
        "top",
        "properties-to-modify",
    ]
    given_body = data.draw(st.dictionaries(st.sampled_from(names), VALUES, max_size=5))

    status, condition, _ = ask(managed(), operation, given_body)

    assert status in {200, 204} or condition is not None
    assert status < 500


def test_a_request_without_a_link_for_its_answer_is_rejected() -> None:
    peer = World().peer().begun().sender(NODE, handle=21)
    send(peer, "peek-message", {})

    assert peer.last(Disposition).state.descriptor == 0x25


def test_answers_wait_for_credit_and_not_for_ever() -> None:
    peer = managed(credit=0)
    for _ in range(100):
        send(peer, "peek-message", {})
    assert answers(peer) == []
    assert peer.error() is None
    peer.flow(20, 3)
    assert len(answers(peer)) == 3

    for _ in range(4):
        send(peer, "peek-message", {})

    assert peer.error() == "amqp:resource-limit-exceeded"
    assert not peer.is_gone


def test_the_answer_goes_to_the_address_that_was_asked_for() -> None:
    peer = World().peer().begun().sender(NODE, handle=21)
    source = Described(0x28, [NODE])
    for handle, address in ((20, "first"), (22, "second")):
        peer.say(Attach(address, handle, role=True, source=source, target=Described(0x29, [address]))).flow(handle, 5)
    request = b"\x00\x53\x73" + encode([None, None, None, None, "first"]) + b"\x00\x53\x74" + encode({"operation": "x"})
    peer.transfer(0, request, handle=21)

    assert [transfer.handle for transfer, _ in peer.deliveries()] == [20]


def test_faults_reach_the_management_node() -> None:
    world = filled(1)
    peer = managed(world).receiver(credit=1)
    rules = [FaultRule(Throttle(), Operation.MANAGE, times=1), FaultRule(LoseLock(), Operation.RENEW, times=1)]
    world.server.faults = FaultPlan(rules)
    given_body = {"lock-tokens": Array((token_of(peer),))}

    assert ask(peer, "renew-lock", given_body)[:2] == (503, "com.microsoft:server-busy")
    assert ask(peer, "renew-lock", given_body)[:2] == (410, "com.microsoft:message-lock-lost")


def test_a_session_queue_takes_no_message_of_none() -> None:
    peer = managed(World({QUEUE: QueueRules(requires_session=True)}))
    due = timestamp(now(peer)) + 60_000
    data = b"\x00\x53\x72" + encode({Symbol("x-opt-scheduled-enqueue-time"): Timestamp(due)}) + body(b"later")

    assert ask(peer, "schedule-message", {"messages": [{"message": data}]})[:2] == (400, "amqp:not-allowed")
