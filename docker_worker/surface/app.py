"""The app: its routes, and what stands around them."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict
from typing import TypeVar, assert_never, cast

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry
from pydantic import BaseModel
from starlette.responses import Response

from core.errors import BusMisconfigured, CoreMachineError
from docker_worker.surface.envelope import Envelope, answer_errors
from docker_worker.surface.errors import KeyNotConfigured, KeyWrong, WorkerNotReady
from docker_worker.surface.health import jsonable, report, state_of, why_not_ready
from docker_worker.surface.metrics import CONTENT_TYPE, exposed
from docker_worker.surface.parts import SurfaceParts
from infrastructure.service_bus.properties import PropertiesUnavailable, QueueInspected, QueueMissing, QueueProperties
from infrastructure.web.answers import NEVER_STORED
from infrastructure.web.errors import CheckTimeout
from infrastructure.web.probes import Probes

KEY_HEADER = "x-worker-key"
PROBED = ["GET", "HEAD"]

QUEUE_SECONDS = 5.0
"""How long the bus is waited for."""

REFRESH_SECONDS = 30.0
"""How long new tokens and a new connection are waited for."""

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]
T = TypeVar("T")


class CallFailed(RuntimeError):
    """A call of ours raised what it should not; its frames are in the log."""


class Alive(BaseModel):
    """Asks nothing of anybody: a process whose database is away need not be killed."""

    status: str = "alive"


def create_app(
    parts: SurfaceParts,
    registry: CollectorRegistry,
    lifespan: Lifespan | None = None,
    routers: Sequence[APIRouter] = (),
) -> FastAPI:
    """Without pages about itself: what it can do is in docs/operations.md."""
    app = FastAPI(
        title="CoreMachine worker",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=lifespan,
        redirect_slashes=False,  # the redirect would name whatever host the caller said
    )
    answer_errors(app)
    for router in (looks(parts, registry), changes(parts), *routers):
        app.include_router(router)
    app.add_middleware(Envelope, max_body_bytes=parts.max_body_bytes)
    return app


def looks(parts: SurfaceParts, registry: CollectorRegistry) -> APIRouter:
    """What anybody may ask who reaches the worker."""
    router = APIRouter()
    probes = Probes(QUEUE_SECONDS)

    @router.api_route("/livez", methods=PROBED)
    async def livez() -> Alive:
        return Alive()

    @router.api_route("/readyz", methods=PROBED)
    async def readyz() -> JSONResponse:
        lifecycle, state = parts.lifecycle, state_of(parts, parts.status.snapshot())
        reason = why_not_ready(lifecycle.phase, state, loop_is_dead=lifecycle.loop_is_dead)
        if reason is not None:
            raise WorkerNotReady(reason, phase=str(lifecycle.phase))
        return _answer({"status": "ready", "state": state})

    @router.api_route("/health", methods=PROBED)
    async def health() -> JSONResponse:
        healthy, told = report(parts)
        return _answer(told, 200 if healthy else 503)

    @router.get("/handlers")
    async def handlers() -> JSONResponse:
        return _answer({"handlers": [one.schema() for one in parts.handlers.values() if one.long_running]})

    @router.get("/queue/status")
    async def queue_status() -> JSONResponse:
        found = _queue(await _within(probes, "queue", parts.queue))
        state = state_of(parts, parts.status.snapshot())
        return _answer({"queue": found, "worker": {"state": state, "alive": not parts.lifecycle.loop_is_dead}})

    @router.get("/metrics")
    async def metrics() -> Response:
        return Response(exposed(registry), media_type=CONTENT_TYPE, headers=NEVER_STORED)

    return router


def changes(parts: SurfaceParts) -> APIRouter:
    """What only those may ask who have the key."""
    router = APIRouter(dependencies=[Depends(_key_check(parts.worker_key))])
    probes = Probes(REFRESH_SECONDS)

    @router.post("/auth/refresh")
    async def refresh() -> JSONResponse:
        await _within(probes, "refresh", parts.refresh)
        return _answer({"status": "refreshed", "tokens": [one._asdict() for one in parts.tokens()]})

    return router


def _key_check(key: str) -> Callable[[Request], Awaitable[None]]:
    expected = key.encode()

    async def check(request: Request) -> None:
        if not expected:
            raise KeyNotConfigured("nobody may do this: DOCKER_WORKER_KEY is not set")
        if not hmac.compare_digest(request.headers.get(KEY_HEADER, "").encode("latin-1"), expected):
            raise KeyWrong(f"the header {KEY_HEADER} is not the worker's key")

    return check


async def _within(probes: Probes, name: str, call: Callable[[], T]) -> T:
    """What ``call`` returns or raises, in a thread of its own. Raises :class:`CheckTimeout` where it takes too long."""

    def caught() -> T | CoreMachineError:
        try:
            return call()
        except CoreMachineError as error:
            return error

    (probe,) = await probes.run({name: caught})
    if probe.error is not None:
        raise CheckTimeout(probe.error.message) if probe.error.code == CheckTimeout.code else CallFailed(name)
    if isinstance(probe.value, CoreMachineError):
        raise probe.value
    return cast("T", probe.value)


def _queue(found: QueueInspected) -> dict[str, object]:
    """Raises what kept the bus from telling."""
    match found:
        case QueueProperties():
            return asdict(found) | {"size": found.active + found.scheduled}
        case QueueMissing(queue):
            raise BusMisconfigured(f"the bus has no queue {queue!r}")
        case PropertiesUnavailable(error=error):
            raise error
    assert_never(found)


def _answer(content: object, status: int = 200) -> JSONResponse:
    return JSONResponse(jsonable(content), status, NEVER_STORED)
