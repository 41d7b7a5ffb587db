"""A blueprint behind the local host's ASGI application: its routes, its streams, no sockets."""

from __future__ import annotations

import azure.functions as func
from starlette.types import ASGIApp

from local.functions_host.app import FunctionsApplication, endpoint_routes
from local.functions_host.auth import Keys
from local.functions_host.functions import IndexedFunction, index_app
from local.functions_host.invocation import Invoker
from local.functions_host.routes import RouteTable


def functions_of(blueprint: func.Blueprint) -> tuple[IndexedFunction, ...]:
    app = func.FunctionApp()
    app.register_functions(blueprint)
    return index_app(app)


def streamed_app(blueprint: func.Blueprint, keys: Keys | None = None) -> ASGIApp:
    """Its functions are asynchronous, so that the host's pool of threads is never begun."""
    routes = endpoint_routes(functions_of(blueprint), "api", extension_imported=True)
    return FunctionsApplication(RouteTable(routes), Invoker(None, threads=1), keys)
