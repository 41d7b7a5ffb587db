"""Something that the API stands on takes calls and never answers: who else still gets an answer, and which."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

import httpx
import pytest

from core.operations import JobOperations
from core.ports import StateStore
from infrastructure.web.openapi import contract
from infrastructure.web.parts import WebParts
from infrastructure.web.probes import Probes
from infrastructure.web.service import ApiService
from infrastructure.web.table import ROUTES
from infrastructure.web.threads import Threads
from tests.support.serviced_app import serviced_app
from tests.support.web import web_world

UNKNOWN = "0" * 64
STATUS = f"/jobs/status/{UNKNOWN}"
ATTEMPTS = 20


class Hangs:
    """Every call of it begins and does not end. As a store, every method is such a call."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.release = threading.Event()

    def __call__(self, *_: object) -> Any:
        self.begun.release()
        assert self.release.wait(60)
        raise KeyError("it was let go")

    def __getattr__(self, name: str) -> Hangs:
        return self


@contextmanager
def hanging() -> Iterator[Hangs]:
    hangs = Hangs()
    try:
        yield hangs
    finally:
        hangs.release.set()


def client_of(
    make_parts: Callable[[], WebParts], *, probe_seconds: float = 5.0, wait_seconds: float = 0.01
) -> httpx.AsyncClient:
    """Of an application with two threads, for which a call waits as long as is said here."""
    service = ApiService(
        make_parts,
        lambda: contract(ROUTES),
        probes=Probes(probe_seconds),
        threads=Threads("api", 2, wait_seconds=wait_seconds),
    )
    transport = httpx.ASGITransport(serviced_app(service))
    return httpx.AsyncClient(transport=transport, base_url="http://test/api", timeout=None)


def code(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["code"])


async def begin(client: httpx.AsyncClient, hangs: Hangs, count: int) -> list[asyncio.Task[httpx.Response]]:
    """So many calls that hang."""
    tasks = [asyncio.create_task(client.get(STATUS)) for _ in range(count)]
    for _ in tasks:
        assert await asyncio.to_thread(hangs.begun.acquire, timeout=60)
    return tasks


def test_with_every_thread_hanging_probes_answer_and_calls_are_refused() -> None:
    async def ask(hangs: Hangs) -> None:
        world = web_world(checks={"fine": lambda: None})
        world.machine.store = cast("StateStore", hangs)
        parts = replace(world.parts, operations=JobOperations(world.machine))
        async with client_of(lambda: parts) as client:
            held = await begin(client, hangs, 2)
            ready, alive, health = [await client.get(path) for path in ("/readyz", "/livez", "/health")]
            refused = [await client.get(STATUS), await client.post("/documents", content=b"x")]
            described = await client.get("/openapi.json")
            assert [task.done() for task in held] == [False, False]
            hangs.release.set()
            ended = await asyncio.gather(*held)

        assert [answer.status_code for answer in (ready, alive, health, described)] == [200] * 4
        assert [(answer.status_code, code(answer)) for answer in refused] == [(503, "SERVER_BUSY")] * 2
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
        assert [answer.status_code for answer in ended] == [500, 500]

    with hanging() as hangs:
        asyncio.run(ask(hangs))


def test_a_check_that_hangs_begins_once_and_takes_no_thread_of_a_call() -> None:
    async def ask(hangs: Hangs) -> None:
        parts = web_world(checks={"hangs": hangs, "fine": lambda: None}).parts
        async with client_of(lambda: parts, probe_seconds=1.0) as client:
            ready = [await client.get("/readyz") for _ in range(ATTEMPTS)]
            crowd = await asyncio.gather(*(client.get("/readyz") for _ in range(ATTEMPTS)))
            call = await client.get(STATUS)

        assert {answer.status_code for answer in (*ready, *crowd)} == {503}
        assert all(answer.json()["error"]["details"]["checks"]["hangs"] == "CHECK_TIMEOUT" for answer in ready)
        assert (call.status_code, code(call)) == (404, "JOB_NOT_FOUND")
        assert hangs.begun.acquire(blocking=False)
        assert not hangs.begun.acquire(blocking=False)

    with hanging() as hangs:
        asyncio.run(ask(hangs))


def test_where_the_parts_cannot_be_made_in_time_probes_answer() -> None:
    async def ask(hangs: Hangs) -> None:
        async with client_of(hangs, probe_seconds=0.02) as client:
            held = await begin(client, hangs, 2)
            ready, alive, health = [await client.get(path) for path in ("/readyz", "/livez", "/health")]
            hangs.release.set()
            await asyncio.gather(*held)

        assert (ready.status_code, code(ready)) == (503, "NOT_READY")
        assert ready.json()["error"]["details"] == {"checks": {"configuration": "CHECK_TIMEOUT"}}
        assert alive.status_code == 200
        assert (health.status_code, health.json()["status"]) == (200, "unhealthy")
        assert [(check["name"], check["code"]) for check in health.json()["checks"]] == [
            ("configuration", "CHECK_TIMEOUT")
        ]

    with hanging() as hangs:
        asyncio.run(ask(hangs))


@pytest.mark.parametrize("path", ["/readyz", "/livez", "/health", "/jobs", "/openapi.json", "/status/providers"])
def test_what_hangs_in_the_loops_own_pool_holds_nobody(path: str) -> None:
    async def ask(hangs: Hangs) -> httpx.Response:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        other = loop.run_in_executor(None, hangs)
        async with client_of(lambda: parts, wait_seconds=5.0) as client:
            answer = await client.get(path)
        assert not other.done()
        hangs.release.set()
        await asyncio.wait([other])
        assert isinstance(other.exception(), KeyError)
        return answer

    parts = web_world().parts
    with hanging() as hangs:
        assert asyncio.run(ask(hangs)).status_code == 200
