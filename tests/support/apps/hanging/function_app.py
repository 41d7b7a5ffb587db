"""An app with the test endpoints and one task, which never comes back."""

from __future__ import annotations

import os
import threading

import azure.functions as func
from pydantic import BaseModel

from core.context import TaskContext
from core.handlers import task_handler
from testing.endpoints.blueprint import create_test_blueprint
from testing.endpoints.limits import HarnessLimits
from testing.endpoints.service import HarnessService
from testing.factories import Registries


class Nothing(BaseModel):
    pass


def hang(params: Nothing, context: TaskContext) -> Nothing:
    """Wait for what never comes."""
    print("hang runs", flush=True)  # noqa: T201 - a test waits for this line
    threading.Event().wait()
    return Nothing()


app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
app.register_functions(
    create_test_blueprint(
        HarnessService(
            Registries.of([], [task_handler("hang", hang)]),
            HarnessLimits(timeout_seconds=float(os.environ["HANGING_TIMEOUT"])),
        )
    )
)
