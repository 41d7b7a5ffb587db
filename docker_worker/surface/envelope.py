"""Around every route: a request id, a bound on the body, and one shape for whatever goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import CoreMachineError
from docker_worker.surface.errors import (
    CallMalformed,
    MethodNotAllowed,
    RouteNotFound,
    SurfaceRefusal,
    WorkerNotReady,
)
from infrastructure.web.body import declared_length
from infrastructure.web.errors import BodyTooLarge
from infrastructure.web.refusals import refusal, request_id_from

REQUEST_ID = "x-request-id"


class Envelope:
    """ASGI in front of the app. Whatever leaves the app as an exception is answered here, so that no text of an error
    that is not ours is told or logged.
    """

    def __init__(self, app: ASGIApp, max_body_bytes: int) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        call = _Call(request_id_from(headers.get(REQUEST_ID)), self._max_body_bytes, receive, send)
        scope.setdefault("state", {})["request_id"] = call.request_id
        if (declared_length(headers) or 0) > self._max_body_bytes:
            await call.refuse(scope, call.too_large())
            return
        came = await self._came_to(scope, call)
        if came is not None:
            await call.refuse(scope, came)

    async def _came_to(self, scope: Scope, call: _Call) -> BaseException | None:
        try:
            (came,) = await asyncio.gather(self._app(scope, call.receive, call.send), return_exceptions=True)
        except asyncio.CancelledError:  # by the server, which waits no longer at its end
            return WorkerNotReady("the worker ends before it has an answer")
        return came


class _Call:
    def __init__(self, request_id: str, max_body_bytes: int, receive: Receive, send: Send) -> None:
        self.request_id = request_id
        self.answered = False
        self._max_body_bytes = max_body_bytes
        self._bytes = 0
        self._receive = receive
        self._send = send

    async def receive(self) -> Message:
        """Raises :class:`BodyTooLarge` at the first byte over the bound."""
        message = await self._receive()
        self._bytes += len(message.get("body", b""))
        if self._bytes > self._max_body_bytes:
            raise self.too_large()
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.answered = True
            MutableHeaders(scope=message)[REQUEST_ID] = self.request_id
        await self._send(message)

    async def refuse(self, scope: Scope, error: BaseException) -> None:
        """Log it; and say it, where nothing has been said yet."""
        response = _response(error, self.request_id, scope["path"])
        if not self.answered:
            await response(scope, self._receive, self.send)

    def too_large(self) -> BodyTooLarge:
        limit = self._max_body_bytes
        return BodyTooLarge(f"the body has more than {limit} bytes", limit=limit)


def answer_errors(app: FastAPI) -> None:
    """What routes raise, and what FastAPI and Starlette raise by themselves, in the one shape."""

    @app.exception_handler(CoreMachineError)
    async def ours(request: Request, error: CoreMachineError) -> Response:
        return _answered(request, error)

    @app.exception_handler(HTTPException)
    async def theirs(request: Request, error: HTTPException) -> Response:
        return _answered(request, _translated(error), error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, _error: RequestValidationError) -> Response:
        return _answered(request, CallMalformed("the call does not fit the route"))


def _translated(error: HTTPException) -> CoreMachineError:
    match error.status_code:
        case 404:
            return RouteNotFound("there is no such route")
        case 405:
            return MethodNotAllowed("the route does not take this method")
        case _:
            return CallMalformed(f"the call cannot be read: HTTP {error.status_code}")


def _answered(request: Request, error: CoreMachineError, headers: Mapping[str, str] | None = None) -> Response:
    return _response(error, request.state.request_id, request.url.path, headers)


def _response(error: BaseException, request_id: str, route: str, headers: Mapping[str, str] | None = None) -> Response:
    status = error.status if isinstance(error, SurfaceRefusal) else None
    answer = refusal(error, request_id, route, status)
    return Response(answer.content, answer.status, {**answer.headers, **(headers or {})}, answer.media_type)
