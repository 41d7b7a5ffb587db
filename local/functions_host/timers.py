"""Runs one timer function when its schedule says so.

Sources: `TimerListener` and `TimerInfo` of the timers extension. A timer never overlaps with itself: times that pass
while its call runs are left out. What the real host keeps of a timer in a storage account (``use_monitor``) is kept
here while the host runs: a time that was missed, as by a machine that slept, is called once, and told as past due.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from azure.functions import TimerRequest
from azure.functions.meta import Datum
from azure.functions.timer import TimerRequestConverter

from local.functions_host.calls import Calls
from local.functions_host.context import new_context
from local.functions_host.executions import Execution
from local.functions_host.invocation import InvocableFunction, Invoker
from local.functions_host.lock_renewal import utc_now
from local.functions_host.schedule import Schedule

NEVER = datetime(1, 1, 1, tzinfo=UTC)
"""What `TimerInfo` holds as the last time of a timer that has not run yet."""

LATE = timedelta(seconds=2)
"""From here on a call is past due; a busy machine is later than zero."""

LONGEST_WAIT = timedelta(seconds=30)
"""The loop's clock stands still while the machine sleeps, so the wall's is looked at this often."""


@dataclass(frozen=True, slots=True)
class TimerState:
    """``last`` is when it was called for the last time, ``next_due`` when it will be."""

    schedule: Schedule
    next_due: datetime
    last: datetime = NEVER

    def is_due(self, now: datetime) -> bool:
        return now >= self.next_due

    def is_past_due(self, now: datetime) -> bool:
        return now - self.next_due >= LATE

    def wait(self, now: datetime) -> timedelta:
        return min(max(self.next_due - now, timedelta()), LONGEST_WAIT)

    def called(self, began: datetime, ended: datetime) -> TimerState:
        return replace(self, last=began, next_due=self.schedule.next_due(ended))


def first_state(schedule: Schedule, now: datetime) -> TimerState:
    return TimerState(schedule, schedule.next_due(now))


def timer_request(state: TimerState, past_due: bool) -> TimerRequest:
    """Made by the library's own converter."""
    datum = Datum(type="json", value=timer_info(state, past_due))
    made: TimerRequest = TimerRequestConverter.decode(datum, trigger_metadata={})
    return made


def timer_info(state: TimerState, past_due: bool) -> str:
    """The JSON that the host sends to its worker."""
    status = {"Last": _text(state.last), "LastUpdated": _text(state.last), "Next": _text(state.next_due)}
    return json.dumps({"Schedule": {"AdjustForDST": True}, "ScheduleStatus": status, "IsPastDue": past_due})


class TimerListener:
    """Starts and stops on one event loop. ``now`` is in UTC."""

    def __init__(
        self,
        function: InvocableFunction,
        schedule: Schedule,
        run_on_startup: bool,
        invoker: Invoker,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._function = function
        self._run_on_startup = run_on_startup
        self._invoker = invoker
        self._now = now
        self._calls = Calls()
        self._loop: asyncio.Task[None] | None = None
        self.state = first_state(schedule, now())

    def start(self) -> None:
        self._stopping = asyncio.Event()
        self._loop = asyncio.create_task(self._run())

    async def stop(self, grace_seconds: float) -> None:
        """Waits for a call in progress, and cuts it off after that."""
        if self._loop is None:
            return
        self._stopping.set()
        await asyncio.wait([self._loop], timeout=max(grace_seconds, 0.1))
        self._calls.cut_off()
        await self._loop

    async def startup(self) -> None:
        """The call that ``run_on_startup`` asks for."""
        if self._run_on_startup:
            await self._fire("timer, at startup", past_due=False)

    async def step(self) -> timedelta:
        """Calls the function if it is due; how long to wait then."""
        now = self._now()
        if self.state.is_due(now):
            past_due = self.state.is_past_due(now)
            reason = f"timer due {self.state.next_due:%H:%M:%S}Z{', past due' if past_due else ''}"
            await self._fire(reason, past_due)
        return self.state.wait(self._now())

    async def _run(self) -> None:
        await self.startup()
        while not self._stopping.is_set():
            wait = await self.step()
            try:
                await asyncio.wait_for(self._stopping.wait(), wait.total_seconds())
            except TimeoutError:
                continue

    async def _fire(self, reason: str, past_due: bool) -> None:
        began = self._now()
        context = new_context(self._function.name, self._function.directory)
        execution = Execution(self._function.name, reason, context.invocation_id)
        request = timer_request(self.state, past_due)
        await self._calls.run(execution, self._invoker.invoke(self._function, request, context))
        self.state = self.state.called(began, self._now())


def _text(moment: datetime) -> str:
    return moment.isoformat()
