"""``POST /task/start``: signature headers, body, signature, claim; the task runs behind the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import assert_never

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from core.errors import CoreMachineError, MessageInvalid, MessageVersionUnsupported, UnknownTaskType
from core.ports import Clock
from docker_worker.http_trigger import Begun, HttpTriggeredWorker, NothingToBegin, NotTaking, Occupied
from docker_worker.surface.errors import WorkerNotReady
from infrastructure.task_start.bodies import MAX_BODY_BYTES, PATH, StartAnswer, TaskStart, parse_start
from infrastructure.task_start.errors import WorkerBusy
from infrastructure.task_start.signature import SigningKeys
from infrastructure.web.body import check_json_type, declared_length, read_within
from infrastructure.web.errors import ClientGone, UploadStalled
from infrastructure.web.refusals import refusal, request_id_from

BODY_SECONDS = 15.0
"""How long a body may take to arrive."""

NOT_A_START = (UnknownTaskType, MessageInvalid, MessageVersionUnsupported)
"""What is wrong with a body here, and elsewhere with a path or with what comes from a queue."""


def start_router(worker: HttpTriggeredWorker, keys: SigningKeys, clock: Clock) -> APIRouter:
    """202 begun, 200 nothing to begin, 409 ``WORKER_BUSY``, 503 where the worker or the store is not there."""
    router = APIRouter()

    @router.post(PATH, status_code=202)
    async def start(request: Request) -> Response:
        try:
            headers = _headers(request)
            keys.check_headers(headers, clock.now())
            body = await _body(request)
            keys.check("POST", _target(request), body, headers, clock.now())
            return await run_in_threadpool(_offered, worker, parse_start(body))
        except CoreMachineError as error:
            return _refused(error, request)

    return router


def _offered(worker: HttpTriggeredWorker, asked: TaskStart) -> Response:
    """Raises :class:`WorkerBusy`, :class:`WorkerNotReady`, and as :meth:`HttpTriggeredWorker.offer`."""
    offered = worker.offer(asked.message, asked.callback_url)
    match offered:
        case Begun():
            return _answer(202, asked, "begun")
        case NothingToBegin(effect):
            return _answer(200, asked, effect)
        case Occupied():
            raise WorkerBusy("another task runs")
        case NotTaking():
            raise WorkerNotReady("the worker starts, ends or waits for the database")
    assert_never(offered)


async def _body(request: Request) -> bytes:
    """Raises :class:`UnsupportedMediaType`, :class:`BodyTooLarge`, :class:`UploadStalled` and :class:`ClientGone`."""
    check_json_type(request.headers)
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await read_within(request.stream(), MAX_BODY_BYTES, declared_length(request.headers))
    except TimeoutError as error:
        raise UploadStalled(f"the body took more than {BODY_SECONDS:g} seconds") from error
    except ClientDisconnect as error:
        raise ClientGone("the caller went away") from error


def _target(request: Request) -> str:
    return f"{PATH}?{request.url.query}" if request.url.query else PATH


def _headers(request: Request) -> Mapping[str, list[str]]:
    return {name: request.headers.getlist(name) for name in request.headers}


def _answer(status: int, asked: TaskStart, effect: str) -> Response:
    message = asked.message
    told = StartAnswer(task_id=message.task_id, attempt=message.attempt, effect=effect)
    return JSONResponse(told.model_dump(mode="json"), status)


def _refused(error: CoreMachineError, request: Request) -> Response:
    status = 422 if isinstance(error, NOT_A_START) else None
    request_id = getattr(request.state, "request_id", None) or request_id_from(request.headers.get("x-request-id"))
    answer = refusal(error, request_id, PATH, status)
    return Response(answer.content, answer.status, dict(answer.headers), answer.media_type)
