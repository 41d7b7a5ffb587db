"""What the composition root registers."""

from __future__ import annotations

from core.handlers import TaskHandler, task_handler
from handlers.document.job import OcrDocumentJob
from handlers.document.limits import DocumentLimits
from handlers.document.source import SourceReader
from handlers.document.tasks import DocumentTasks, EngineProvider


def document_handlers(
    engine_provider: EngineProvider, sources: SourceReader, limits: DocumentLimits | None = None
) -> tuple[TaskHandler, ...]:
    """The document tasks' handlers.

    ``engine_provider`` is called once a page and gives an engine that is ready, or raises
    :class:`core.errors.DependencyMissing`; it keeps what is costly to build.
    """
    tasks = DocumentTasks(engine_provider, sources, limits or DocumentLimits())
    return (
        task_handler("ocr_inspect", tasks.inspect, timeout=120.0),
        task_handler("ocr_recognise_page", tasks.recognise_page, timeout=300.0, long_running=True),
        task_handler("ocr_assemble", tasks.assemble, timeout=540.0),
    )


def document_jobs() -> tuple[OcrDocumentJob, ...]:
    return (OcrDocumentJob(),)
