"""The job that reads a document: inspect it, read its pages in parallel, put the result together."""

from __future__ import annotations

from collections.abc import Sequence

from core.ids import JobId
from core.jobs import JobContext, JobDefinition, Parallelism, StageDefinition, TaskSpec
from core.model import TaskResult
from handlers.document.records import (
    AssembleParameters,
    AssembleResult,
    InspectParameters,
    InspectResult,
    OcrDocumentParameters,
    OcrDocumentResult,
    RecognisePageParameters,
    RecognisePageResult,
)
from handlers.document.source import stored_source

INSPECT = StageDefinition(1, "inspect", "ocr_inspect")
RECOGNISE = StageDefinition(2, "recognise", "ocr_recognise_page", Parallelism.FAN_OUT)
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
        pages = [task.parse(RecognisePageResult) for task in context.results(RECOGNISE.number) if task.succeeded]
        return OcrDocumentResult(
            **dict(assembled),
            quality=context.parameters.quality,
            recognise_seconds=round(sum(page.seconds for page in pages), 3),
        )


def _page_tasks(params: OcrDocumentParameters, inspected: InspectResult) -> list[TaskSpec]:
    return [
        TaskSpec(
            f"page-{page.page:04d}",
            RecognisePageParameters(source=inspected.source, page=page.page, quality=params.quality),
        )
        for page in inspected.pages
    ]


def _assembly(params: OcrDocumentParameters, job_id: JobId, read: Sequence[TaskResult]) -> AssembleParameters:
    pages = [task.parse(RecognisePageResult).summary.page for task in read if task.succeeded]
    return AssembleParameters(source=stored_source(params.source, job_id), pages=pages, preview=params.preview)
