"""What the composition root registers."""

from __future__ import annotations

from core.handlers import TaskHandler, task_handler
from handlers.document.engine import EngineProvider
from handlers.document.job import OcrDocumentJob
from handlers.document.limits import DocumentLimits
from handlers.document.source import SourceReader
from handlers.document.tasks import DocumentTasks

INSPECT_TIMEOUT = 300.0
"""Seconds. Fetching a document is bounded by a setting of its own, and opening one takes some seconds at most."""

RECOGNISE_TIMEOUT = 1_800.0
"""Seconds for the pages of one task, 90 for each of :data:`handlers.document.parameters.PAGES_PER_TASK`. A task of many
more may come to it, and goes on behind its last page then, free of charge; it fails where one page took all the time.
"""

ASSEMBLE_TIMEOUT = 1_800.0
"""Seconds. A thousand pages take minutes to write in every format; what was written by then is not written again."""


def document_handlers(
    engine_provider: EngineProvider, sources: SourceReader, limits: DocumentLimits | None = None
) -> tuple[TaskHandler, ...]:
    """The document tasks' handlers.

    ``engine_provider`` is called once a task, where a page needs an engine, and gives one that is ready, or raises
    :class:`core.errors.DependencyMissing`; it keeps what is costly to build.

    All are long-running: a document is opened in the worker's child process alone, which has limits of its own and
    the packages that it takes.
    """
    tasks = DocumentTasks(engine_provider, sources, limits or DocumentLimits())
    return (
        task_handler("ocr_inspect", tasks.inspect, timeout=INSPECT_TIMEOUT, long_running=True),
        task_handler("ocr_recognise_pages", tasks.recognise_pages, timeout=RECOGNISE_TIMEOUT, long_running=True),
        task_handler("ocr_assemble", tasks.assemble, timeout=ASSEMBLE_TIMEOUT, long_running=True),
    )


def document_jobs() -> tuple[OcrDocumentJob, ...]:
    return (OcrDocumentJob(),)
