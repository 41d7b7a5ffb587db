"""The composition root's parts: what is registered, from which settings."""

from __future__ import annotations

from core.registry import HandlerRegistry, JobRegistry
from handlers.document import DocumentLimits, SourceReader, document_handlers, document_jobs
from handlers.document.tasks import EngineProvider
from handlers.hello_world import hello_world_handlers, hello_world_jobs
from infrastructure.settings import Settings


def build_registries(settings: Settings, engine_provider: EngineProvider) -> tuple[JobRegistry, HandlerRegistry]:
    """Every job and handler that this project has.

    ``engine_provider`` gives the OCR engine when a page is first read; it may raise
    :class:`core.errors.DependencyMissing`.
    """
    limits = DocumentLimits(
        max_bytes=settings.document_max_bytes,
        max_pixels=settings.document_max_pixels,
        max_pages=settings.document_max_pages,
    )
    sources = SourceReader(settings.source_roots, limits.max_bytes)
    handlers = HandlerRegistry([*hello_world_handlers(), *document_handlers(engine_provider, sources, limits)])
    return JobRegistry([*hello_world_jobs(), *document_jobs()], handlers), handlers
