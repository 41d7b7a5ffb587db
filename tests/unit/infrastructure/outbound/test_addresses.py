from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from threading import Event

import pytest

from infrastructure.outbound.addresses import (
    Address,
    LeadsInside,
    Pinned,
    innermost,
    is_never_reached,
    is_public,
    resolved,
)

SECONDS = 30.0


@pytest.mark.parametrize("text", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34", "64:ff9b::5db8:d822"])
def test_addresses_of_everybody_are_public(text: str) -> None:
    assert is_public(innermost(ip_address(text)))


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.2.1",
        "192.168.1.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "168.63.129.16",
        "::",
        "::1",
        "::10.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:0.0.0.0",
        "::ffff:100.64.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::808:808",
        "2002:7f00:1::",
        "2001:0:53aa:64c:0:fbff:b32c:b32c",
        "2001:db8::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
    ],
)
def test_addresses_of_a_machine_or_a_network_are_not(text: str) -> None:
    assert not is_public(innermost(ip_address(text)))


@pytest.mark.parametrize("text", ["169.254.169.254", "168.63.129.16", "fe80::1", "0.0.0.0", "::", "::ffff:169.254.1.1"])
def test_some_are_never_reached(text: str) -> None:
    assert is_never_reached(innermost(ip_address(text)))


@pytest.mark.parametrize("text", ["10.0.0.1", "127.0.0.1", "fd00::1", "93.184.216.34"])
def test_a_private_network_can_be_allowed(text: str) -> None:
    assert not is_never_reached(innermost(ip_address(text)))


def pinned(*addresses: str) -> Pinned:
    def may_reach(_host: str, address: Address) -> bool:
        return is_public(address)

    return Pinned(may_reach, lambda _host, _port: addresses)


def test_a_name_leads_to_all_its_addresses() -> None:
    both = ("93.184.216.34", "2606:2800:220:1::1")

    assert pinned(*both).addresses("files.example", 443, SECONDS) == both


@pytest.mark.parametrize("inside", ["10.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1"])
@pytest.mark.parametrize("first", [True, False])
def test_one_address_that_is_not_allowed_is_enough_to_refuse_all(inside: str, first: bool) -> None:
    found = (inside, "93.184.216.34") if first else ("93.184.216.34", inside)

    with pytest.raises(LeadsInside):
        pinned(*found).addresses("files.example", 443, SECONDS)


def test_a_name_without_addresses_is_not_found() -> None:
    with pytest.raises(OSError, match="no address"):
        pinned().addresses("files.example", 443, SECONDS)


def test_a_look_up_that_fails_fails_the_call() -> None:
    def fails(_host: str, _port: int) -> Sequence[str]:
        raise OSError("no such name")

    with pytest.raises(OSError, match="no such name"):
        Pinned(lambda *_: True, fails).addresses("files.example", 443, SECONDS)


def test_a_look_up_that_hangs_is_waited_for_no_longer_than_the_call_takes() -> None:
    go_on = Event()

    def hangs(_host: str, _port: int) -> Sequence[str]:
        assert go_on.wait(SECONDS)
        return ["93.184.216.34"]

    try:
        with pytest.raises(TimeoutError):
            Pinned(lambda *_: True, hangs).addresses("files.example", 443, 0.01)
    finally:
        go_on.set()


@pytest.mark.parametrize("host", ["x" * 64 + ".example", ".example", "a..example"])
def test_a_name_that_cannot_be_looked_up_is_one_that_is_not_found(host: str) -> None:
    with pytest.raises(OSError, match="looked up"):
        resolved(host, 443)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "2130706433", "0x7f.1"])
def test_an_address_in_whatever_writing_is_looked_at_as_what_it_is(host: str) -> None:
    assert resolved(host, 80) == ["127.0.0.1"]
