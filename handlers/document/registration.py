"""What the composition root registers."""

from __future__ import annotations

from core.handlers import TaskHandler, task_handler
from handlers.document.engine import EngineProvider
from handlers.document.job import OcrDocumentJob
from handlers.document.limits import DocumentLimits
from handlers.document.source import SourceReader
from handlers.document.tasks import DocumentTasks

RECOGNISE_TIMEOUT = 1_800.0
"""Seconds for the pages of one task, 90 for each of :data:`handlers.document.parameters.PAGES_PER_TASK`. A task of many
more may come to it, and goes on behind its last page then, free of charge; it fails where one page took all the time.
"""


def document_handlers(
    engine_provider: EngineProvider, sources: SourceReader, limits: DocumentLimits | None = None
) -> tuple[TaskHandler, ...]:
    """The document tasks' handlers.

    ``engine_provider`` is called once a task and gives an engine that is ready, or raises
    :class:`core.errors.DependencyMissing`; it keeps what is costly to build.
    """
    tasks = DocumentTasks(engine_provider, sources, limits or DocumentLimits())
    return (
        task_handler("ocr_inspect", tasks.inspect, timeout=120.0),
        task_handler("ocr_recognise_pages", tasks.recognise_pages, timeout=RECOGNISE_TIMEOUT, long_running=True),
        task_handler("ocr_assemble", tasks.assemble, timeout=540.0),
    )


def document_jobs() -> tuple[OcrDocumentJob, ...]:
    return (OcrDocumentJob(),)
