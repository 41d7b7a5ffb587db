"""Readiness checks: at once, bounded, one thread each however many ask."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

from core.errors import BusUnavailable
from infrastructure.web.probes import Probe, Probes


def fine() -> None:
    return


def away() -> None:
    raise BusUnavailable("nobody answers")


def broken() -> None:
    raise RuntimeError("the secret")


def codes(probes: Sequence[Probe]) -> dict[str, str | None]:
    return {probe.name: probe.error.code if probe.error is not None else None for probe in probes}


def test_each_check_tells_what_it_came_to_in_order() -> None:
    found = asyncio.run(Probes().run({"c": fine, "a": away, "b": broken}))

    assert list(codes(found).items()) == [("c", None), ("a", "BUS_UNAVAILABLE"), ("b", "HANDLER_ERROR")]
    assert all(probe.milliseconds >= 0 for probe in found)
    assert "secret" not in str(found)


def test_no_checks_is_ready() -> None:
    assert list(asyncio.run(Probes().run({}))) == []


def test_checks_run_at_once() -> None:
    together = threading.Barrier(3, timeout=30)

    found = asyncio.run(Probes(30).run({name: lambda: (together.wait(), None)[1] for name in "abc"}))

    assert codes(found) == {"a": None, "b": None, "c": None}


def test_one_that_hangs_holds_no_other_and_is_not_started_again() -> None:
    started = threading.Semaphore(0)
    release = threading.Event()

    def hangs() -> None:
        started.release()
        release.wait(30)

    probes = Probes(0.02)
    try:
        for _ in range(3):
            assert codes(asyncio.run(probes.run({"slow": hangs, "other": fine}))) == {
                "slow": "CHECK_TIMEOUT",
                "other": None,
            }
        assert started.acquire(timeout=30)
        assert not started.acquire(blocking=False)
    finally:
        release.set()


def test_one_that_hangs_from_an_earlier_call_is_told_at_once() -> None:
    now = [0.0]
    probes = Probes(30, monotonic=lambda: now[0])
    release = threading.Event()

    async def ask() -> Sequence[Probe]:
        first = asyncio.create_task(probes.run({"slow": lambda: release.wait(60)}))
        await asyncio.sleep(0)
        now[0] = 31.0
        async with asyncio.timeout(15):
            second = await probes.run({"slow": fine, "other": fine})
        release.set()
        await first
        return second

    try:
        slow, other = asyncio.run(ask())
    finally:
        release.set()

    assert codes([slow, other]) == {"slow": "CHECK_TIMEOUT", "other": None}
    assert slow.error is not None
    assert slow.error.message.endswith("has been running for 31.0")


def test_checks_that_are_a_part_of_something_end_in_its_time() -> None:
    release = threading.Event()
    now = [100.0]
    probes = Probes(30, monotonic=lambda: now[0])

    try:
        found = asyncio.run(probes.run({"slow": lambda: release.wait(60)}, began=69.99))
    finally:
        release.set()

    assert codes(found) == {"slow": "CHECK_TIMEOUT"}


def test_what_a_check_returned_is_told() -> None:
    (probe,) = asyncio.run(Probes().run({"x": lambda: 7}))

    assert (probe.value, probe.error) == (7, None)


def test_who_asks_while_it_runs_gets_the_same_outcome() -> None:
    calls: list[int] = []
    both = threading.Event()

    def counted() -> None:
        calls.append(1)
        both.wait(30)

    async def ask() -> tuple[Sequence[Probe], Sequence[Probe]]:
        probes = Probes(30)
        first = asyncio.create_task(probes.run({"x": counted}))
        second = asyncio.create_task(probes.run({"x": counted}))
        await asyncio.sleep(0)
        both.set()
        return await first, await second

    one, other = asyncio.run(ask())

    assert codes(one) == codes(other) == {"x": None}
    assert calls == [1]


def test_it_is_asked_again_when_it_has_ended() -> None:
    probes = Probes()

    assert codes(asyncio.run(probes.run({"x": away}))) == {"x": "BUS_UNAVAILABLE"}
    assert codes(asyncio.run(probes.run({"x": fine}))) == {"x": None}
