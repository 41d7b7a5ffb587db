"""The ASGI application: route, authorize, read the body, invoke, answer.

The order is the real host's (`FunctionInvocationMiddleware`): a request without a route is answered 404 before a key is
looked at, and one without its key 401 before its body is read. Every answer of the host itself has an empty body, 500
for a function that failed included (`ExceptionMiddleware`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from local.functions_host.annotations import app_streams
from local.functions_host.auth import AuthLevel, Keys, is_authorized, presented_key
from local.functions_host.context import InvocationContext, new_context, trace_from
from local.functions_host.executions import Execution
from local.functions_host.functions import IndexedFunction
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
from local.functions_host.invocation import InvocableFunction, InvocationFailed, Invoker, invocable
from local.functions_host.routes import Match, Route, RouteTable
from local.functions_host.templates import parse_template
from local.functions_host.trigger_kinds import is_http

LONGEST_LOGGED_PATH = 200
_log = logging.getLogger(__name__)
_requests = logging.getLogger("local.functions_host.requests")


@dataclass(frozen=True, slots=True)
class Endpoint:
    function: InvocableFunction
    level: AuthLevel


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
            target=Endpoint(function=invocable(function, streams), level=AuthLevel(function.auth_level)),
        )
        for function in functions
        if is_http(function)
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
        match = self._table.match(request.method, _raw_path(scope))
        refusal = self._refusal(request, match)
        if match is None or refusal is not None:
            response = refusal or Response(status_code=404)
            _log_refusal(request, response.status_code, match, time.perf_counter() - started)
        else:
            answer = await self._answer(match, request, body)
            if answer is None:
                return
            response = answer
        await _send(response, scope, body, send, match)

    def _refusal(self, request: Request, match: Match[Endpoint] | None) -> Response | None:
        """The answer to a request for which no function is called."""
        if match is None:
            return Response(status_code=404)
        endpoint = match.route.target
        key = presented_key(header_values(request.headers.items()), query_values(request.scope["query_string"]))
        if not is_authorized(self._keys, endpoint.level, endpoint.function.name, key):
            return Response(status_code=401)
        return Response(status_code=413) if declares_more(request, self._body_limit) else None

    async def _answer(self, match: Match[Endpoint], request: Request, body: LimitedBody) -> Response | None:
        """``None`` when the client has gone away."""
        function = match.route.target.function
        context = new_context(function.name, function.directory, trace_from(header_values(request.headers.items())))
        reason = f"{request.method} {_shown_path(request)}"
        execution = Execution(function.name, reason, context.invocation_id)
        call = self._stream if function.streams else self._whole
        try:
            response = await call(match, request, body, context)
        except ClientDisconnect:
            if not body.exceeded:
                execution.succeeded("the client went away")
                return None
            response = Response(status_code=413)
        except InvocationFailed as failed:
            execution.failed(str(failed), failed.cause)
            return _raised(failed) if function.streams else Response(status_code=500)
        except ResponseInvalid as error:
            execution.failed(str(error))
            return Response(status_code=500)
        if body.exceeded:
            response = Response(status_code=413)
        execution.succeeded(str(response.status_code))
        return response

    async def _whole(
        self, match: Match[Endpoint], request: Request, _: LimitedBody, context: InvocationContext
    ) -> Response:
        given = function_request(request, _raw_path(request.scope), match.values, await request.body())
        return client_response(await self._invoker.invoke(match.route.target.function, given, context))

    async def _stream(
        self, match: Match[Endpoint], request: Request, body: LimitedBody, context: InvocationContext
    ) -> Response:
        given = streamed_request(request.scope, body, match.values, context.invocation_id)
        return streamed_response(await self._invoker.invoke(match.route.target.function, given, context))


def _raised(failed: InvocationFailed) -> Response:
    """FastAPI's exceptions have answers of their own, the headers of which may be wrong too."""
    try:
        return raised_response(failed.cause)
    except ResponseInvalid:
        return Response(status_code=500)


async def _send(response: Response, scope: Scope, receive: Receive, send: Send, match: Match[Endpoint] | None) -> None:
    """The rest of a function may run in here: the body that it streams, and the work that it left for after."""
    name = match.route.name if match is not None else "-"
    try:
        await response(scope, receive, send)
    except ClientDisconnect:
        _requests.info("The client went away before the answer of %s had ended", name)
    except Exception:  # noqa: BLE001 - the boundary around what is left of a function
        _log.exception("Function '%s' raised while its answer was sent", name)


def _raw_path(scope: Scope) -> str:
    raw: bytes = scope["raw_path"]
    return raw.partition(b"?")[0].decode("latin-1")


def _shown_path(request: Request) -> str:
    return _raw_path(request.scope)[:LONGEST_LOGGED_PATH]


def _log_refusal(request: Request, status: int, match: Match[Endpoint] | None, seconds: float) -> None:
    """One line, without the query, which may hold a key."""
    name = f" {match.route.name}" if match is not None else ""
    _requests.info("%s %s %d, %.0f ms%s", request.method, _shown_path(request), status, seconds * 1000, name)
