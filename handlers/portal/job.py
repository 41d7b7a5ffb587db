"""The job that makes of an image what a portal takes: one task, all of whose stages are its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from core.ids import JobId
from core.jobs import JobContext, JobDefinition, StageDefinition, TaskSpec
from core.model import TaskResult
from handlers.portal.answer import Success
from handlers.portal.pinning import SubmittedEnvelope
from handlers.portal.schema_store import PortalSchemaStore

PROCESS_DOCUMENT = "process_document"

PROCESS = StageDefinition(1, "process", PROCESS_DOCUMENT)


class ProcessDocumentJob(JobDefinition[SubmittedEnvelope]):
    """``schemas`` gives the store that is asked when a job is submitted, and never again."""

    job_type = PROCESS_DOCUMENT
    description = "Make of a photo or a scan the file that a portal takes, and map what is printed on it to its fields."
    stages = (PROCESS,)
    parameters = SubmittedEnvelope
    result = Success

    def __init__(self, schemas: Callable[[], PortalSchemaStore]) -> None:
        self._schemas = schemas

    def kept(self, job_params: SubmittedEnvelope) -> SubmittedEnvelope:
        return job_params.pinned(self._schemas())

    def create_tasks_for_stage(
        self,
        stage: StageDefinition,
        job_params: SubmittedEnvelope,
        job_id: JobId,
        previous_results: Sequence[TaskResult],
    ) -> Sequence[TaskSpec]:
        return [TaskSpec("document", job_params.envelope())]

    def finalize_job(self, context: JobContext[SubmittedEnvelope]) -> Success:
        return context.results(PROCESS.number)[0].parse(Success)
