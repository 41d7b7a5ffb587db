"""The worker's HTTP surface, on parts of the test's own: nothing listens, and nothing is asked of any network."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from fastapi import APIRouter, Request
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from pydantic import BaseModel
from starlette.responses import StreamingResponse

from core.attempts import APPLIED, Processed
from core.context import TaskContext
from core.errors import BusUnavailable, HandlerLost
from core.handlers import task_handler
from core.outcome import Outcome, Succeeded
from core.registry import HandlerRegistry
from core.runner import HandlerCall, HandlerRunner
from docker_worker.counted_bus import BusCounts
from docker_worker.lifecycle import Phase
from docker_worker.runner import ChildStats
from docker_worker.status import WorkerStatus
from docker_worker.surface import app as surface
from docker_worker.surface.app import create_app
from docker_worker.surface.metrics import TaskSeconds, WorkerCollector
from docker_worker.surface.parts import SurfaceParts
from infrastructure.postgres.pool import PoolStats
from infrastructure.service_bus.properties import (
    PropertiesUnavailable,
    QueueInspected,
    QueueMissing,
    QueueProperties,
)
from infrastructure.tokens import TokenRefused, TokenState
from testing.clock import EPOCH, FakeClock

KEY = "a key of the test's"
SCOPE = "https://storage.azure.com/.default"
QUEUE = QueueProperties("long", 60.0, 10, 600.0, None, None, True, False, "Active", 3, 1, 2)
CHILD = ChildStats(4711, EPOCH, 5_000, 6_000, 7_000, 2, 3, 1, 0, 0, {"memory": 2})
POOL = PoolStats(2, 10, 3, 1, 2, 0, 9, 3, 1, 0)


class Nothing(BaseModel):
    pass


def nothing(_params: Nothing, _context: TaskContext) -> Nothing:
    return Nothing()


@dataclass
class Looked:
    """What stands for lifecycle and heartbeat."""

    phase: Phase = Phase.RUNNING
    loop_is_dead: bool = False
    lease_seconds: float = 60.0
    renewed: int = 4
    lost: int = 1


@dataclass
class World:
    clock: FakeClock = field(default_factory=FakeClock)
    looked: Looked = field(default_factory=Looked)
    queue: Callable[[], QueueInspected] = lambda: QUEUE
    refresh: Callable[[], None] = lambda: None
    key: str = KEY
    mode: str = "service_bus"
    routers: list[APIRouter] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.status = WorkerStatus(self.clock)
        self.tokens = [TokenState(SCOPE, EPOCH + timedelta(hours=1), 2, "TOKEN_REFUSED", EPOCH)]
        handlers = [
            task_handler("long_one", nothing, long_running=True),
            task_handler("short_one", nothing),
        ]
        self.parts = SurfaceParts(
            mode=self.mode,
            queue_name="long",
            worker_key=self.key,
            max_body_bytes=100,
            clock=self.clock,
            started_at=self.clock.now(),
            status=self.status,
            lifecycle=self.looked,
            leases=self.looked,
            bus_counts=BusCounts(7, 5, 3),
            handlers=HandlerRegistry(handlers),
            child=lambda: CHILD,
            pool=lambda: POOL,
            tokens=lambda: self.tokens,
            queue=self.queue,
            refresh=self.refresh,
        )
        self.registry = CollectorRegistry()
        self.registry.register(WorkerCollector(self.parts))
        self.app = create_app(self.parts, self.registry, routers=self.routers)

    def call(self, method: str, path: str, **more: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://worker") as client:
                return await client.request(method, path, **more)

        return asyncio.run(ask())

    def get(self, path: str) -> httpx.Response:
        return self.call("GET", path)

    def begin_task(self, checkpoint_json: str | None = None) -> None:
        lease = SimpleNamespace(task_id="t-1", attempt=2, token=99)
        claim = SimpleNamespace(lease=lease, task_type="long_one", checkpoint_json=checkpoint_json)
        self.status.began(cast("Any", SimpleNamespace(claim=claim)))

    def metric(self, name: str, **labels: str) -> float | None:
        families = text_string_to_metric_families(self.get("/metrics").text)
        samples = (sample for family in families for sample in family.samples)
        return next((s.value for s in samples if s.name == f"coremachine_worker_{name}" and s.labels == labels), None)


@pytest.fixture
def world() -> World:
    return World()


def error_of(answer: httpx.Response) -> dict[str, Any]:
    body = answer.json()
    assert list(body) == ["error"]
    assert set(body["error"]) == {"code", "message", "request_id", "details"}
    assert body["error"]["request_id"] == answer.headers["x-request-id"]
    found: dict[str, Any] = body["error"]
    return found


def test_it_lives_whatever_its_state(world: World) -> None:
    world.looked.loop_is_dead, world.looked.phase = True, Phase.DRAINING
    assert (world.get("/livez").status_code, world.get("/livez").json()) == (200, {"status": "alive"})


@pytest.mark.parametrize("route", ["/livez", "/readyz", "/health"])
def test_a_probe_may_ask_for_the_head_alone(world: World, route: str) -> None:
    assert world.call("HEAD", route).status_code == 200


def test_it_is_ready_when_it_takes_tasks(world: World) -> None:
    assert world.get("/readyz").json() == {"status": "ready", "state": "idle"}
    world.begin_task()
    assert world.get("/readyz").json() == {"status": "ready", "state": "busy"}


def test_a_worker_that_is_called_is_ready_once_its_database_has_answered() -> None:
    world = World(mode="http_trigger")
    assert world.get("/readyz").status_code == 503
    assert world.get("/health").json()["state"] == "starting"
    world.status.polled()
    assert world.get("/readyz").json() == {"status": "ready", "state": "idle"}


@pytest.mark.parametrize(
    ("looked", "reason"),
    [
        (Looked(phase=Phase.STARTING), "starts"),
        (Looked(phase=Phase.DRAINING), "takes no more tasks"),
        (Looked(phase=Phase.DRAINED), "takes no more tasks"),
        (Looked(loop_is_dead=True), "has ended"),
    ],
)
def test_it_says_why_it_is_not_ready(looked: Looked, reason: str) -> None:
    answer = World(looked=looked).get("/readyz")
    assert answer.status_code == 503
    error = error_of(answer)
    assert error["code"] == "WORKER_NOT_READY"
    assert reason in error["message"]
    assert error["details"] == {"phase": looked.phase}


def test_health_tells_what_runs_and_how_fast(world: World) -> None:
    world.begin_task()
    world.clock.advance(10)
    world.status.progressed(50.0, "page 5")
    world.clock.advance(60)
    world.status.progressed(80.0, "page 8")

    answer = world.get("/health")
    told = answer.json()
    assert (answer.status_code, told["status"], told["phase"], told["state"]) == (200, "healthy", "running", "busy")
    assert told["current"] == {
        "task_id": "t-1",
        "task_type": "long_one",
        "attempt": 2,
        "started_at": "2030-01-01T00:00:00Z",
        "seconds": 70.0,
        "percent": 80.0,
        "message": "page 8",
        "percent_per_minute": 30.0,
        "remaining_seconds": 40.0,
        "token": 99,
        "lease_seconds": 60.0,
    }
    assert told["child"]["pid"] == 4711
    assert told["database_pool"]["lent"] == 2
    assert told["tokens"][0]["error"] == "TOKEN_REFUSED"
    assert told["uptime_seconds"] == 70.0
    assert {"python", "onnxruntime", "paddleocr"} <= set(told["versions"])


def test_a_rate_is_told_only_where_it_is_known(world: World) -> None:
    world.begin_task(checkpoint_json="{}")
    world.clock.advance(10)
    world.status.progressed(50.0, "resumed")
    current = world.get("/health").json()["current"]
    assert (current["percent_per_minute"], current["remaining_seconds"]) == (None, None)


def test_health_tells_the_pace_that_it_has_now(world: World) -> None:
    world.begin_task()
    for percent in (30, 60, 61, 62, 63):
        world.clock.advance(60)
        world.status.progressed(percent, "")
    world.clock.advance(30)

    current = world.get("/health").json()["current"]
    assert current["percent_per_minute"] == 1.0
    assert current["remaining_seconds"] == 37 * 60 - 30


def test_health_is_503_where_nothing_takes_tasks(world: World) -> None:
    world.looked.loop_is_dead = True
    answer = world.get("/health")
    assert (answer.status_code, answer.json()["status"], answer.json()["worker"]["alive"]) == (503, "unhealthy", False)


def test_the_handlers_are_those_of_long_tasks_with_their_schemas(world: World) -> None:
    [handler] = world.get("/handlers").json()["handlers"]
    assert handler["task_type"] == "long_one"
    assert handler["parameters"]["type"] == "object"


def test_the_queue_is_told_as_the_bus_has_it(world: World) -> None:
    told = world.get("/queue/status").json()
    assert told["queue"]["size"] == 4
    assert (told["queue"]["active"], told["queue"]["scheduled"], told["queue"]["dead_letters"]) == (3, 1, 2)
    assert told["worker"] == {"state": "idle", "alive": True}


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (PropertiesUnavailable("long", BusUnavailable("away")), "BUS_UNAVAILABLE"),
        (QueueMissing("long"), "BUS_MISCONFIGURED"),
    ],
)
def test_a_bus_that_does_not_tell_is_503_with_its_code(found: QueueInspected, code: str) -> None:
    answer = World(queue=lambda: found).get("/queue/status")
    assert (answer.status_code, error_of(answer)["code"]) == (503, code)
    assert "retry-after" in answer.headers


@pytest.fixture
def hung() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_a_bus_that_hangs_is_not_waited_for(hung: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surface, "QUEUE_SECONDS", 0.05)

    def hangs() -> QueueInspected:
        hung.wait()
        return QUEUE

    answer = World(queue=hangs).get("/queue/status")
    assert (answer.status_code, error_of(answer)["code"]) == (503, "CHECK_TIMEOUT")


@pytest.mark.parametrize(
    ("key", "given", "status", "code"),
    [
        ("", {"x-worker-key": ""}, 403, "KEY_NOT_CONFIGURED"),
        ("", {}, 403, "KEY_NOT_CONFIGURED"),
        (KEY, {}, 401, "KEY_WRONG"),
        (KEY, {"x-worker-key": KEY + "x"}, 401, "KEY_WRONG"),
        (KEY, {"x-worker-key": "\u00e9".encode()}, 401, "KEY_WRONG"),
    ],
)
def test_nobody_changes_anything_without_the_key(key: str, given: dict[str, Any], status: int, code: str) -> None:
    refreshed: list[None] = []
    world = World(key=key, refresh=lambda: refreshed.append(None))
    answer = world.call("POST", "/auth/refresh", headers=given)
    assert (answer.status_code, error_of(answer)["code"]) == (status, code)
    assert not refreshed


def test_with_the_key_tokens_and_pool_are_refreshed() -> None:
    refreshed: list[str] = []
    world = World(refresh=lambda: refreshed.append("refreshed"))
    answer = world.call("POST", "/auth/refresh", headers={"x-worker-key": KEY})
    assert (answer.status_code, answer.json()["tokens"][0]["scope"], refreshed) == (200, SCOPE, ["refreshed"])


def test_a_key_of_other_letters_is_a_key() -> None:
    world = World(key="schl\u00fcssel")
    headers = {"x-worker-key": "schl\u00fcssel".encode()}
    assert world.call("POST", "/auth/refresh", headers=cast("Any", headers)).status_code == 200


def refused() -> None:
    raise TokenRefused("no token")


def test_a_refresh_that_fails_is_told_with_its_code() -> None:
    answer = World(refresh=refused).call("POST", "/auth/refresh", headers={"x-worker-key": KEY})
    assert (answer.status_code, error_of(answer)["code"]) == (503, "TOKEN_REFUSED")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "ROUTE_NOT_FOUND"),
        ("GET", "/docs", 404, "ROUTE_NOT_FOUND"),
        ("GET", "/openapi.json", 404, "ROUTE_NOT_FOUND"),
        ("GET", "/redoc", 404, "ROUTE_NOT_FOUND"),
        ("GET", "/livez/", 404, "ROUTE_NOT_FOUND"),
        ("POST", "/auth/refresh/", 404, "ROUTE_NOT_FOUND"),
        ("POST", "/livez", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/auth/refresh", 405, "METHOD_NOT_ALLOWED"),
    ],
)
def test_what_is_not_there_is_said_in_the_one_shape(
    world: World, method: str, path: str, status: int, code: str
) -> None:
    answer = world.call(method, path)
    assert (answer.status_code, error_of(answer)["code"]) == (status, code)
    assert ("allow" in answer.headers) == (status == 405)


def test_the_callers_request_id_is_kept_where_it_is_one(world: World) -> None:
    assert world.call("GET", "/livez", headers={"x-request-id": "abc-1"}).headers["x-request-id"] == "abc-1"
    assert world.call("GET", "/livez", headers={"x-request-id": "a b"}).headers["x-request-id"] != "a b"


def echoing(fail: Exception | None = None) -> APIRouter:
    router = APIRouter()

    @router.post("/echo")
    async def echo(request: Request) -> int:
        if fail is not None:
            raise fail
        return len(await request.body())

    return router


def in_pieces() -> Any:
    async def pieces() -> Any:
        for _ in range(11):
            yield b"0123456789"

    return pieces()


def test_bodies_are_bounded_whether_or_not_they_say_how_long_they_are() -> None:
    world = World(routers=[echoing()])
    assert world.call("POST", "/echo", content=b"x" * 100).json() == 100
    for body in (b"x" * 101, in_pieces()):
        answer = world.call("POST", "/echo", content=body)
        assert (answer.status_code, error_of(answer)["code"]) == (413, "BODY_TOO_LARGE")


def test_a_bug_is_500_and_its_text_is_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    answer = World(routers=[echoing(ValueError("hunter2"))]).call("POST", "/echo")
    assert (answer.status_code, error_of(answer)["code"]) == (500, "INTERNAL_ERROR")
    assert "hunter2" not in answer.text + caplog.text
    assert "request_failed" in caplog.text


async def cut_short() -> httpx.Response:
    """What a call is answered whose task the server cancels while the route is at work."""
    entered, router = asyncio.Event(), APIRouter()

    @router.get("/slow")
    async def slow() -> None:
        entered.set()
        await asyncio.Event().wait()

    transport = httpx.ASGITransport(World(routers=[router]).app)
    async with httpx.AsyncClient(transport=transport, base_url="http://worker") as client:
        asking = asyncio.create_task(client.get("/slow"))
        await entered.wait()
        asking.cancel()
        return await asking


def test_a_call_that_the_end_cuts_short_is_answered() -> None:
    answer = asyncio.run(cut_short())
    assert (answer.status_code, error_of(answer)["code"]) == (503, "WORKER_NOT_READY")
    assert "retry-after" in answer.headers


def test_no_key_is_in_a_text(world: World) -> None:
    assert KEY not in repr(world.parts)


def test_metrics_are_those_of_the_moment(world: World) -> None:
    assert world.metric("busy") == 0
    world.begin_task()
    world.status.progressed(12.5, "")
    world.clock.advance(30)
    assert world.metric("busy") == 1
    assert world.metric("task_percent") == 12.5
    assert world.metric("task_age_seconds") == 30
    assert world.metric("state", state="busy") == 1
    assert world.metric("state", state="idle") == 0

    world.status.ended(Processed(APPLIED, Succeeded("{}")))
    world.status.ended(Processed("lease_lost"))
    assert world.metric("attempts_total", outcome="succeeded") == 1
    assert world.metric("attempts_total", outcome="lease_lost") == 1
    assert world.metric("busy_seconds_total") == 30
    assert world.metric("task_percent") is None


def test_metrics_tell_of_child_bus_leases_pool_and_tokens(world: World) -> None:
    world.clock.advance(600)
    assert world.metric("child_resident_bytes") == 5_000
    assert world.metric("children_made_total") == 3
    assert world.metric("children_killed_total", reason="memory") == 2
    assert world.metric("polls_total") == 7
    assert world.metric("locks_renewed_total") == 3
    assert (world.metric("leases_renewed_total"), world.metric("leases_lost_total")) == (4, 1)
    assert world.metric("pool_connections", kind="lent") == 2
    assert world.metric("token_seconds_left", scope=SCOPE) == 3_000
    assert world.metric("token_failures", scope=SCOPE) == 2
    assert world.metric("loop_alive") == 1
    world.looked.loop_is_dead = True
    assert world.metric("loop_alive") == 0
    world.status.waits("STORE_UNAVAILABLE")
    assert world.metric("waiting") == 1


def test_how_long_attempts_ran_is_counted_by_what_came_of_them(world: World) -> None:
    times = iter([0.0, 2.0, 10.0, 17.0])
    call = cast("HandlerCall", SimpleNamespace(handler=task_handler("long_one", nothing)))
    ended: list[Outcome] = [Succeeded("{}")]

    def inner(call: HandlerCall) -> Outcome:
        if ended:
            return ended.pop()
        raise HandlerLost("CHILD_KILLED", "it is gone")

    runner: HandlerRunner = TaskSeconds(inner, world.registry, lambda: next(times))
    runner(call)
    with pytest.raises(HandlerLost):
        runner(call)
    assert world.metric("attempt_seconds_sum", task_type="long_one", outcome="succeeded") == 2.0
    assert world.metric("attempt_seconds_sum", task_type="long_one", outcome="handler_lost") == 7.0


def test_two_workers_in_one_process_share_no_metrics() -> None:
    first, second = World(), World()
    TaskSeconds(cast("HandlerRunner", None), first.registry)
    TaskSeconds(cast("HandlerRunner", None), second.registry)
    first.status.ended(None)
    assert first.metric("attempts_total", outcome="not_committed") == 1
    assert second.metric("attempts_total", outcome="not_committed") is None


def test_an_answer_that_breaks_off_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    router, fail = APIRouter(), ValueError("hunter2")

    @router.get("/long")
    async def long() -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"begun"
            raise fail

        return StreamingResponse(pieces())

    world = World(routers=[router])
    with pytest.raises(AssertionError):  # by which httpx says that the answer did not come whole
        world.get("/long")
    assert "request_failed" in caplog.text
    assert "hunter2" not in caplog.text
