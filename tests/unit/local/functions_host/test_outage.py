"""A broker that is away: one line when it goes, one when it is back, longer waits in between."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from itertools import pairwise

import pytest

from local.functions_host.outage import FIRST_WAIT, LONGEST_WAIT, Outage, one_line, retry_wait


def test_the_wait_grows_to_its_longest_and_jitter_halves_it_at_most() -> None:
    waits = [retry_wait(failures, 0) for failures in range(1, 12)]
    assert waits[0] == FIRST_WAIT
    assert waits[-1] == LONGEST_WAIT
    assert all(later in (2 * earlier, LONGEST_WAIT) for earlier, later in pairwise(waits))
    assert retry_wait(10_000, 1) == LONGEST_WAIT / 2


def test_all_lanes_together_say_two_lines(caplog: pytest.LogCaptureFixture) -> None:
    clock = iter([100.0, 112.4])
    outage = Outage("consume (queue q)", now=lambda: next(clock), jitter=lambda: 0.0)
    for failures in (1, 1, 2):
        assert outage.failed(ConnectionError("refused\nand more"), failures) == retry_wait(failures, 0)
    outage.worked()
    outage.worked()
    assert not outage.is_on
    assert [record.getMessage() for record in caplog.records] == [
        "consume (queue q): not reached, trying again until it is: ConnectionError: refused",
        "consume (queue q): reached again after 12 s",
    ]


def test_the_end_of_it_wakes_those_that_wait() -> None:
    async def scenario() -> None:
        outage = Outage("q")
        outage.failed(ConnectionError(), 1)
        waiting = asyncio.create_task(outage.wait(timedelta(hours=1), asyncio.Event()))
        await asyncio.sleep(0)
        outage.worked()
        await asyncio.wait_for(waiting, 20)

    asyncio.run(scenario())


def test_so_does_the_host_s_end() -> None:
    async def scenario() -> None:
        outage, stop = Outage("q"), asyncio.Event()
        outage.failed(ConnectionError(), 1)
        stop.set()
        await asyncio.wait_for(outage.wait(timedelta(hours=1), stop), 20)

    asyncio.run(scenario())


def test_an_error_without_a_text_is_its_name() -> None:
    assert one_line(TimeoutError()) == "TimeoutError"
