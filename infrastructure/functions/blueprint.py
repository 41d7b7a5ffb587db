"""The triggers of the function app that are not HTTP: its queues and its timers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import azure.functions as func

from infrastructure.settings import Settings

if TYPE_CHECKING:
    from infrastructure.backend import Backend

CONNECTION = "SERVICE_BUS_CONNECTION"
"""The setting that names the namespace to the host, alone or followed by ``__fullyQualifiedNamespace``."""


def create_trigger_blueprint(settings: Settings, backend: Callable[[], Backend]) -> func.Blueprint:
    """The triggers of the jobs and tasks queues, the reconciler, the dead-letter watch and retention.

    ``backend`` is asked at each call, so that nothing is connected when the app is indexed.
    """
    blueprint = func.Blueprint()  # type: ignore[no-untyped-call]

    @blueprint.function_name("jobs_queue")
    @blueprint.service_bus_queue_trigger("message", queue_name=settings.jobs_queue, connection=CONNECTION)
    def jobs_queue(message: func.ServiceBusMessage) -> None:
        backend().queue_trigger(settings.jobs_queue)(message)

    @blueprint.function_name("tasks_queue")
    @blueprint.service_bus_queue_trigger("message", queue_name=settings.tasks_queue, connection=CONNECTION)
    def tasks_queue(message: func.ServiceBusMessage) -> None:
        backend().queue_trigger(settings.tasks_queue)(message)

    @blueprint.function_name("reconcile")
    @blueprint.timer_trigger("timer", schedule=settings.reconcile_schedule)
    def reconcile(timer: func.TimerRequest) -> None:
        backend().reconcile()

    @blueprint.function_name("collect_dead_letters")
    @blueprint.timer_trigger("timer", schedule=settings.dead_letter_schedule)
    def collect_dead_letters(timer: func.TimerRequest) -> None:
        try:
            backend().collect_dead_letters()
        finally:
            backend().sweep()

    @blueprint.function_name("retire")
    @blueprint.timer_trigger("timer", schedule=settings.retention_schedule)
    def retire(timer: func.TimerRequest) -> None:
        backend().retire()

    return blueprint
