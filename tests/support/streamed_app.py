"""Serves the HTTP-streams functions of a blueprint as an ASGI application: the host's routing, without its keys."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import cast

import azure.functions as func
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from local.functions_host.functions import IndexedFunction, index_app
from local.functions_host.routes import Route, RouteTable
from local.functions_host.templates import parse_template

StreamedFunction = Callable[[Request], Awaitable[Response]]


def functions_of(blueprint: func.Blueprint) -> tuple[IndexedFunction, ...]:
    app = func.FunctionApp()
    app.register_functions(blueprint)
    return index_app(app)


def streamed_app(blueprint: func.Blueprint, prefix: str = "api") -> ASGIApp:
    """Every function is called as the real worker does: the request with its route values, the answer as it is."""
    table: RouteTable[StreamedFunction] = RouteTable(
        [
            Route(
                name=function.name,
                template=parse_template(f"{prefix}/{function.route}"),
                methods=function.methods,
                target=cast("StreamedFunction", function.call),
            )
            for function in functions_of(blueprint)
        ]
    )

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        request = Request({**scope, "path_params": {}}, receive)
        match = table.match(request.method, scope["raw_path"].decode("latin-1").partition("?")[0])
        if match is None:
            await Response(status_code=404)(scope, receive, send)
            return
        request.path_params.update(match.values)
        response = await match.route.target(request)
        await response(scope, receive, send)

    return app
