"""The function app as it is, with one more job: a single task in a single stage."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import ClassVar

import azure.functions as func
from pydantic import BaseModel

from core.context import TaskContext
from core.handlers import task_handler
from core.ids import JobId
from core.jobs import JobContext, JobDefinition, StageDefinition, TaskSpec
from core.model import TaskResult
from core.registry import HandlerRegistry, JobRegistry
from infrastructure.backend import Backend
from infrastructure.functions.blueprint import create_trigger_blueprint
from infrastructure.lazy import Lazy
from infrastructure.settings import Settings
from infrastructure.web.blueprint import create_api_blueprint
from infrastructure.wiring import web_parts


class Number(BaseModel):
    value: int


def give_back(params: Number, context: TaskContext) -> Number:
    return params


class OneTask(JobDefinition[Number]):
    job_type: ClassVar[str] = "one_task"
    description: ClassVar[str] = "Gives back a number"
    stages: ClassVar[tuple[StageDefinition, ...]] = (StageDefinition(1, "only", "give_back"),)
    parameters: ClassVar[type[BaseModel]] = Number
    result: ClassVar[type[BaseModel]] = Number

    def create_tasks_for_stage(
        self, stage: StageDefinition, job_params: Number, job_id: JobId, previous_results: Sequence[TaskResult]
    ) -> Sequence[TaskSpec]:
        return [TaskSpec("only", job_params)]

    def finalize_job(self, context: JobContext[Number]) -> Number:
        return context.results(1)[0].parse(Number)


def create_app(settings: Settings) -> func.FunctionApp:
    handlers = HandlerRegistry([task_handler("give_back", give_back)])
    backend = Lazy(lambda: Backend(settings, JobRegistry([OneTask()], handlers), handlers))
    function_app = func.FunctionApp()
    function_app.register_functions(create_trigger_blueprint(settings, backend))
    function_app.register_functions(create_api_blueprint(Lazy(lambda: web_parts(backend()))))
    return function_app


app = create_app(Settings.from_environment(os.environ))
