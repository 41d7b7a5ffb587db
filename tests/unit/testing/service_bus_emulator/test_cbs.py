"""Tokens: what a signature allows, and what is refused as the service does."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from testing.clock import EPOCH
from testing.service_bus_emulator.amqp.errors import LinkError
from testing.service_bus_emulator.amqp.frames import AMQP_HEADER, SASL_HEADER, SASL_TYPE, write_frame
from testing.service_bus_emulator.amqp.performatives import Begin, Disposition, Open, SaslInit, write
from testing.service_bus_emulator.amqp.types import Symbol
from testing.service_bus_emulator.cbs import (
    ALL_RIGHTS,
    AccessKey,
    Claim,
    Grant,
    Right,
    TokenRefused,
    check_plain,
    check_token,
    make_token,
    path_of,
)
from testing.service_bus_emulator.grants import MAX_GRANTS, Grants
from testing.service_bus_emulator.requests import read_request, write_answer
from testing.service_bus_emulator.server import DEFAULT_KEY
from tests.unit.testing.service_bus_emulator.peers import QUEUE, Peer, World

SENDER = AccessKey("sender", "k3y+/=", frozenset({Right.SEND}))
KEYS = {key.name: key for key in (DEFAULT_KEY, SENDER)}
LATER = EPOCH + timedelta(hours=1)
AUDIENCE = "sb://host/Tasks"


def token(resource: str = AUDIENCE, key: AccessKey = DEFAULT_KEY, expires: Any = LATER) -> str:
    return make_token(resource, expires, key)


@pytest.mark.parametrize(
    ("audience", "path", "right", "is_covered"),
    [
        (AUDIENCE, "tasks", Right.LISTEN, True),
        (AUDIENCE, "tasks/$deadletterqueue", Right.LISTEN, True),
        (AUDIENCE, "tasks2", Right.LISTEN, False),
        ("sb://host/tasks/$DeadLetterQueue", "tasks", Right.LISTEN, False),
    ],
)
def test_a_token_allows_its_path_and_all_below(audience: str, path: str, right: Right, is_covered: bool) -> None:
    grant = check_token(token(audience), audience, KEYS, EPOCH)

    assert grant.covers(Claim(path, (right,))) is is_covered
    assert grant.expires_at == LATER


def test_a_token_for_the_namespace_allows_an_entity() -> None:
    grant = check_token(token("sb://host/"), AUDIENCE, KEYS, EPOCH)

    assert grant.covers(Claim("tasks", (Right.SEND,)))


def test_a_key_allows_what_it_has_rights_for() -> None:
    grant = check_token(token(key=SENDER), AUDIENCE, KEYS, EPOCH)

    assert grant.covers(Claim("tasks", (Right.SEND,)))
    assert grant.covers(Claim("tasks", (Right.LISTEN, Right.SEND)))
    assert not grant.covers(Claim("tasks", (Right.LISTEN,)))


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (token(key=AccessKey(DEFAULT_KEY.name, "wrong")), 401),
        (token(key=AccessKey("nobody", "")), 401),
        (token("sb://host/other"), 401),
        (token(expires=EPOCH), 401),
        (token().replace("tasks", "other").replace("Tasks", "other"), 401),
        (token() + "0", 401),
        ("SharedAccessSignature sr=a&sig=b", 400),
        ("Bearer x", 400),
        ("", 400),
        ("SharedAccessSignature " + "x" * 9000, 400),
    ],
)
def test_what_is_wrong_with_a_token_is_refused(given: str, status: int) -> None:
    with pytest.raises(TokenRefused) as refused:
        check_token(given, AUDIENCE, KEYS, EPOCH)

    assert refused.value.status == status
    assert DEFAULT_KEY.key not in refused.value.description


def test_an_expiry_that_is_no_time_is_malformed() -> None:
    given = token().replace(f"se={int(LATER.timestamp())}", "se=soon")
    with pytest.raises(TokenRefused):
        check_token(given, AUDIENCE, KEYS, EPOCH)


def test_a_token_allows_nothing_from_its_last_moment_on() -> None:
    grants, claim = Grants(), Claim("tasks", (Right.SEND,))
    grants.add(check_token(token(), AUDIENCE, KEYS, EPOCH))
    grants.check(claim, LATER - timedelta(seconds=1))

    with pytest.raises(LinkError):
        grants.check(claim, LATER)


def test_tokens_of_one_connection_are_bounded() -> None:
    grants = Grants()
    for number in range(MAX_GRANTS):
        grants.add(Grant(str(number), ALL_RIGHTS, LATER))
    grants.add(Grant("7", ALL_RIGHTS, LATER))

    with pytest.raises(LinkError):
        grants.add(Grant("one more", ALL_RIGHTS, LATER))
    grants.expire(LATER)
    grants.add(Grant("one more", ALL_RIGHTS, LATER))


@pytest.mark.parametrize(
    ("response", "is_good"),
    [
        (b"\0sender\0k3y+/=", True),
        (b"x\0sender\0k3y+/=", True),
        (b"\0sender\0wrong", False),
        (b"\0nobody\0", False),
        (b"", False),
        (b"\0\xff\0\xff", False),
    ],
)
def test_plain_is_a_keys_name_and_value(response: bytes, is_good: bool) -> None:
    assert (check_plain(response, KEYS) == SENDER.rights) is is_good


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("sb://host/Queue/", "queue"),
        ("amqps://host:5671/a/b", "a/b"),
        ("Queue", "queue"),
        ("sb://host", ""),
        ("sb://[", ""),
        ("/q", "q"),
    ],
)
def test_paths_of_addresses(address: str, path: str) -> None:
    assert path_of(address) == path


# Over the wire


def anonymous(world: World) -> Peer:
    init = write_frame(0, write(SaslInit("ANONYMOUS", b"")), SASL_TYPE)
    peer = world.peer().raw(SASL_HEADER).raw(init).raw(AMQP_HEADER).say(Open("peer"), Begin(None, 0, 1000, 1000))
    return peer.receiver("$cbs", handle=10).sender("$cbs", handle=11)


def put_token(peer: Peer, number: int, given: Any, audience: Any = AUDIENCE, operation: str = "put-token") -> Peer:
    properties = {Symbol("operation"): operation, Symbol("type"): "jwt", Symbol("name"): audience}
    return peer.transfer(number, write_answer(None, properties, given), handle=11)


def answer(peer: Peer) -> tuple[int, str]:
    properties = read_request(peer.deliveries()[-1][1]).properties
    return properties["status-code"], properties["status-description"]


def test_nothing_is_allowed_without_a_token() -> None:
    for peer in (
        anonymous(World()).sender(),
        anonymous(World()).receiver(),
        anonymous(World()).receiver(f"{QUEUE}/$management"),
    ):
        assert peer.error() == "amqp:unauthorized-access"


def test_a_good_token_is_accepted_and_opens_the_entity() -> None:
    peer = put_token(anonymous(World()), 0, token())

    assert answer(peer) == (202, "Accepted")
    assert peer.sender().receiver().error() is None


@pytest.mark.parametrize(
    ("given", "audience", "status"),
    [(token(key=AccessKey(DEFAULT_KEY.name, "x")), AUDIENCE, 401), (b"bytes", AUDIENCE, 400), (token(), None, 400)],
)
def test_a_bad_token_is_refused_and_opens_nothing(given: Any, audience: Any, status: int) -> None:
    peer = put_token(anonymous(World()), 0, given, audience)

    assert answer(peer)[0] == status
    assert peer.sender().error() == "amqp:unauthorized-access"


def test_what_is_no_put_token_is_rejected() -> None:
    peer = put_token(anonymous(World()), 0, token(), operation="delete-token")

    assert peer.last(Disposition).state.descriptor == 0x25
    assert peer.deliveries() == []


def test_links_end_with_their_token_unless_a_new_one_came() -> None:
    world = World()
    short, renewed = anonymous(world), anonymous(world)
    for peer in (short, renewed):
        put_token(peer, 0, token(expires=EPOCH + timedelta(minutes=1))).sender(handle=0)
    put_token(renewed, 1, token())

    world.advance(61)

    assert short.error() == "amqp:unauthorized-access"
    assert renewed.error() is None
