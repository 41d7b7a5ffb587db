"""Explicit registries, validated when they are built. An error names the culprit."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel

from core.errors import DefinitionError, UnknownJobType, UnknownTaskType
from core.handlers import TaskHandler
from core.ids import MAX_STAGE, is_type_name
from core.jobs import JobDefinition, StageDefinition

AnyJob = JobDefinition[Any]
V = TypeVar("V")


class HandlerRegistry(Mapping[str, TaskHandler]):
    """Task handlers by task type. Raises :class:`DefinitionError` for a name that is there twice."""

    def __init__(self, handlers: Iterable[TaskHandler]) -> None:
        self._by_type = _unique("task type", ((_task_type(handler), handler) for handler in handlers))

    def __getitem__(self, task_type: str) -> TaskHandler:
        return self._by_type[task_type]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_type)

    def __len__(self) -> int:
        return len(self._by_type)

    def find(self, task_type: str) -> TaskHandler:
        """Raises :class:`UnknownTaskType`."""
        handler = self._by_type.get(task_type)
        if handler is None:
            raise UnknownTaskType(f"there is no task type {task_type[:80]!r}", known=sorted(self._by_type))
        return handler


class JobRegistry(Mapping[str, AnyJob]):
    """Job definitions by job type, each checked against the handlers that its stages name."""

    def __init__(self, jobs: Iterable[AnyJob], handlers: HandlerRegistry) -> None:
        self._by_type = _unique("job type", ((_job_type(job), job) for job in jobs))
        for job in self._by_type.values():
            _check_job(job, handlers)

    def __getitem__(self, job_type: str) -> AnyJob:
        return self._by_type[job_type]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_type)

    def __len__(self) -> int:
        return len(self._by_type)

    def find(self, job_type: str) -> AnyJob:
        """Raises :class:`UnknownJobType`."""
        job = self._by_type.get(job_type)
        if job is None:
            raise UnknownJobType(f"there is no job type {job_type[:80]!r}", known=sorted(self._by_type))
        return job


def _unique(kind: str, pairs: Iterable[tuple[str, V]]) -> dict[str, V]:
    found: dict[str, V] = {}
    for name, value in pairs:
        if name in found:
            raise DefinitionError(f"{kind} {name!r} is registered twice")
        found[name] = value
    return found


def _task_type(handler: TaskHandler) -> str:
    if not isinstance(handler, TaskHandler):
        raise DefinitionError(f"{handler!r} is not a TaskHandler; core.handlers.task_handler makes one")
    if not is_type_name(handler.task_type):
        raise DefinitionError(f"task type {handler.task_type!r} is not 1 to 64 of a-z 0-9 _")
    for attribute in ("params_model", "result_model"):
        _check_model(f"task type {handler.task_type!r}", attribute, getattr(handler, attribute))
    return handler.task_type


def _check_model(who: str, attribute: str, model: object) -> None:
    if not (isinstance(model, type) and issubclass(model, BaseModel) and model is not BaseModel):
        raise DefinitionError(f"{who}: {attribute!r} is not a pydantic model")


def _check_order(who: str, parameters: type[BaseModel]) -> None:
    """A set is written in another order in each process, and a job's id is made of what is written."""
    if '"uniqueItems": true' in json.dumps(parameters.model_json_schema()):
        raise DefinitionError(f"{who}: a set among the parameters has no order; use a list or a tuple")


def _job_type(job: AnyJob) -> str:
    if not isinstance(job, JobDefinition):
        raise DefinitionError(f"{job!r} is not an instance of JobDefinition")
    job_type = getattr(job, "job_type", None)
    if not isinstance(job_type, str) or not is_type_name(job_type):
        raise DefinitionError(f"{type(job).__name__}: job_type {job_type!r} is not 1 to 64 of a-z 0-9 _")
    return job_type


def _check_job(job: AnyJob, handlers: HandlerRegistry) -> None:
    who = f"job type {job.job_type!r}"
    for attribute in ("parameters", "result"):
        _check_model(who, attribute, getattr(job, attribute, None))
    _check_order(who, job.parameters)
    if not isinstance(getattr(job, "description", None), str):
        raise DefinitionError(f"{who}: it has no description")
    if job.retry_budget is not None and job.retry_budget < 0:
        raise DefinitionError(f"{who}: retry_budget {job.retry_budget} is less than 0")
    stages = getattr(job, "stages", None)
    if not stages or not all(isinstance(stage, StageDefinition) for stage in stages):
        raise DefinitionError(f"{who}: stages must be a tuple of at least one StageDefinition")
    if [stage.number for stage in stages] != list(range(1, len(stages) + 1)) or len(stages) > MAX_STAGE:
        raise DefinitionError(f"{who}: stage numbers must run from 1 without gaps, to at most {MAX_STAGE}")
    _unique(f"{who}: stage", ((stage.name, stage) for stage in stages))
    for stage in stages:
        if stage.task_type not in handlers:
            raise DefinitionError(f"{who}: stage {stage.name!r} names the unknown task type {stage.task_type!r}")
