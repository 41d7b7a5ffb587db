"""The API as an Azure Functions blueprint, of the kind that streams (HTTP streams)."""

from __future__ import annotations

from collections.abc import Callable

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response  # type: ignore[import-untyped]

from infrastructure.web.openapi import contract
from infrastructure.web.parts import WebParts
from infrastructure.web.routes import AnyRoute
from infrastructure.web.service import ApiService
from infrastructure.web.table import ROUTES


def create_api_blueprint(parts: Callable[[], WebParts]) -> func.Blueprint:
    """``parts`` is called for each request that needs them, from a thread, and is expected to keep what it made.

    What it raises is answered as any error; ``livez`` and ``openapi.json`` never call it.
    """
    blueprint = func.Blueprint()  # type: ignore[no-untyped-call]
    service = ApiService(parts, lambda: contract(ROUTES))
    for route in ROUTES:
        _register(blueprint, service, route)
    return blueprint


def _register(blueprint: func.Blueprint, service: ApiService, route: AnyRoute) -> None:
    async def endpoint(req: Request) -> Response:
        return await service.answer(route, req)

    endpoint.__name__ = route.name
    routed = blueprint.route(route.path, methods=[route.method], auth_level=_level(route))(endpoint)
    blueprint.function_name(route.name)(routed)


def _level(route: AnyRoute) -> func.AuthLevel:
    if route.admin:
        return func.AuthLevel.ADMIN
    return func.AuthLevel.ANONYMOUS if route.anonymous else func.AuthLevel.FUNCTION
