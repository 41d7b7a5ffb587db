"""The job that makes of an image what a portal takes: one task, all of whose stages are its own."""

from __future__ import annotations

from collections.abc import Sequence

from core.ids import JobId
from core.jobs import JobContext, JobDefinition, StageDefinition, TaskSpec
from core.model import TaskResult
from handlers.portal.answer import Success
from handlers.portal.envelope import Envelope

PROCESS_DOCUMENT = "process_document"

PROCESS = StageDefinition(1, "process", PROCESS_DOCUMENT)


class ProcessDocumentJob(JobDefinition[Envelope]):
    job_type = PROCESS_DOCUMENT
    description = "Make of a photo or a scan the file that a portal takes, and map what is printed on it to its fields."
    stages = (PROCESS,)
    parameters = Envelope
    result = Success

    def create_tasks_for_stage(
        self, stage: StageDefinition, job_params: Envelope, job_id: JobId, previous_results: Sequence[TaskResult]
    ) -> Sequence[TaskSpec]:
        return [TaskSpec("document", job_params)]

    def finalize_job(self, context: JobContext[Envelope]) -> Success:
        return context.results(PROCESS.number)[0].parse(Success)
