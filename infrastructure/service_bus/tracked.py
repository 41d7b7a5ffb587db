"""A sender or receiver of the SDK that leaves no socket open.

Of a connection whose other side ended first azure-servicebus 7.15 notes that it has ended, and then does not disconnect
it any more: its socket stays open until garbage is collected. So the last connection is known here, and disconnected
once there is another, or none.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Generic, Protocol, Self, TypeVar


class Handler(Protocol):
    def __enter__(self) -> Self: ...

    def close(self) -> None: ...


H = TypeVar("H", bound=Handler)

WAY = ("_handler", "_connection", "_transport")
"""From a sender or receiver to what has the socket: the SDK's own. Where it is not found, nothing is done."""


class Tracked(Generic[H]):
    """``handler`` is for one thread at a time."""

    def __init__(self, handler: H) -> None:
        self.handler = handler
        self._transport: Any = None

    def open(self) -> H:
        """Connects where there is no connection, or where it was lost."""
        try:
            self.handler.__enter__()
        finally:
            self._look()
        return self.handler

    def close(self) -> None:
        """Raises what the SDK raises, with nothing left open."""
        self._look()
        try:
            self.handler.close()
        finally:
            _disconnect(self._transport)
            self._transport = None

    def _look(self) -> None:
        found: Any = self.handler
        for name in WAY:
            found = getattr(found, name, None)
        if found is not self._transport:
            _disconnect(self._transport)
            self._transport = found


def _disconnect(transport: Any) -> None:
    """Without effect where it was done."""
    if hasattr(transport, "close"):
        with suppress(OSError, ValueError):
            transport.close()
