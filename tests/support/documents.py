"""A task context, and a whole job in memory, for tests of the document pipeline."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from core.context import StopSignal, TaskContext
from core.ids import JobId, TaskId
from core.messages import TaskQueueMessage
from core.model import RunRecord
from core.ports import BlobStore
from handlers.document import DocumentLimits, OcrEngine, SourceReader, document_handlers, document_jobs
from handlers.document.engine import EngineProvider
from handlers.document.results import OcrDocumentResult
from testing.clock import FakeClock
from testing.factories import Registries, create_test_harness
from testing.memory_blobs import MemoryBlobStore
from testing.ocr_engines import always
from tests.support.scratch import OwnedScratch

JOB = JobId("ab" * 32)
OTHER_JOB = JobId("cd" * 32)


@dataclass
class Context:
    """Builds :class:`TaskContext` objects that share blobs, a stop signal and the checkpoint that was last saved.

    ``reports`` are the percents and messages of progress.
    """

    blobs: BlobStore = field(default_factory=MemoryBlobStore)
    stop: StopSignal = field(default_factory=StopSignal)
    saved: str | None = None
    on_save: Callable[[], None] = lambda: None
    reports: list[tuple[float, str]] = field(default_factory=list)
    clock: FakeClock = field(default_factory=FakeClock)

    def make(self) -> TaskContext:
        message = TaskQueueMessage(
            job_id=JOB,
            run=1,
            job_type="ocr_document",
            stage=1,
            task_id=TaskId(f"{JOB}:1:1:task"),
            task_type="task",
            attempt=1,
        )
        return TaskContext(
            message,
            timeout=3_600.0,
            blobs=self.blobs,
            clock=self.clock,
            stop=self.stop,
            writes=self,
            scratch=OwnedScratch(),
            checkpoint_json=self.saved,
        )

    def save_checkpoint(self, checkpoint_json: str) -> None:
        self.saved = checkpoint_json
        self.on_save()

    def report_progress(self, percent: float, message: str) -> None:
        self.reports.append((percent, message))


def run_job(
    engine: OcrEngine | EngineProvider,
    parameters: dict[str, object],
    *,
    blobs: BlobStore | None = None,
    roots: tuple[Path, ...] = (),
    limits: DocumentLimits | None = None,
) -> tuple[OcrDocumentResult, RunRecord]:
    """Run ``ocr_document`` to its end in memory. Raises what a handler raised."""
    provider = engine if callable(engine) else always(engine)
    handlers = document_handlers(provider, SourceReader(roots), limits)
    harness, _ = create_test_harness(Registries.of(document_jobs(), handlers), blobs=blobs)
    job_id = harness.submit("ocr_document", parameters).job_id
    harness.drain()
    run = harness.state.load_run(job_id, 1)
    assert run is not None
    assert run.result_json is not None
    return OcrDocumentResult.model_validate_json(run.result_json), run
