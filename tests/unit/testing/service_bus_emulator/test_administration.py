"""The administration API over the port that speaks AMQP: one request a connection, read-only, and bounded."""

from __future__ import annotations

from datetime import timedelta
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testing.service_bus_emulator import atom
from testing.service_bus_emulator.broker.rules import EntityStatus, QueueRules
from testing.service_bus_emulator.cbs import AccessKey, Right, make_token
from testing.service_bus_emulator.http_messages import MAX_BODY, MAX_HEAD, HttpReader, HttpRefused
from testing.service_bus_emulator.server import DEFAULT_KEY, Limits
from tests.unit.testing.service_bus_emulator.amqp.values import RELAXED
from tests.unit.testing.service_bus_emulator.peers import Peer, World, body

CONNECT = f"{{{atom.CONNECT}}}"
ATOM = f"{{{atom.ATOM}}}"


def request(world: World, target: str, method: str = "GET", key: AccessKey = DEFAULT_KEY, more: bytes = b"") -> bytes:
    token = make_token("https://localhost/", world.clock.now() + timedelta(minutes=5), key)
    head = f"{method} {target} HTTP/1.1\r\nHost: localhost:5672\r\nAuthorization: {token}\r\n"
    return head.encode() + more + b"\r\n"


def answer(peer: Peer) -> tuple[int, bytes]:
    """The status and the body; the connection ended with them."""
    assert peer.is_gone
    head, _, content = bytes(peer.transport.written).partition(b"\r\n\r\n")
    assert f"Content-Length: {len(content)}\r\n".encode() in head
    return int(head.split()[1]), content


def asked(world: World, target: str, method: str = "GET") -> tuple[int, bytes]:
    return answer(world.peer().raw(request(world, target, method)))


def found(content: bytes, name: str) -> str | None:
    return ET.fromstring(content).findtext(f".//{CONNECT}{name}")


def titles(content: bytes) -> list[str | None]:
    return [entry.findtext(f"{ATOM}title") for entry in ET.fromstring(content).iter(f"{ATOM}entry")]


def test_a_queue_says_its_rules_and_its_counts() -> None:
    world = World({"Tasks": QueueRules(lock_duration=timedelta(seconds=90), duplicate_window=timedelta(minutes=2))})
    peer = world.peer().begun().sender("tasks")
    for number in range(3):
        peer.transfer(number, body(b"x"))
    world.peer().begun().receiver("tasks", credit=1)

    status, content = asked(world, "/tasks?enrich=False&api-version=2024-05")

    assert (status, titles(content)) == (200, ["Tasks"])
    assert (found(content, "LockDuration"), found(content, "MaxDeliveryCount")) == ("PT1M30S", "10")
    assert found(content, "RequiresDuplicateDetection") == "true"
    assert found(content, "DuplicateDetectionHistoryTimeWindow") == "PT2M"
    assert (found(content, "MessageCount"), found(content, "Status")) == ("3", "Active")
    counts = ET.fromstring(content).find(f".//{CONNECT}CountDetails")
    assert counts is not None
    assert counts.findtext(f"{{{atom.COUNTS}}}ActiveMessageCount") == "3"


def test_a_queue_that_was_switched_off_says_so() -> None:
    world = World()
    world.queue.status = EntityStatus.SEND_DISABLED

    assert found(asked(world, "/tasks")[1], "Status") == "SendDisabled"


@pytest.mark.parametrize("path", ["/nowhere", "/tasks/$deadletterqueue", "/", "/tasks/%F0%9F", "/a%2f..%2ftasks"])
def test_what_is_no_queue_is_an_empty_feed(path: str) -> None:
    status, content = asked(World(), path)

    assert status == 200
    assert ET.fromstring(content).tag == f"{ATOM}feed"
    assert titles(content) == []


def test_queues_come_in_pages_by_name() -> None:
    world = World({name: QueueRules() for name in ("c", "B", "a")})

    _, first = asked(world, "/$Resources/queues?$skip=0&$top=2&api-version=2024-05")
    links = [link.attrib for link in ET.fromstring(first).findall(f"{ATOM}link")]
    _, second = asked(world, links[1]["href"].removeprefix("http://localhost:5672"))

    assert [link["rel"] for link in links] == ["self", "next"]
    assert (titles(first), titles(second)) == (["a", "B"], ["c"])
    assert len(ET.fromstring(second).findall(f"{ATOM}link")) == 1


@pytest.mark.parametrize("query", ["", "?$top=junk", "?$top=-1", "?$skip=99999999999", "?$top=1000000"])
def test_a_page_that_makes_no_sense_is_the_usual_one(query: str) -> None:
    assert titles(asked(World(), "/$Resources/queues" + query)[1]) == ["tasks"]


def test_there_are_no_topics_and_one_namespace() -> None:
    world = World()

    assert titles(asked(world, "/$Resources/topics")[1]) == []
    _, content = asked(world, "/$namespaceinfo?api-version=2024-05")
    assert (found(content, "Name"), found(content, "MessagingSKU")) == ("sbemulatorns", "Standard")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "POST", "PATCH", "OPTIONS", "HEAD"])
def test_nothing_is_changed(method: str) -> None:
    status, content = asked(World(), "/tasks", method)

    assert status == 405
    assert ET.fromstring(content).findtext("Code") == "405"


def test_a_key_must_be_right_and_may_manage() -> None:
    world = World()
    wrong, listener = AccessKey(DEFAULT_KEY.name, "wrong"), AccessKey("listener", "k", frozenset({Right.LISTEN}))
    world.server.keys["listener"] = listener

    for key in (wrong, listener):
        assert answer(world.peer().raw(request(world, "/tasks", key=key)))[0] == 401
    assert answer(world.peer().raw(b"GET /tasks HTTP/1.1\r\nHost: here\r\n\r\n"))[0] == 401
    world.clock.advance(3600)
    late = make_token("https://localhost/", world.clock.now() - timedelta(seconds=1), DEFAULT_KEY)
    peer = world.peer().raw(f"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: {late}\r\n\r\n".encode())
    assert answer(peer)[0] == 401


def test_a_request_may_come_byte_by_byte_with_a_body() -> None:
    world = World()
    peer = world.peer()
    for byte in request(world, "/tasks", more=b"Content-Length: 3\r\n") + b"abc":
        assert not peer.is_gone
        peer.raw(bytes((byte,)))

    assert answer(peer)[0] == 200


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /" + b"a" * MAX_HEAD, 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
        (b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY + 1), 413),
        (b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        (b"GET nowhere HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/2\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nno header\r\n\r\n", 400),
    ],
)
def test_what_is_no_request_is_refused_and_ended(data: bytes, status: int) -> None:
    assert answer(World().peer().raw(data))[0] == status


def test_who_never_ends_its_request_is_ended() -> None:
    world = World(limits=Limits(handshake_seconds=20))
    peer = world.peer().raw(b"GET / HTTP/1.1\r\n")
    world.advance(21)

    assert peer.is_gone
    assert world.server.connection_count == 0


def test_names_are_escaped() -> None:
    content = atom.entry("http://a/<&\"'>", "<&>", World().clock.now(), "")

    assert ET.fromstring(content).findtext(f"{ATOM}title") == "<&>"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (timedelta(0), "PT0S"),
        (timedelta(seconds=1), "PT1S"),
        (timedelta(seconds=20, milliseconds=500), "PT20.5S"),
        (timedelta(hours=1), "PT1H"),
        (timedelta(days=14), "P14D"),
        (timedelta(days=1, hours=10, minutes=30, seconds=10), "P1DT10H30M10S"),
        (timedelta.max, "P10675199DT2H48M5.4775807S"),
    ],
)
def test_a_duration_is_written_as_the_service_does(value: timedelta, text: str) -> None:
    assert atom.text(value) == text


@RELAXED
@given(st.binary(max_size=200), st.integers(1, 50))
def test_any_bytes_are_a_request_or_refused(data: bytes, piece: int) -> None:
    assert 400 <= _status(b"GET " + data, piece) < 500


def _status(data: bytes, piece: int) -> int:
    """What becomes of it; of what is a request, or may become one, 404."""
    reader = HttpReader("http")
    try:
        for start in range(0, len(data), piece):
            reader.feed(data[start : start + piece])
    except HttpRefused as refused:
        return refused.response.status
    return 404
