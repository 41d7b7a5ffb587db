"""What the composition root registers."""

from __future__ import annotations

from functools import partial

from core.handlers import TaskHandler, task_handler
from handlers.document.engine import EngineProvider
from handlers.document.job import OcrDocumentJob
from handlers.document.limits import DocumentLimits
from handlers.document.password import PasswordSeal
from handlers.document.recognise import READING_SECONDS
from handlers.document.source import SourceReader
from handlers.document.tasks import DocumentTasks

INSPECT_TIMEOUT = 300.0
"""Seconds. Fetching a document is bounded by a setting of its own, and opening one takes some seconds at most."""

TASK_SECONDS = 1_800.0
"""For the pages of one task, 90 for each of :data:`handlers.document.parameters.PAGES_PER_TASK`, and for the files of a
document, of which a thousand pages take minutes. A task that comes to it goes on anew behind what was done, free of
charge.
"""


def document_handlers(
    engine_provider: EngineProvider,
    sources: SourceReader,
    limits: DocumentLimits | None = None,
    task_seconds: float = TASK_SECONDS,
    seal: PasswordSeal | None = None,
    reading_seconds: float = READING_SECONDS,
) -> tuple[TaskHandler, ...]:
    """The document tasks' handlers.

    ``engine_provider`` is called once a task, where a page needs an engine, and gives one that is ready, or raises
    :class:`core.errors.DependencyMissing`; it keeps what is costly to build. ``seal`` is that of :func:`document_jobs`.

    All are long-running: a document is opened in the worker's child process alone, which has limits of its own and
    the packages that it takes.
    """
    tasks = DocumentTasks(engine_provider, sources, limits or DocumentLimits(), seal, reading_seconds)
    described = partial(task_handler, long_running=True, kept=tasks.kept)
    return (
        described("ocr_inspect", tasks.inspect, timeout=INSPECT_TIMEOUT),
        described("ocr_recognise_pages", tasks.recognise_pages, timeout=task_seconds),
        described("ocr_assemble", tasks.assemble, timeout=task_seconds),
    )


def document_jobs(seal: PasswordSeal | None = None) -> tuple[OcrDocumentJob, ...]:
    """``seal`` is for passwords; without it they are kept as they are, which is for what keeps jobs in memory alone."""
    return (OcrDocumentJob(seal),)
