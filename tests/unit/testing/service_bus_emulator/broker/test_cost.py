"""What an operation costs, counted in the interpreter's steps: the same on any machine."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any

import pytest

from testing.service_bus_emulator.broker.message import ReceiveMode
from tests.unit.testing.service_bus_emulator.broker.bench import Bench, message

FEW, MANY = 50, 3_000
GROWTH = 1.5
"""A heap's logarithm, log 3,000 / log 50, is 2 of a small part of it; a scan would be 60. A sweep of what
is out of date may fall into one of some cycles, and is paid for by those before it: the cheapest counts."""


def steps(act: Callable[[], object]) -> int:
    """How many instructions ``act`` executes, calls included."""
    counted = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal counted
        frame.f_trace_opcodes = True
        counted += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        act()
    finally:
        sys.settrace(before)
    return counted


def cycle(bench: Bench, session: str | None, turn: int) -> None:
    """Each operation of a message's way, once."""
    bench.send(message(f"new {turn}", session=session, life=1000))
    queue, now = bench.queue, bench.now
    queue.complete(bench.one(session=session).lock_token, now)
    queue.abandon(bench.one(session=session).lock_token, now)
    queue.release(bench.one(session=session).lock_token, now)
    bench.one(session=session, mode=ReceiveMode.RECEIVE_AND_DELETE)
    token = bench.one(session=session).lock_token
    if session is None:
        queue.renew([token], now)
    queue.dead_letter(token, now)
    (number,) = bench.send(message(f"turn {turn}", session=session, due=bench.later(500)))
    queue.cancel_scheduled([number], now)
    queue.peek(number - 10, 3, now)
    queue.properties(now)
    queue.next_event(now)


def filled(waiting: int, *, sessions: bool) -> Bench:
    bench = Bench(requires_session=sessions, window=100)
    for number in range(waiting):
        bench.send(message(str(number), session=f"s{number % 7}" if sessions else None, life=1000 + number))
        bench.send(message(f"later {number}", session="s0" if sessions else None, due=bench.later(500 + number)))
    if sessions:
        bench.queue.accept_session("s0", "me", bench.now)
        bench.receive(waiting // 20, session="s0")
    else:
        bench.receive(waiting // 2)
    return bench


@pytest.mark.parametrize("sessions", [False, True])
def test_an_operation_costs_the_same_however_many_messages_wait(sessions: bool) -> None:
    few, many = filled(FEW, sessions=sessions), filled(MANY, sessions=sessions)
    session = "s0" if sessions else None

    at_least = [min(steps(partial(cycle, bench, session, turn)) for turn in range(3)) for bench in (few, many)]

    assert at_least[0] > 500
    assert at_least[1] < at_least[0] * GROWTH
