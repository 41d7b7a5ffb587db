"""A message's lock is renewed at half of what is left, for as long as the call runs and the host allows."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from azure.servicebus.exceptions import MessageLockLostError, ServiceBusConnectionError

from local.functions_host.lock_renewal import SHORTEST_WAIT, keep_locked, renewal_wait

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@dataclass
class Lock:
    """A message with a lock of a minute, and a call of it that takes ``lasts``; ``fails`` are the renewals that do."""

    lasts: timedelta
    fails: dict[int, Exception] = field(default_factory=dict)
    message_id: str | None = "m"
    locked_until_utc: datetime | None = NOON + MINUTE
    time: datetime = NOON
    renewed: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return self.time

    async def ended(self, wait: timedelta) -> bool:
        left = NOON + self.lasts - self.time
        self.time += min(wait, left)
        return left <= wait

    async def renew(self) -> None:
        self.renewed.append((self.time - NOON).total_seconds())
        error = self.fails.get(len(self.renewed))
        if error is not None:
            raise error
        assert self.locked_until_utc is not None
        assert self.time < self.locked_until_utc
        self.locked_until_utc = self.time + MINUTE

    def keep(self, longest: timedelta = HOUR) -> Lock:
        asyncio.run(keep_locked(self, self.renew, self.ended, longest, self.now))
        return self


def test_a_short_call_needs_none() -> None:
    assert Lock(lasts=timedelta(seconds=29)).keep().renewed == []


def test_a_long_call_is_renewed_at_half_the_time() -> None:
    assert Lock(lasts=timedelta(seconds=100)).keep().renewed == [30, 60, 90]


def test_renewing_ends_where_the_host_says() -> None:
    assert Lock(lasts=HOUR).keep(longest=timedelta(seconds=70)).renewed == [30, 60]
    assert Lock(lasts=HOUR).keep(longest=timedelta()).renewed == []


def test_one_that_failed_is_tried_again_before_the_lock_runs_out(caplog: pytest.LogCaptureFixture) -> None:
    fails = {1: ServiceBusConnectionError(), 2: ConnectionResetError()}
    lock = Lock(lasts=timedelta(seconds=60), fails=fails).keep()
    assert lock.renewed == [30, 45, 52.5]
    assert caplog.text.count("was not renewed") == 1


def test_it_ends_with_a_lock_that_is_lost(caplog: pytest.LogCaptureFixture) -> None:
    lock = Lock(lasts=HOUR, fails={1: MessageLockLostError()}).keep()
    assert lock.renewed == [30]
    assert "The lock of message m is lost" in caplog.text


def test_it_ends_when_no_renewal_came_in_time(caplog: pytest.LogCaptureFixture) -> None:
    lock = Lock(lasts=HOUR, fails={number: ServiceBusConnectionError() for number in range(1, 100)}).keep()
    assert lock.time < NOON + MINUTE + 2 * SHORTEST_WAIT
    assert "ran out before it could be renewed" in caplog.text


def test_a_clock_ahead_of_the_broker_s_does_not_spin() -> None:
    assert renewal_wait(NOON, NOON + HOUR) == SHORTEST_WAIT
