"""The job that reads a document: inspect it, read its pages in parallel tasks of some each, put the result together."""

from __future__ import annotations

from collections.abc import Sequence

from core.ids import JobId
from core.jobs import JobContext, JobDefinition, Parallelism, StageDefinition, TaskSpec
from core.model import TaskResult
from handlers.document.parameters import (
    AssembleParameters,
    InspectParameters,
    OcrDocumentParameters,
    RecognisePagesParameters,
)
from handlers.document.results import (
    AssembleResult,
    InspectResult,
    OcrDocumentResult,
    RecognisedPage,
    RecognisePagesResult,
)
from handlers.document.source import stored_source

INSPECT = StageDefinition(1, "inspect", "ocr_inspect")
RECOGNISE = StageDefinition(2, "recognise", "ocr_recognise_pages", Parallelism.FAN_OUT)
ASSEMBLE = StageDefinition(3, "assemble", "ocr_assemble", Parallelism.FAN_IN)


class OcrDocumentJob(JobDefinition[OcrDocumentParameters]):
    job_type = "ocr_document"
    description = "Read the text of a JPEG, PNG or TIFF document: text, positions, confidence, preview pictures."
    stages = (INSPECT, RECOGNISE, ASSEMBLE)
    parameters = OcrDocumentParameters
    result = OcrDocumentResult

    def create_tasks_for_stage(
        self,
        stage: StageDefinition,
        job_params: OcrDocumentParameters,
        job_id: JobId,
        previous_results: Sequence[TaskResult],
    ) -> Sequence[TaskSpec]:
        match stage.name:
            case "inspect":
                return [TaskSpec("inspect", InspectParameters(source=job_params.source))]
            case "recognise":
                return _page_tasks(job_params, previous_results[0].parse(InspectResult))
            case _:
                return [TaskSpec("assemble", _assembly(job_params, job_id, previous_results))]

    def finalize_job(self, context: JobContext[OcrDocumentParameters]) -> OcrDocumentResult:
        assembled = context.results(ASSEMBLE.number)[0].parse(AssembleResult)
        pages = _recognised(context.results(RECOGNISE.number))
        return OcrDocumentResult(
            **dict(assembled),
            quality=context.parameters.quality,
            recognise_seconds=round(sum(page.seconds for page in pages), 3),
        )


def _page_tasks(params: OcrDocumentParameters, inspected: InspectResult) -> list[TaskSpec]:
    """Each is named for its first and last page."""
    numbers, size = [page.page for page in inspected.pages], params.pages_per_task
    return [
        TaskSpec(
            f"pages-{pages[0]:04d}-{pages[-1]:04d}",
            RecognisePagesParameters(source=inspected.source, pages=pages, quality=params.quality),
        )
        for pages in (numbers[start : start + size] for start in range(0, len(numbers), size))
    ]


def _recognised(read: Sequence[TaskResult]) -> list[RecognisedPage]:
    return [page for task in read if task.succeeded for page in task.parse(RecognisePagesResult).pages]


def _assembly(params: OcrDocumentParameters, job_id: JobId, read: Sequence[TaskResult]) -> AssembleParameters:
    pages = [page.summary.page for page in _recognised(read)]
    return AssembleParameters(source=stored_source(params.source, job_id), pages=pages, preview=params.preview)
