"""The Azure Functions app: built from wiring, each trigger a few lines."""

from __future__ import annotations

import logging
import os

import azure.functions as func

from docker_worker.engines import engine_provider
from infrastructure.functions.blueprint import create_trigger_blueprint
from infrastructure.lazy import Lazy
from infrastructure.settings import Settings
from infrastructure.web.blueprint import create_api_blueprint
from infrastructure.wiring import build_backend, build_registries, web_parts
from testing.endpoints.blueprint import create_test_blueprint
from testing.endpoints.limits import HarnessLimits
from testing.endpoints.service import HarnessService
from testing.factories import Registries

_log = logging.getLogger(__name__)


def create_app(settings: Settings) -> func.FunctionApp:
    """The app that ``settings`` ask for.

    Without a Service Bus there are no jobs. The test endpoints are registered only where they are switched on.
    """
    function_app = func.FunctionApp()
    if settings.has_bus:
        backend = Lazy(lambda: build_backend(settings, engine_provider(settings)))
        function_app.register_functions(create_trigger_blueprint(settings, backend))
        function_app.register_functions(create_api_blueprint(Lazy(lambda: web_parts(backend()))))
    else:
        _log.warning("no_service_bus", extra={"reason": "SERVICE_BUS_CONNECTION and SERVICE_BUS_FQDN are not set"})
    if settings.enable_test_endpoints:
        function_app.register_functions(create_test_blueprint(_harness_service(settings)))
    return function_app


def _harness_service(settings: Settings) -> HarnessService:
    jobs, handlers = build_registries(settings, engine_provider(settings))
    limits = HarnessLimits(
        max_body_bytes=settings.test_max_body_bytes,
        timeout_seconds=settings.test_timeout_seconds,
        max_concurrency=settings.test_max_concurrency,
        rate_per_minute=settings.test_rate_per_minute,
        burst=settings.test_burst,
    )
    return HarnessService(Registries(jobs, handlers), limits)


app = create_app(Settings.from_environment(os.environ))
