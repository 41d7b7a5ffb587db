"""``POST /task/start``: the signature, then the body, then the claim; the task runs behind the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import assert_never

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from core.errors import CoreMachineError, InvalidInput, TransientError
from core.ports import Clock
from docker_worker.http_trigger import Begun, HttpTriggeredWorker, NothingToBegin, NotTaking, Occupied
from infrastructure.task_start.bodies import MAX_BODY_BYTES, PATH, StartAnswer, TaskStart, parse_start
from infrastructure.task_start.errors import (
    SignatureMalformed,
    SignatureRefused,
    SignatureWrong,
    WorkerBusy,
)
from infrastructure.task_start.signature import SigningKeys

BODY_SECONDS = 15.0
"""How long a body may take to arrive."""

RETRY_AFTER: Mapping[str, str] = {"Retry-After": "5"}

_STATUS_OF: tuple[tuple[type[CoreMachineError], int], ...] = (
    (SignatureMalformed, 400),
    (SignatureWrong, 403),
    (SignatureRefused, 401),
    (InvalidInput, 422),
    (TransientError, 503),
)


def start_router(worker: HttpTriggeredWorker, keys: SigningKeys, clock: Clock) -> APIRouter:
    """202 begun, 200 nothing to begin, 409 ``WORKER_BUSY``, 503 where the worker or the store is not there."""
    router = APIRouter()

    @router.post(PATH, status_code=202)
    async def start(request: Request) -> JSONResponse:
        body = await _body(request)
        if isinstance(body, JSONResponse):
            return body
        try:
            keys.check("POST", _target(request), body, _headers(request), clock.now())
            asked = parse_start(body)
            return await run_in_threadpool(_offered, worker, asked)
        except CoreMachineError as error:
            return _refusal(error)

    return router


def _offered(worker: HttpTriggeredWorker, asked: TaskStart) -> JSONResponse:
    offered = worker.offer(asked.message, asked.callback_url)
    match offered:
        case Begun():
            return _answer(202, asked, "begun")
        case NothingToBegin(effect):
            return _answer(200, asked, effect)
        case Occupied():
            return _error(409, WorkerBusy.code, "another task runs", headers=RETRY_AFTER)
        case NotTaking():
            return _error(503, "WORKER_NOT_TAKING", "the worker starts or ends", headers=RETRY_AFTER)
    assert_never(offered)


async def _body(request: Request) -> bytes | JSONResponse:
    """The body, or why it is not taken. No more is read than may be."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        return _error(415, "UNSUPPORTED_MEDIA_TYPE", "the body has to be application/json")
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for piece in request.stream():
                body += piece
                if len(body) > MAX_BODY_BYTES:
                    message = f"the body has more than {MAX_BODY_BYTES} bytes"
                    return _error(413, "BODY_TOO_LARGE", message, headers={"Connection": "close"})
    except TimeoutError:
        return _error(408, "BODY_TOO_SLOW", f"the body took more than {BODY_SECONDS:g} seconds")
    except ClientDisconnect:
        return _error(400, "CLIENT_GONE", "the caller went away")
    return bytes(body)


def _target(request: Request) -> str:
    query = request.url.query
    return f"{PATH}?{query}" if query else PATH


def _headers(request: Request) -> Mapping[str, list[str]]:
    return {name: request.headers.getlist(name) for name in request.headers}


def _answer(status: int, asked: TaskStart, effect: str) -> JSONResponse:
    message = asked.message
    told = StartAnswer(task_id=message.task_id, attempt=message.attempt, effect=effect)
    return JSONResponse(told.model_dump(mode="json"), status)


def _refusal(error: CoreMachineError) -> JSONResponse:
    status = next((status for kind, status in _STATUS_OF if isinstance(error, kind)), 500)
    return _error(status, error.code, error.message, error.details, RETRY_AFTER if status == 503 else None)


def _error(
    status: int,
    code: str,
    message: str,
    details: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    error = {"code": code, "message": message, "details": dict(details or {})}
    return JSONResponse({"error": error}, status, headers)
