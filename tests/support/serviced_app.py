"""The API over ASGI on a service that a test made."""

from __future__ import annotations

from unittest import mock

from starlette.types import ASGIApp

from infrastructure.web.blueprint import create_api_blueprint
from infrastructure.web.service import ApiService
from tests.support.streamed_app import streamed_app


def serviced_app(service: ApiService) -> ASGIApp:
    """The application on a service with bounds, or a clock, of its own."""
    with mock.patch("infrastructure.web.blueprint.ApiService", return_value=service):
        return streamed_app(create_api_blueprint(service.make_parts))
