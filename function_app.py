"""The Azure Functions app: built from wiring, each trigger a few lines."""

from __future__ import annotations

import os
from pathlib import Path

import azure.functions as func

from docker_worker.ocr.paddle_engine import PaddleEngines
from infrastructure.settings import Settings
from infrastructure.wiring import build_registries
from testing.endpoints.blueprint import create_test_blueprint
from testing.endpoints.limits import HarnessLimits
from testing.endpoints.service import HarnessService
from testing.factories import Registries


def create_app(settings: Settings) -> func.FunctionApp:
    """The app that ``settings`` ask for. The test endpoints are registered only where they are switched on."""
    function_app = func.FunctionApp()
    if settings.enable_test_endpoints:
        function_app.register_functions(create_test_blueprint(_harness_service(settings)))
    return function_app


def _harness_service(settings: Settings) -> HarnessService:
    jobs, handlers = build_registries(settings, PaddleEngines(Path(settings.ocr_model_root)))
    limits = HarnessLimits(
        max_body_bytes=settings.test_max_body_bytes,
        timeout_seconds=settings.test_timeout_seconds,
        max_concurrency=settings.test_max_concurrency,
        rate_per_minute=settings.test_rate_per_minute,
        burst=settings.test_burst,
    )
    return HarnessService(Registries(jobs, handlers), limits)


app = create_app(Settings.from_environment(os.environ))
