"""What the SDK's receiver does wrong beside a caller that settles between receives, put right from outside.

Measured with azure-servicebus 7.15. All of it is the SDK's own, so each is left as it is where it is not found.

- A receive that gives fewer messages than it asked for leaves its credit with the broker, which goes on sending. What
  arrives then is read while the next message is settled, and is sent back: most deliveries of a busy queue were.
- A second thread reads the connection every 5 s, "to keep it alive". When both take a frame at once, a message can get
  the lock token of another one.
- After the first message it waits 0.2 s for others, however few are asked for.
- A call with a time limit that finds its connection broken makes a new one, and waits without limit for a server that
  accepts it and says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import RLock
from typing import Any

from azure.servicebus import ServiceBusReceiver

from infrastructure.service_bus.tracked import Tracked

GAP_SECONDS = 0.005
"""How long after the first message others are waited for."""


class Steadied:
    """A receiver whose messages wait here for the next receive, and that asks for none in between."""

    def __init__(self, receiver: ServiceBusReceiver) -> None:
        self.receiver = receiver
        self._tracked = Tracked(receiver)
        self._handler: Any = None
        _set(receiver, "_further_pull_receive_timeout", GAP_SECONDS)

    def open(self) -> ServiceBusReceiver:
        """Connects where there is no connection, or where it was lost."""
        self._tracked.open()
        handler = getattr(self.receiver, "_handler", None)
        if handler is not self._handler:
            self._handler = handler
            _keep_what_arrives(handler)
            _one_thread_at_a_time(getattr(handler, "_connection", None))
        return self.receiver

    def close(self) -> None:
        self._tracked.close()

    @property
    def connected(self) -> bool:
        """Whether there is a connection, as far as is known."""
        return bool(getattr(self.receiver, "_running", True))

    @contextmanager
    def without_retries(self) -> Iterator[None]:
        """What fails within is not tried again, and so makes no connection where there was one."""
        config = getattr(self.receiver, "_config", None)
        retries = getattr(config, "retry_total", None)
        try:
            if retries is not None:
                _set(config, "retry_total", 0)
            yield
        finally:
            if retries is not None:
                _set(config, "retry_total", retries)

    @property
    def waiting(self) -> int:
        """Messages that have arrived and were not given."""
        queue = getattr(self._handler, "_received_messages", None)
        return queue.qsize() if queue is not None else 0

    def rest(self) -> None:
        """Take back the credit that is left."""
        link = getattr(self._handler, "_link", None)
        if link is not None and getattr(link, "current_link_credit", 0) > 0:
            link.flow(link_credit=0)


def _keep_what_arrives(handler: Any) -> None:
    """For a handler without prefetch the SDK puts a callback that sends back in the place of this."""
    keep = getattr(type(handler), "_message_received", None)
    link: Any = getattr(handler, "_link", None)
    if keep is not None and hasattr(link, "_on_transfer"):
        link._on_transfer = keep.__get__(handler)  # noqa: SLF001


def _one_thread_at_a_time(connection: Any) -> None:
    listen = getattr(connection, "listen", None)
    if listen is not None:
        connection.listen = _locked(listen)


def _locked(call: Callable[..., None]) -> Callable[..., None]:
    lock = RLock()

    def locked(*args: Any, **named: Any) -> None:
        with lock:
            call(*args, **named)

    return locked


def _set(thing: object, name: str, value: object) -> None:
    if hasattr(thing, name):
        setattr(thing, name, value)
