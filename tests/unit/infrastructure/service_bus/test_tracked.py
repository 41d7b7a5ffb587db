from __future__ import annotations

from types import SimpleNamespace
from typing import Self

import pytest

from infrastructure.service_bus.tracked import Tracked


class Transport:
    def __init__(self, problem: type[Exception] | None = None) -> None:
        self.closed = 0
        self._problem = problem

    def close(self) -> None:
        self.closed += 1
        if self._problem is not None:
            raise self._problem("half gone")


class Receiver:
    """As the SDK's: ``transports`` are those of the connections that it makes, the first where it is opened."""

    def __init__(self, *transports: Transport) -> None:
        self._left = list(transports)
        self._handler: object = None
        self.refuses = False
        self.closed = False

    def lose(self) -> None:
        self._handler = None

    def __enter__(self) -> Self:
        if self._handler is None:
            self._handler = SimpleNamespace(_connection=SimpleNamespace(_transport=self._left.pop(0)))
        if self.refuses:
            raise OSError("not reached")
        return self

    def close(self) -> None:
        self.lose()
        self.closed = True
        if self.refuses:
            raise OSError("half gone")


def test_a_connection_is_disconnected_once_there_is_another() -> None:
    first, second = Transport(), Transport()
    receiver = Receiver(first, second)
    tracked = Tracked(receiver)

    assert tracked.open() is tracked.open() is receiver
    assert first.closed == 0
    receiver.lose()
    tracked.open()

    assert (first.closed, second.closed) == (1, 0)


def test_the_last_one_is_disconnected_at_the_end_whatever_the_sdk_says() -> None:
    transport = Transport(OSError)
    receiver = Receiver(transport)
    tracked = Tracked(receiver)
    tracked.open()
    receiver.refuses = True

    with pytest.raises(OSError, match="half gone"):
        tracked.close()

    assert (receiver.closed, transport.closed) == (True, 1)


def test_one_that_did_not_open_is_known_all_the_same() -> None:
    transport = Transport()
    receiver = Receiver(transport)
    receiver.refuses = True
    tracked = Tracked(receiver)
    with pytest.raises(OSError, match="not reached"):
        tracked.open()
    with pytest.raises(OSError, match="half gone"):
        tracked.close()

    assert transport.closed == 1


def test_an_sdk_that_is_made_otherwise_is_left_alone() -> None:
    class Other:
        def __enter__(self) -> Self:
            return self

        def close(self) -> None:
            pass

    tracked = Tracked(Other())
    tracked.open()
    tracked.close()
