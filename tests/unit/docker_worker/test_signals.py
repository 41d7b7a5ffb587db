"""Signals are taken from a server's own handlers, and given back to them."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from types import FrameType

import pytest

from docker_worker.signals import HANDLED, Received, SignalChain


@pytest.fixture(autouse=True)
def _own_handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in HANDLED}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def drained(received: Received) -> list[int]:
    found = []
    while (number := received.next(0)) is not None:
        found.append(number)
    return found


def test_signals_are_kept_in_order_and_waited_for() -> None:
    received = Received()
    received.listen()
    assert drained(received) == []
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGINT)

    assert received.came
    assert received.next(30.0) == signal.SIGTERM
    assert drained(received) == [signal.SIGINT]
    assert received.next(0.001) is None


def test_a_handler_that_interrupts_itself_stands_in_nobodys_way() -> None:
    """As a second signal does that comes while the first is put into the queue."""
    received = Received()
    received.listen()

    def noting(number: int, frame: FrameType | None) -> None:
        received.note(number, frame)
        signal.raise_signal(signal.SIGTERM)
        received.note(number, frame)

    signal.signal(signal.SIGINT, noting)
    signal.raise_signal(signal.SIGINT)
    assert drained(received) == [signal.SIGINT, signal.SIGTERM, signal.SIGINT]


def test_the_server_gets_nothing_until_it_is_handed_on_and_then_all_that_follows() -> None:
    servers: list[int] = []
    for number in HANDLED:
        signal.signal(number, lambda got, _frame: servers.append(got))
    received = Received()

    async def serve() -> None:
        chain = SignalChain(received, asyncio.get_running_loop())
        chain.install()
        signal.raise_signal(signal.SIGTERM)
        assert (servers, drained(received)) == ([], [signal.SIGTERM])
        chain.hand_on(signal.SIGTERM)
        await asyncio.sleep(0)
        assert servers == [signal.SIGTERM]
        signal.raise_signal(signal.SIGINT)
        assert servers == [signal.SIGTERM, signal.SIGINT]
        chain.restore()

    asyncio.run(serve())
    assert drained(received) == []


def test_handing_on_to_a_loop_that_has_ended_does_nothing() -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    SignalChain(Received(), loop).hand_on(signal.SIGTERM)
