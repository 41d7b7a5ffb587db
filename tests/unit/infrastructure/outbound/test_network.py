from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Event

import httpx
import pytest

from infrastructure.outbound.addresses import LeadsInside, Pinned
from infrastructure.outbound.network import BoundedTransport, authorities, ends_at
from tests.support.wire import FakeNetwork

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
URL = "https://files.example:8443/a"
PUBLIC, OTHER = "93.184.216.34", "93.184.216.35"


def everywhere(*addresses: str) -> Pinned:
    return Pinned(lambda *_: True, lambda _host, _port: addresses)


@contextmanager
def client(
    network: FakeNetwork, pinned: Pinned | None, monotonic: Callable[[], float] = lambda: 0.0
) -> Iterator[httpx.Client]:
    transport = BoundedTransport(authorities(), monotonic, pinned=pinned, kept=0, network=network)
    with httpx.Client(transport=transport, trust_env=False) as made, ends_at(10.0):
        yield made


def test_a_connection_leads_to_the_address_under_the_name() -> None:
    network = FakeNetwork(lambda: [ANSWER])
    with client(network, everywhere(PUBLIC)) as made:
        assert made.get(URL).text == "ok"

    assert network.connected == [(PUBLIC, 8443)]
    assert network.server_names == ["files.example"]
    assert b"\r\nHost: files.example:8443\r\n" in b"".join(network.sent)
    assert network.open == 0


def test_each_connection_is_looked_at_anew() -> None:
    answers = iter([[PUBLIC], ["10.0.0.1"]])

    def resolve(_host: str, _port: int) -> Sequence[str]:
        return next(answers)

    network = FakeNetwork(lambda: [ANSWER])
    with client(network, Pinned(lambda _host, address: address.is_global, resolve)) as made:
        made.get(URL)
        with pytest.raises(LeadsInside):
            made.get(URL)

    assert network.connected == [(PUBLIC, 8443)]


def test_the_first_address_that_answers_is_taken() -> None:
    network = FakeNetwork(lambda: [ANSWER], silent=[PUBLIC])
    with client(network, everywhere(PUBLIC, OTHER)) as made:
        assert made.get(URL).status_code == 200

    assert network.connected == [(PUBLIC, 8443), (OTHER, 8443)]


def test_where_none_answers_there_is_no_connection() -> None:
    network = FakeNetwork(lambda: [ANSWER], silent=[PUBLIC, OTHER])
    with client(network, everywhere(PUBLIC, OTHER)) as made, pytest.raises(httpx.ConnectError):
        made.get(URL)


def test_addresses_are_tried_until_the_time_is_up() -> None:
    times = iter([0.0, 0.0, 20.0])
    network = FakeNetwork(lambda: [ANSWER], silent=[PUBLIC, OTHER])
    with client(network, everywhere(PUBLIC, OTHER), lambda: next(times)) as made, pytest.raises(httpx.ConnectTimeout):
        made.get(URL)

    assert network.connected == [(PUBLIC, 8443)]


def test_a_name_that_is_not_found_is_no_connection() -> None:
    def fails(_host: str, _port: int) -> Sequence[str]:
        raise OSError("no such name")

    network = FakeNetwork(lambda: [ANSWER])
    with client(network, Pinned(lambda *_: True, fails)) as made, pytest.raises(httpx.ConnectError):
        made.get(URL)


def test_a_look_up_that_hangs_ends_with_the_call() -> None:
    go_on = Event()

    def hangs(_host: str, _port: int) -> Sequence[str]:
        assert go_on.wait(30)
        return [PUBLIC]

    network = FakeNetwork(lambda: [ANSWER])
    try:
        with client(network, Pinned(lambda *_: True, hangs), lambda: 9.99) as made, pytest.raises(httpx.ConnectTimeout):
            made.get(URL)
    finally:
        go_on.set()


def test_a_connection_whose_time_is_up_before_tls_begins_is_closed() -> None:
    times = iter([0.0, 0.0, 20.0])
    network = FakeNetwork(lambda: [ANSWER])
    with client(network, everywhere(PUBLIC), lambda: next(times)) as made, pytest.raises(httpx.ConnectTimeout):
        made.get(URL)

    assert network.connected == [(PUBLIC, 8443)]
    assert network.open == 0


def test_without_a_pin_the_host_is_left_to_the_network() -> None:
    network = FakeNetwork(lambda: [ANSWER])
    with client(network, None) as made:
        assert made.get("http://worker.internal:8080/").status_code == 200

    assert network.connected == [("worker.internal", 8080)]
