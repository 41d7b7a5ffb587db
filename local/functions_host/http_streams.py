"""HTTP streams: a function is given the server's own request, and returns a response of starlette's or FastAPI's.

Sources: `azure_functions_runtime.http_v2` (the worker runs a FastAPI app with one route for everything and hands its
request to the function), `azurefunctions.extensions.http.fastapi.RequestSynchronizer` (the route's values become
``path_params``). So a value that is not a response becomes what FastAPI makes of it, and ``None`` a failure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import azure.functions as func
from pydantic import TypeAdapter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Message, Receive, Scope

from local.functions_host.http import ResponseInvalid

INVOCATION_ID_HEADER = b"x-ms-invocation-id"

WITHOUT_BODY = frozenset({204, 205, 304})

_ANYTHING = TypeAdapter(Any)
_HOP_BY_HOP = frozenset({b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"})
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(rb"[^\x00\r\n]*")


class LimitedBody:
    """An ASGI ``receive`` under a limit in bytes: over it, it says what it says when the client has gone away.

    What the function makes of that is its own affair; the host answers 413 when ``exceeded``.
    """

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._left = limit
        self.exceeded = False

    async def __call__(self) -> Message:
        if self.exceeded:
            return {"type": "http.disconnect"}
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            self.exceeded = True
            return {"type": "http.disconnect"}
        return message


def declares_more(request: Request, limit: int) -> bool:
    """Whether the request's own length is over ``limit`` bytes."""
    declared = request.headers.get("content-length", "")
    return declared.isdecimal() and int(declared) > limit


def streamed_request(scope: Scope, body: LimitedBody, route_values: Mapping[str, str], invocation_id: str) -> Request:
    """The request that the function gets: the client's own, with the route's values and the host's header."""
    headers = [(name, value) for name, value in scope["headers"] if name.lower() != INVOCATION_ID_HEADER]
    own: dict[str, Any] = dict(scope)
    own["headers"] = [*headers, (INVOCATION_ID_HEADER, invocation_id.encode("ascii"))]
    own["path_params"] = dict(route_values)
    return Request(own, body)


def streamed_response(returned: object) -> Response:
    """Raises :class:`ResponseInvalid` for what the worker fails on, and for headers that must not be sent."""
    if isinstance(returned, Response):
        return _checked(returned)
    if returned is None or isinstance(returned, func.HttpResponse):
        raise ResponseInvalid(
            f"the function returned {type(returned).__name__}; with HTTP streams it returns a Response of "
            "azurefunctions.extensions.http.fastapi"
        )
    try:
        return JSONResponse(_ANYTHING.dump_python(returned, mode="json"))
    except (TypeError, ValueError, RecursionError) as error:
        raise ResponseInvalid(f"the function returned {type(returned).__name__}, which is not JSON: {error}") from error


def raised_response(error: BaseException | None) -> Response:
    """What FastAPI answers for an exception: an `HTTPException` has a status and a detail, any other is a 500.

    Source: `fastapi.exception_handlers.http_exception_handler`.
    """
    if not isinstance(error, HTTPException):
        return Response(status_code=500)
    if error.status_code in WITHOUT_BODY:
        return _checked(Response(status_code=error.status_code, headers=error.headers))
    return _checked(JSONResponse({"detail": error.detail}, error.status_code, error.headers))


def _checked(response: Response) -> Response:
    if not 200 <= response.status_code <= 599:
        raise ResponseInvalid(f"the function returned the HTTP status {response.status_code}")
    for name, value in response.raw_headers:
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            shown = name.decode("latin-1")
            raise ResponseInvalid(
                f"the function returned the header {shown!r} with characters that HTTP does not allow"
            )
    response.raw_headers = [pair for pair in response.raw_headers if pair[0].lower() not in _HOP_BY_HOP]
    return response
