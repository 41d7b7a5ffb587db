"""The test endpoints as an Azure Functions blueprint. Registered only where they are switched on."""

from __future__ import annotations

import asyncio
import json

import azure.functions as func

from testing.endpoints.service import Answer, HarnessService

_KEY = func.AuthLevel.FUNCTION


def create_test_blueprint(service: HarnessService) -> func.Blueprint:
    """Routes under ``test/``, each behind a function key.

    The two that run handlers are asynchronous and wait in threads of their own: a synchronous trigger would
    hold one of the few threads in which the app's other functions run.
    """
    blueprint = func.Blueprint()  # type: ignore[no-untyped-call]

    @blueprint.function_name("test_execute")
    @blueprint.route("test/execute/{task_type}", methods=["POST"], auth_level=_KEY)
    async def test_execute(req: func.HttpRequest) -> func.HttpResponse:
        return _response(await asyncio.to_thread(service.execute, req.route_params["task_type"], req.get_body()))

    @blueprint.function_name("test_run")
    @blueprint.route("test/run/{job_type}", methods=["POST"], auth_level=_KEY)
    async def test_run(req: func.HttpRequest) -> func.HttpResponse:
        return _response(await asyncio.to_thread(service.run, req.route_params["job_type"], req.get_body()))

    @blueprint.function_name("test_handlers")
    @blueprint.route("test/handlers", methods=["GET"], auth_level=_KEY)
    def test_handlers(req: func.HttpRequest) -> func.HttpResponse:
        return _response(service.handlers())

    @blueprint.function_name("test_state")
    @blueprint.route("test/state", methods=["GET"], auth_level=_KEY)
    def test_state(req: func.HttpRequest) -> func.HttpResponse:
        return _response(service.state(req.params.get("execution_id")))

    @blueprint.function_name("test_messages")
    @blueprint.route("test/messages", methods=["GET"], auth_level=_KEY)
    def test_messages(req: func.HttpRequest) -> func.HttpResponse:
        return _response(service.messages(req.params.get("execution_id")))

    @blueprint.function_name("test_reset")
    @blueprint.route("test/reset", methods=["POST"], auth_level=_KEY)
    def test_reset(req: func.HttpRequest) -> func.HttpResponse:
        return _response(service.reset())

    return blueprint


def _response(answer: Answer) -> func.HttpResponse:
    return func.HttpResponse(
        json.dumps(answer.body, ensure_ascii=False, separators=(",", ":")),
        status_code=answer.status,
        headers=dict(answer.headers),
        mimetype="application/json",
    )
