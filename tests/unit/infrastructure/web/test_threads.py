"""The API's threads: bounded, nobody's but the API's, and no call waits long for one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar

import pytest

from infrastructure.web.errors import ServerBusy
from infrastructure.web.threads import Threads

HELD = "a test"
of_call: ContextVar[str] = ContextVar("of_call", default="")


class Hung:
    """Calls that have begun, and do not end before the test does."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.release = threading.Event()

    def __call__(self) -> str:
        self.begun.release()
        assert self.release.wait(60)
        return "ended"


@contextmanager
def hung() -> Iterator[Hung]:
    call = Hung()
    try:
        yield call
    finally:
        call.release.set()


async def begin(threads: Threads, call: Hung, count: int) -> list[asyncio.Task[str]]:
    """So many calls that are being worked on."""
    tasks = [asyncio.create_task(threads.run(call)) for _ in range(count)]
    for _ in tasks:
        await asyncio.to_thread(call.begun.acquire)
    return tasks


def fail() -> None:
    raise KeyError("x")


def test_a_call_runs_in_a_named_thread_in_its_context_and_gives_what_it_gives() -> None:
    threads = Threads("api", 2)

    async def ask() -> tuple[str, str]:
        of_call.set(HELD)
        with pytest.raises(KeyError):
            await threads.run(fail)
        return await threads.run(lambda: (threading.current_thread().name, of_call.get()))

    name, context = asyncio.run(ask())

    assert name.startswith("api_")
    assert context == HELD


def test_what_hangs_in_the_default_pool_of_the_loop_holds_no_call() -> None:
    async def ask(call: Hung) -> str:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        other = loop.run_in_executor(None, call)
        came = await Threads("api", 1).run(lambda: "answered")
        assert not other.done()
        call.release.set()
        await other
        return came

    with hung() as call:
        assert asyncio.run(ask(call)) == "answered"


def test_without_a_free_thread_a_call_is_refused_and_has_not_begun() -> None:
    threads = Threads("api", 2, wait_seconds=0.01)
    calls: list[int] = []

    async def ask(call: Hung) -> list[str]:
        tasks = await begin(threads, call, 2)
        with pytest.raises(ServerBusy):
            await threads.run(lambda: calls.append(1))
        call.release.set()
        return await asyncio.gather(*tasks)

    with hung() as call:
        assert asyncio.run(ask(call)) == ["ended"] * 2
    assert calls == []


def test_a_call_that_waits_gets_the_thread_that_becomes_free() -> None:
    threads = Threads("api", 1, wait_seconds=60)

    async def ask(call: Hung) -> list[str]:
        tasks = await begin(threads, call, 1)
        later = [asyncio.create_task(threads.run(lambda: "later")) for _ in range(5)]
        await asyncio.sleep(0)
        call.release.set()
        return await asyncio.gather(*tasks, *later)

    with hung() as call:
        assert asyncio.run(ask(call)) == ["ended", *["later"] * 5]


def test_no_more_wait_than_may() -> None:
    threads = Threads("api", 1, wait_seconds=60, waiting=1)

    async def ask(call: Hung) -> list[str]:
        tasks = await begin(threads, call, 1)
        waits = asyncio.create_task(threads.run(lambda: "waited"))
        await asyncio.sleep(0)
        with pytest.raises(ServerBusy):
            await threads.run(lambda: "too many")
        call.release.set()
        return await asyncio.gather(*tasks, waits)

    with hung() as call:
        assert asyncio.run(ask(call)) == ["ended", "waited"]


def test_who_is_cancelled_while_it_waits_takes_no_thread() -> None:
    threads = Threads("api", 1, wait_seconds=60, waiting=1)

    async def ask(call: Hung) -> list[str]:
        tasks = await begin(threads, call, 1)
        for _ in range(3):
            waits = asyncio.create_task(threads.run(lambda: "never"))
            await asyncio.sleep(0)
            waits.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waits
        call.release.set()
        return [*await asyncio.gather(*tasks), await threads.run(lambda: "after")]

    with hung() as call:
        assert asyncio.run(ask(call)) == ["ended", "after"]


def test_a_cancelled_call_keeps_its_thread_until_it_has_ended() -> None:
    threads = Threads("api", 1, wait_seconds=60, waiting=1)

    async def ask(call: Hung) -> str:
        (task,) = await begin(threads, call, 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        later = asyncio.create_task(threads.run(lambda: "after"))
        await asyncio.sleep(0)
        with pytest.raises(ServerBusy):
            await threads.run(lambda: "too early")
        call.release.set()
        return await later

    with hung() as call:
        assert asyncio.run(ask(call)) == "after"


def test_it_serves_one_loop_after_the_other() -> None:
    threads = Threads("api", 1)

    assert [asyncio.run(threads.run(lambda: "answered")) for _ in range(2)] == ["answered"] * 2
