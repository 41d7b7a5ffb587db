"""From the tasks that a definition asks for to the stage that the store is to open."""

from __future__ import annotations

from collections.abc import Sequence

from core.errors import DefinitionError
from core.handlers import TaskHandler
from core.ids import task_id_under, task_message_id
from core.jobs import Parallelism, StageDefinition, TaskSpec
from core.jsontext import dump_json
from core.messages import StageCompleteMessage, TaskQueueMessage, task_message_encoder
from core.model import NewStage, NewTask, OutboundMessage, RunRecord

MAX_TASKS_PER_STAGE = 100_000


def new_stage(
    run: RunRecord,
    stage: StageDefinition,
    specs: Sequence[TaskSpec],
    handler: TaskHandler,
    task_queue: str,
    job_queue: str,
) -> NewStage:
    """The stage with its tasks and their messages.

    Raises :class:`DefinitionError` for a number of tasks that the stage does not take, or parameters of
    another class than the handler's, and :class:`core.errors.InvalidIdentifier` for a task's name.
    """
    _check_count(run.job_type, stage, len(specs))
    ended = StageCompleteMessage(job_id=run.job_id, run=run.run, job_type=run.job_type, stage=stage.number)
    return NewStage(
        number=stage.number,
        name=stage.name,
        task_type=stage.task_type,
        failure_policy=stage.failure_policy,
        tasks=_new_tasks(run, stage, specs, handler, task_queue),
        on_end=OutboundMessage(job_queue, ended.message_id, ended.name, ended.encode()),
    )


def _new_tasks(
    run: RunRecord, stage: StageDefinition, specs: Sequence[TaskSpec], handler: TaskHandler, queue: str
) -> tuple[NewTask, ...]:
    encode = task_message_encoder(run.job_id, run.run, run.job_type, stage.number, stage.task_type)
    prefix = f"{run.job_id}:{run.run}:{stage.number}:"
    tasks = []
    for spec in specs:
        if not isinstance(spec.parameters, handler.params_model):
            raise DefinitionError(_wrong_parameters(run.job_type, stage, spec, handler))
        task_id = task_id_under(prefix, spec.name)
        message = OutboundMessage(queue, task_message_id(task_id, 1), TaskQueueMessage.name, encode(task_id))
        tasks.append(NewTask(task_id, spec.name, dump_json(spec.parameters), message))
    return tuple(tasks)


def _check_count(job_type: str, stage: StageDefinition, count: int) -> None:
    if stage.parallelism is not Parallelism.FAN_OUT and count != 1:
        raise DefinitionError(
            f"job type {job_type!r}, stage {stage.name!r}: {stage.parallelism} takes exactly one task, not {count}"
        )
    if count > MAX_TASKS_PER_STAGE:
        raise DefinitionError(
            f"job type {job_type!r}, stage {stage.name!r}: {count} tasks, at most {MAX_TASKS_PER_STAGE}"
        )


def _wrong_parameters(job_type: str, stage: StageDefinition, spec: TaskSpec, handler: TaskHandler) -> str:
    given, wanted = type(spec.parameters).__name__, handler.params_model.__name__
    who = f"job type {job_type!r}, stage {stage.name!r}, task {spec.name!r}"
    return f"{who}: parameters are a {given}, and {stage.task_type} takes {wanted}"
