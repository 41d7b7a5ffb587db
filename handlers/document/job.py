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
from handlers.document.password import PasswordSeal, to_keep
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
    description = (
        "Read the text of an image or a PDF: text, positions, confidence, and files made of them, such as a "
        "searchable PDF."
    )
    stages = (INSPECT, RECOGNISE, ASSEMBLE)
    parameters = OcrDocumentParameters
    result = OcrDocumentResult

    def __init__(self, seal: PasswordSeal | None = None) -> None:
        self._seal = seal

    def kept(self, job_params: OcrDocumentParameters) -> OcrDocumentParameters:
        """Raises as :func:`handlers.document.password.to_keep`."""
        return job_params.model_copy(update={"password": to_keep(job_params.password, self._seal)})

    def create_tasks_for_stage(
        self,
        stage: StageDefinition,
        job_params: OcrDocumentParameters,
        job_id: JobId,
        previous_results: Sequence[TaskResult],
    ) -> Sequence[TaskSpec]:
        match stage.name:
            case "inspect":
                return [TaskSpec("inspect", _inspection(job_params))]
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


def _inspection(params: OcrDocumentParameters) -> InspectParameters:
    return InspectParameters(source=params.source, password=params.password, pages=params.pages, outputs=params.outputs)


def _page_tasks(params: OcrDocumentParameters, inspected: InspectResult) -> list[TaskSpec]:
    """Each is named for its first and last page."""
    numbers, size = [page.page for page in inspected.pages], params.pages_per_task
    return [
        TaskSpec(
            f"pages-{pages[0]:04d}-{pages[-1]:04d}",
            RecognisePagesParameters(
                source=inspected.source,
                pages=pages,
                quality=params.quality,
                languages=params.languages,
                password=params.password,
                on_page_error=params.on_page_error,
            ),
        )
        for pages in (numbers[start : start + size] for start in range(0, len(numbers), size))
    ]


def _recognised(read: Sequence[TaskResult]) -> list[RecognisedPage]:
    return [page for task in read if task.succeeded for page in task.parse(RecognisePagesResult).pages]


def _assembly(params: OcrDocumentParameters, job_id: JobId, read: Sequence[TaskResult]) -> AssembleParameters:
    return AssembleParameters(
        source=stored_source(params.source, job_id),
        pages=[page.summary.page for page in _recognised(read)],
        password=params.password,
        outputs=params.outputs,
        pdfa=params.pdfa,
        preview=params.preview,
    )
