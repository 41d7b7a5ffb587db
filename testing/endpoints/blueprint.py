"""The test endpoints as an Azure Functions blueprint, of the kind that streams. Registered only where they are on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response  # type: ignore[import-untyped]

from testing.endpoints.service import Answer, HarnessService

_KEY = func.AuthLevel.FUNCTION


def create_test_blueprint(service: HarnessService) -> func.Blueprint:
    """Routes under ``test/``, each behind a function key.

    They wait in threads of their own: a synchronous trigger would hold one of the few threads in which the app's
    other functions run, and an asynchronous one that works by itself holds all of them.
    """
    blueprint = func.Blueprint()  # type: ignore[no-untyped-call]

    @blueprint.function_name("test_execute")
    @blueprint.route("test/execute/{task_type}", methods=["POST"], auth_level=_KEY)
    async def test_execute(req: Request) -> Response:
        body = await _body(req, service.max_body_bytes)
        return await _answered(lambda: service.execute(req.path_params["task_type"], body))

    @blueprint.function_name("test_run")
    @blueprint.route("test/run/{job_type}", methods=["POST"], auth_level=_KEY)
    async def test_run(req: Request) -> Response:
        body = await _body(req, service.max_body_bytes)
        return await _answered(lambda: service.run(req.path_params["job_type"], body))

    @blueprint.function_name("test_handlers")
    @blueprint.route("test/handlers", methods=["GET"], auth_level=_KEY)
    async def test_handlers(req: Request) -> Response:
        return await _answered(service.handlers)

    @blueprint.function_name("test_state")
    @blueprint.route("test/state", methods=["GET"], auth_level=_KEY)
    async def test_state(req: Request) -> Response:
        return await _answered(lambda: service.state(req.query_params.get("execution_id") or None))

    @blueprint.function_name("test_messages")
    @blueprint.route("test/messages", methods=["GET"], auth_level=_KEY)
    async def test_messages(req: Request) -> Response:
        return await _answered(lambda: service.messages(req.query_params.get("execution_id") or None))

    @blueprint.function_name("test_reset")
    @blueprint.route("test/reset", methods=["POST"], auth_level=_KEY)
    async def test_reset(req: Request) -> Response:
        return await _answered(service.reset)

    return blueprint


async def _body(req: Request, limit: int) -> bytes:
    """The body; of one over ``limit`` no more than shows that it is. The rest is read, so that the client gets to
    read the answer.
    """
    body = bytearray()
    async for piece in req.stream():
        if len(body) <= limit:
            body += piece
    return bytes(body)


async def _answered(ask: Callable[[], Answer]) -> Response:
    answer = await asyncio.to_thread(ask)
    return Response(
        json.dumps(answer.body, ensure_ascii=False, separators=(",", ":")),
        status_code=answer.status,
        headers=dict(answer.headers),
        media_type="application/json",
    )
