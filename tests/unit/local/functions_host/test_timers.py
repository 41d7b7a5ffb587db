"""When a timer is called and what it is given; time is moved by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import azure.functions as func
import pytest

from local.functions_host.functions import index_app
from local.functions_host.invocation import Invoker, invocable
from local.functions_host.schedule import parse_schedule
from local.functions_host.timers import LONGEST_WAIT, TimerListener, first_state, timer_request

NOON = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.time = NOON

    def now(self) -> datetime:
        return self.time

    def advance(self, **span: float) -> None:
        self.time += timedelta(**span)


class Timed:
    """A listener on a function that writes down its requests; ``takes`` is how long each call takes."""

    def __init__(self, invoker: Invoker, schedule: str, run_on_startup: bool = False) -> None:
        self.clock = Clock()
        self.requests: list[Any] = []
        self.takes = timedelta()
        app = func.FunctionApp()

        @app.timer_trigger("timer", schedule)
        async def timed(timer: func.TimerRequest) -> None:
            self.requests.append(timer)
            self.clock.time += self.takes
            if self.takes < timedelta():
                raise RuntimeError("it breaks")

        (function,) = index_app(app)
        self.listener = TimerListener(
            invocable(function), parse_schedule(schedule), run_on_startup, invoker, self.clock.now
        )


@pytest.fixture
def invoker() -> Iterator[Invoker]:
    with closing(Invoker(None)) as invoker:
        yield invoker


def test_it_is_called_when_it_is_due_and_not_before(invoker: Invoker) -> None:
    timed = Timed(invoker, "*/20 * * * * *")

    async def scenario() -> None:
        assert await timed.listener.step() == timedelta(seconds=20)
        timed.clock.advance(seconds=19)
        assert await timed.listener.step() == timedelta(seconds=1)
        assert timed.requests == []
        timed.clock.advance(seconds=1)
        assert await timed.listener.step() == timedelta(seconds=20)

    asyncio.run(scenario())
    (request,) = timed.requests
    assert request.past_due is False
    assert request.schedule_status == {
        "Last": "0001-01-01T00:00:00+00:00",
        "LastUpdated": "0001-01-01T00:00:00+00:00",
        "Next": "2026-01-01T12:00:20+00:00",
    }


def test_times_that_pass_while_its_call_runs_are_left_out(invoker: Invoker) -> None:
    timed = Timed(invoker, "*/20 * * * * *")
    timed.takes = timedelta(seconds=50)

    async def scenario() -> None:
        timed.clock.advance(seconds=20)
        assert await timed.listener.step() == timedelta(seconds=10)

    asyncio.run(scenario())
    assert len(timed.requests) == 1
    assert timed.listener.state.last == NOON + timedelta(seconds=20)
    assert timed.listener.state.next_due == NOON + timedelta(seconds=80)


def test_what_was_missed_is_called_once_and_told_as_past_due(invoker: Invoker) -> None:
    timed = Timed(invoker, "0 * * * * *")

    async def scenario() -> None:
        timed.clock.advance(minutes=10, seconds=5)
        await timed.listener.step()
        await timed.listener.step()

    asyncio.run(scenario())
    (request,) = timed.requests
    assert request.past_due is True
    assert request.schedule_status["Next"] == "2026-01-01T12:01:00+00:00"
    assert timed.listener.state.next_due == NOON + timedelta(minutes=11)


def test_the_wall_clock_is_looked_at_now_and_then(invoker: Invoker) -> None:
    timed = Timed(invoker, "0 0 3 * * *")
    assert asyncio.run(timed.listener.step()) == LONGEST_WAIT


@pytest.mark.parametrize(("wanted", "calls"), [(True, 1), (False, 0)])
def test_it_runs_at_startup_where_it_is_asked_to(invoker: Invoker, wanted: bool, calls: int) -> None:
    timed = Timed(invoker, "0 0 3 * * *", run_on_startup=wanted)
    asyncio.run(timed.listener.startup())
    assert len(timed.requests) == calls
    assert timed.listener.state.next_due == datetime(2026, 1, 2, 3, tzinfo=UTC)


def test_a_call_that_fails_is_told_and_the_next_comes(invoker: Invoker, caplog: pytest.LogCaptureFixture) -> None:
    timed = Timed(invoker, "*/20 * * * * *")
    timed.takes = timedelta(microseconds=-1)

    async def scenario() -> None:
        for _ in range(2):
            timed.clock.advance(seconds=20)
            await timed.listener.step()

    asyncio.run(scenario())
    assert len(timed.requests) == 2
    assert caplog.text.count("RuntimeError: it breaks") == 2
    assert "Executed timed (Failed, timer due 12:00:20Z, " in caplog.text


def test_a_stop_waits_for_the_call_and_ends_the_loop(invoker: Invoker) -> None:
    timed = Timed(invoker, "0 0 3 * * *", run_on_startup=True)

    async def scenario() -> None:
        timed.listener.start()
        await asyncio.sleep(0)
        await timed.listener.stop(grace_seconds=20)

    asyncio.run(scenario())
    assert len(timed.requests) == 1


def test_a_stop_cuts_off_a_call_that_outlasts_the_grace(invoker: Invoker, caplog: pytest.LogCaptureFixture) -> None:
    app = func.FunctionApp()

    @app.timer_trigger("timer", "0 0 3 * * *")
    async def hanging(timer: func.TimerRequest) -> None:
        await asyncio.Event().wait()

    (function,) = index_app(app)
    listener = TimerListener(invocable(function), parse_schedule("0 0 3 * * *"), True, invoker)

    async def scenario() -> None:
        listener.start()
        await asyncio.sleep(0)
        await listener.stop(grace_seconds=0)

    asyncio.run(scenario())
    assert "Executed hanging (Cut off, timer, at startup, " in caplog.text


def test_a_listener_that_was_not_started_may_be_stopped(invoker: Invoker) -> None:
    asyncio.run(Timed(invoker, "0 0 3 * * *").listener.stop(0))


def test_the_request_is_the_library_s_own() -> None:
    request = timer_request(first_state(parse_schedule("0 0 3 * * *"), NOON), past_due=True)
    assert isinstance(request, func.TimerRequest)
    assert (request.past_due, request.schedule) == (True, {"AdjustForDST": True})  # type: ignore[attr-defined]
