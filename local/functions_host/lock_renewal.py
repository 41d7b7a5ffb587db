"""Keeps the lock of one message while its call runs.

The SDK's own `AutoLockRenewer` (7.15) renews in the last ten seconds only and stops for good after one failure; here a
renewal comes at half of what is left, and one that failed is tried again at half of what is left then.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from azure.servicebus.exceptions import MessageLockLostError, ServiceBusError

SHORTEST_WAIT = timedelta(milliseconds=200)
_log = logging.getLogger(__name__)


class LockedMessage(Protocol):
    """The part of `azure.servicebus.ServiceBusReceivedMessage` that is read; a renewal moves the time."""

    @property
    def message_id(self) -> str | None: ...

    @property
    def locked_until_utc(self) -> datetime | None: ...


def utc_now() -> datetime:
    return datetime.now(UTC)


def renewal_wait(locked_until: datetime, now: datetime) -> timedelta:
    """How long to wait with the next renewal; a clock that is ahead of the broker's makes it short, not absent."""
    return max((locked_until - now) / 2, SHORTEST_WAIT)


async def keep_locked(
    message: LockedMessage,
    renew: Callable[[], Awaitable[object]],
    ended: Callable[[timedelta], Awaitable[bool]],
    longest: timedelta,
    now: Callable[[], datetime] = utc_now,
) -> None:
    """Renews until ``ended``, which waits for the given time and says whether the call is over, but no longer than
    ``longest``: then the lock runs out, as in the real host.
    """
    last = now() + longest
    failing = False
    while (locked_until := message.locked_until_utc) is not None:
        wait = renewal_wait(locked_until, now())
        if now() + wait >= last or await ended(wait):
            return
        try:
            await renew()
            failing = False
        except MessageLockLostError:
            _log.warning(
                "The lock of message %s is lost: it will come again while its call goes on", message.message_id
            )
            return
        except (ServiceBusError, OSError) as error:
            if now() >= locked_until:
                _log.warning("The lock of message %s ran out before it could be renewed", message.message_id)
                return
            if not failing:
                _log.warning("The lock of message %s was not renewed (%s); again", message.message_id, error)
            failing = True
