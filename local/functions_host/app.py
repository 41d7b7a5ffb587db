"""The ASGI application: route, authorize, read the body, invoke, answer.

The order is the real host's (`FunctionInvocationMiddleware`): a request without a route is answered 404 before a key is
looked at, and one without its key 401 before its body is read. Every answer of the host itself has an empty body, 500
for a function that failed included (`ExceptionMiddleware`).
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from local.functions_host.annotations import app_streams
from local.functions_host.auth import AuthLevel, Keys, is_authorized, presented_key
from local.functions_host.context import InvocationContext, trace_from
from local.functions_host.functions import HTTP_OUTPUT, HTTP_TRIGGER, IndexedFunction
from local.functions_host.http import (
    BODY_LIMIT_BYTES,
    ResponseInvalid,
    client_response,
    function_request,
    header_values,
    query_values,
)
from local.functions_host.http_streams import (
    LimitedBody,
    declares_more,
    raised_response,
    streamed_request,
    streamed_response,
)
from local.functions_host.invocation import HttpFunction, InvocationFailed, Invoker, http_function
from local.functions_host.routes import Match, Route, RouteTable
from local.functions_host.templates import parse_template

LONGEST_LOGGED_PATH = 200
_log = logging.getLogger(__name__)
_requests = logging.getLogger("local.functions_host.requests")


@dataclass(frozen=True, slots=True)
class Endpoint:
    function: HttpFunction
    level: AuthLevel


def is_served(function: IndexedFunction) -> bool:
    """Whether all its bindings are those of HTTP; other triggers are listed, and not yet run."""
    return function.http_trigger is not None and {binding.type for binding in function.bindings} <= {
        HTTP_TRIGGER,
        HTTP_OUTPUT,
    }


def endpoint_routes(
    functions: Sequence[IndexedFunction], prefix: str, extension_imported: bool = False
) -> list[Route[Endpoint]]:
    """The routes of the functions that are served. The functions have passed the rules."""
    streams = app_streams(functions, extension_imported)
    return [
        Route(
            name=function.name,
            template=parse_template(full_route(function, prefix)),
            methods=function.methods,
            target=Endpoint(function=http_function(function, streams), level=AuthLevel(function.auth_level)),
        )
        for function in functions
        if is_served(function)
    ]


def full_route(function: IndexedFunction, prefix: str) -> str:
    return f"{prefix}/{function.route}" if prefix else function.route


class FunctionsApplication:
    """An ASGI application. With ``keys`` ``None`` no key is asked for."""

    def __init__(
        self,
        table: RouteTable[Endpoint],
        invoker: Invoker,
        keys: Keys | None = None,
        body_limit: int = BODY_LIMIT_BYTES,
    ) -> None:
        self._table = table
        self._invoker = invoker
        self._keys = keys
        self._body_limit = body_limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise NotImplementedError(f"the host does not serve {scope['type']}")
        started = time.perf_counter()
        body = LimitedBody(receive, self._body_limit)
        request = Request(scope, body)
        raw_path = _raw_path(scope)
        match = self._table.match(request.method, raw_path)
        try:
            response = await self._answer(request, body, match)
        except ClientDisconnect:
            if not body.exceeded:
                _requests.info("%s %s: the client went away", request.method, raw_path[:LONGEST_LOGGED_PATH])
                return
            response = Response(status_code=413)
        if body.exceeded:
            response = Response(status_code=413)
        _log_request(request.method, raw_path, response.status_code, match, time.perf_counter() - started)
        await _send(response, scope, body, send, match)

    async def _answer(self, request: Request, body: LimitedBody, match: Match[Endpoint] | None) -> Response:
        if match is None:
            return Response(status_code=404)
        endpoint = match.route.target
        headers = header_values(request.headers.items())
        key = presented_key(headers, query_values(request.scope["query_string"]))
        if not is_authorized(self._keys, endpoint.level, endpoint.function.name, key):
            return Response(status_code=401)
        if declares_more(request, self._body_limit):
            return Response(status_code=413)
        context = _context(endpoint.function, headers)
        call = self._stream if endpoint.function.streams else self._whole
        try:
            return await call(match, request, body, context)
        except InvocationFailed:
            return Response(status_code=500)
        except ResponseInvalid as error:
            _log.error("Function '%s': %s (Id: %s)", endpoint.function.name, error, context.invocation_id)
            return Response(status_code=500)

    async def _whole(
        self, match: Match[Endpoint], request: Request, _: LimitedBody, context: InvocationContext
    ) -> Response:
        given = function_request(request, _raw_path(request.scope), match.values, await request.body())
        return client_response(await self._invoker.invoke(match.route.target.function, given, context))

    async def _stream(
        self, match: Match[Endpoint], request: Request, body: LimitedBody, context: InvocationContext
    ) -> Response:
        given = streamed_request(request.scope, body, match.values, context.invocation_id)
        try:
            return streamed_response(await self._invoker.invoke(match.route.target.function, given, context))
        except InvocationFailed as failed:
            return await raised_response(given, failed.cause)


async def _send(response: Response, scope: Scope, receive: Receive, send: Send, match: Match[Endpoint] | None) -> None:
    """The rest of a function may run in here: the body that it streams, and the work that it left for after."""
    try:
        await response(scope, receive, send)
    except ClientDisconnect:
        _requests.info("the client went away before the answer of %s had ended", match.route.name if match else "-")
    except Exception:  # noqa: BLE001 - the boundary around what is left of a function
        name = match.route.name if match is not None else "-"
        _log.exception("Function '%s' raised while its answer was sent", name)


def _context(function: HttpFunction, headers: dict[str, str]) -> InvocationContext:
    return InvocationContext(
        function_name=function.name,
        function_directory=function.directory,
        invocation_id=str(uuid.uuid4()),
        trace_context=trace_from(headers),
    )


def _raw_path(scope: Scope) -> str:
    raw: bytes = scope["raw_path"]
    return raw.partition(b"?")[0].decode("latin-1")


def _log_request(method: str, raw_path: str, status: int, match: Match[Endpoint] | None, seconds: float) -> None:
    """One line, without the query, which may hold a key, and without any body."""
    name = match.route.name if match is not None else "-"
    _requests.info("%s %s %d %.0f ms %s", method, raw_path[:LONGEST_LOGGED_PATH], status, seconds * 1000, name)
