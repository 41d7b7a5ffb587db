"""What the composition root registers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from core.handlers import TaskHandler, task_handler
from handlers.portal.job import PROCESS_DOCUMENT, ProcessDocumentJob
from handlers.portal.schema import SchemaDefinition
from handlers.portal.schema_store import PortalSchemaStore
from handlers.portal.surroundings import AdaptedFile, Surroundings
from handlers.portal.tasks import PortalTasks

if TYPE_CHECKING:
    from handlers.document.engine import Page

MARGIN = 60.0
"""Seconds beyond the stages' deadlines, for what is between them."""


def adapted(page: Page, definition: SchemaDefinition) -> AdaptedFile:
    """By the detector that this process keeps. Raises :class:`core.errors.DependencyMissing`."""
    from handlers.portal.adapt.provider import adapter  # noqa: PLC0415 - numpy and cv2 are the worker's alone

    return adapter()(page, definition)


def portal_handlers(around: Surroundings) -> tuple[TaskHandler, ...]:
    """Long-running: a document is opened in the worker's child process alone."""
    timeout = sum(around.deadlines.values()) + MARGIN
    tasks = PortalTasks(around)
    return (task_handler(PROCESS_DOCUMENT, tasks.process_document, timeout=timeout, long_running=True),)


def portal_jobs(schemas: Callable[[], PortalSchemaStore]) -> tuple[ProcessDocumentJob, ...]:
    return (ProcessDocumentJob(schemas),)
