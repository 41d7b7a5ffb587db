"""The lock of the message that woke the task which runs."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from core.errors import CoreMachineError, LockLost
from core.ports import Clock, MessageBus, ReceivedMessage
from docker_worker.backoff import Backoff

_log = logging.getLogger(__name__)

LONGEST_PAUSE = timedelta(seconds=30)
"""Half of Service Bus's default lock: a clock that is behind the bus's must not put a renewal off for ever."""

SHORTEST_PAUSE = timedelta(seconds=2)
"""The same for a clock that is ahead. The shortest lock that a queue can have is 5 s."""


class MessageLock:
    """Renews the lock once half of its time is over. Losing it changes nothing but that the message comes again, and
    then finds its task running or ended: the lease says who runs it.

    For the thread that received the message. ``lost`` is called for each lock that was lost.
    """

    def __init__(
        self, bus: MessageBus, clock: Clock, jitter: Callable[[], float], lost: Callable[[], None] = lambda: None
    ) -> None:
        self._bus = bus
        self._clock = clock
        self._backoff = Backoff(jitter)
        self._message: ReceivedMessage | None = None
        self._next = clock.now()
        self._lost = lost

    def hold(self, message: ReceivedMessage) -> None:
        self._backoff.answered()
        self._take(message)

    def let_go(self) -> None:
        self._message = None

    def keep(self) -> None:
        """Renew the lock if it is time. No error of the bus reaches the work that goes on meanwhile."""
        message = self._message
        if message is None or self._clock.now() < self._next:
            return
        try:
            renewed = self._bus.renew_lock(message)
        except LockLost:
            self._message = None
            self._lost()
            _log.warning("message_lock_lost", extra=_names(message))
        except CoreMachineError as error:
            self._put_off(message, error)
        else:
            self._backoff.answered()
            self._take(renewed)

    def _take(self, message: ReceivedMessage) -> None:
        now = self._clock.now()
        self._message = message
        self._next = now + _pause(message, now)

    def _put_off(self, message: ReceivedMessage, error: CoreMachineError) -> None:
        if not self._backoff.failing:
            _log.warning("message_lock_not_renewed", extra=_names(message) | {"code": error.code})
        self._next = self._clock.now() + timedelta(seconds=self._backoff.failed())


def _pause(message: ReceivedMessage, now: datetime) -> timedelta:
    return max(SHORTEST_PAUSE, min(LONGEST_PAUSE, (message.locked_until - now) / 2))


def _names(message: ReceivedMessage) -> dict[str, object]:
    return {"queue": message.queue, "message_id": message.message_id}
