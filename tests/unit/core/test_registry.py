from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest
from pydantic import BaseModel

from core.errors import DefinitionError, UnknownJobType, UnknownTaskType
from core.handlers import TaskHandler
from core.ids import MAX_STAGE, JobId
from core.jobs import JobContext, JobDefinition, StageDefinition, TaskSpec
from core.model import TaskResult
from core.registry import HandlerRegistry, JobRegistry
from handlers.hello_world import hello_world_handlers, hello_world_jobs


class Model(BaseModel):
    pass


class Template(JobDefinition[Model]):
    def create_tasks_for_stage(
        self, stage: StageDefinition, job_params: Model, job_id: JobId, previous_results: Sequence[TaskResult]
    ) -> Sequence[TaskSpec]:
        return []

    def finalize_job(self, context: JobContext[Model]) -> Model:
        return Model()


GREETING = StageDefinition(1, "greeting", "hello_world_greeting")
GOOD: dict[str, Any] = {
    "job_type": "my_job",
    "description": "A job",
    "stages": (GREETING,),
    "parameters": Model,
    "result": Model,
}


def job(**changes: Any) -> Template:
    """A good definition with some attributes changed; an attribute of ``...`` is left out."""
    attributes = {name: value for name, value in (GOOD | changes).items() if value is not ...}
    return cast(Template, type("MyJob", (Template,), attributes)())


def registry(*jobs: Any) -> JobRegistry:
    return JobRegistry(jobs, HandlerRegistry(hello_world_handlers()))


def test_a_good_job_is_found_by_its_type() -> None:
    mine = job()

    assert registry(mine).find("my_job") is mine
    assert list(registry(mine, *hello_world_jobs())) == ["my_job", "hello_world"]


@pytest.mark.parametrize(
    ("changes", "culprits"),
    [
        ({"job_type": ...}, ["MyJob", "job_type"]),
        ({"job_type": 7}, ["MyJob", "job_type", "7"]),
        ({"job_type": "My-Job"}, ["MyJob", "My-Job"]),
        ({"description": ...}, ["my_job", "description"]),
        ({"parameters": ...}, ["my_job", "parameters"]),
        ({"parameters": dict}, ["my_job", "parameters", "pydantic"]),
        ({"parameters": BaseModel}, ["my_job", "parameters"]),
        ({"parameters": Model()}, ["my_job", "parameters"]),
        ({"result": ...}, ["my_job", "result"]),
        ({"result": dict}, ["my_job", "result"]),
        ({"stages": ...}, ["my_job", "stages"]),
        ({"stages": ()}, ["my_job", "stages"]),
        ({"stages": ("greeting",)}, ["my_job", "stages"]),
        ({"stages": (StageDefinition(0, "a", "hello_world_greeting"),)}, ["my_job", "numbers"]),
        ({"stages": (StageDefinition(2, "a", "hello_world_greeting"),)}, ["my_job", "numbers"]),
        ({"stages": (GREETING, StageDefinition(3, "b", "hello_world_reply"))}, ["my_job", "without gaps"]),
        ({"stages": (GREETING, StageDefinition(1, "b", "hello_world_reply"))}, ["my_job", "numbers"]),
        (
            {"stages": (GREETING, StageDefinition(2, "greeting", "hello_world_reply"))},
            ["my_job", "'greeting'", "twice"],
        ),
        ({"stages": (StageDefinition(1, "a", "nobody"),)}, ["my_job", "'a'", "'nobody'"]),
        ({"retry_budget": -1}, ["my_job", "retry_budget", "-1"]),
    ],
)
def test_a_wrong_definition_is_refused_and_the_culprit_named(changes: dict[str, Any], culprits: list[str]) -> None:
    with pytest.raises(DefinitionError) as caught:
        registry(job(**changes))

    assert all(culprit in str(caught.value) for culprit in culprits), str(caught.value)


def test_too_many_stages_are_refused() -> None:
    stages = tuple(StageDefinition(n, f"s{n}", "hello_world_greeting") for n in range(1, MAX_STAGE + 2))

    with pytest.raises(DefinitionError, match=str(MAX_STAGE)):
        registry(job(stages=stages))


def test_a_job_type_that_is_there_twice_is_refused_and_named() -> None:
    with pytest.raises(DefinitionError, match="'my_job' is registered twice"):
        registry(job(), job())


def test_what_is_not_a_job_is_refused_and_named() -> None:
    for wrong in (Template, "my_job", None):
        with pytest.raises(DefinitionError, match="not an instance of JobDefinition"):
            registry(wrong)


def test_a_task_type_that_is_there_twice_is_refused_and_named() -> None:
    with pytest.raises(DefinitionError, match="'hello_world_greeting' is registered twice"):
        HandlerRegistry([*hello_world_handlers(), *hello_world_handlers()])


def test_a_bare_function_is_not_a_handler() -> None:
    with pytest.raises(DefinitionError, match="task_handler"):
        HandlerRegistry([cast(TaskHandler, hello_world_handlers)])


def test_a_handler_with_a_bad_name_is_refused_and_named() -> None:
    good = hello_world_handlers()[0]
    bad = TaskHandler("Bad Name", good.function, good.params_model, good.result_model)

    with pytest.raises(DefinitionError, match="'Bad Name'"):
        HandlerRegistry([bad])


def test_an_unknown_type_is_refused_with_those_that_are_known() -> None:
    handlers = HandlerRegistry(hello_world_handlers())
    with pytest.raises(UnknownTaskType) as task:
        handlers.find("nobody")
    with pytest.raises(UnknownJobType) as job_type:
        registry(job()).find("nobody" * 100)

    assert task.value.details["known"] == ["hello_world_greeting", "hello_world_reply"]
    assert job_type.value.details["known"] == ["my_job"]
    assert len(str(job_type.value)) < 200


def test_registries_are_mappings() -> None:
    jobs = registry(job())

    assert (len(jobs), "my_job" in jobs, "nobody" in jobs) == (1, True, False)
    assert set(HandlerRegistry(hello_world_handlers())) == {"hello_world_greeting", "hello_world_reply"}


class SetParams(BaseModel):
    pages: set[int] = set()


class SetJob(JobDefinition[SetParams]):
    job_type = "with_a_set"
    description = "Its parameters have no order"
    stages = (StageDefinition(1, "greet", "hello_world_greeting"),)
    parameters = SetParams
    result = SetParams

    def create_tasks_for_stage(
        self, stage: StageDefinition, job_params: SetParams, job_id: JobId, previous_results: Sequence[TaskResult]
    ) -> Sequence[TaskSpec]:
        return []

    def finalize_job(self, context: JobContext[SetParams]) -> BaseModel:
        return SetParams()


def test_parameters_without_an_order_are_refused_since_a_job_id_is_made_of_them() -> None:
    with pytest.raises(DefinitionError, match=r"with_a_set.*set"):
        JobRegistry([SetJob()], HandlerRegistry(hello_world_handlers()))


@pytest.mark.parametrize("field", ["parallelism", "failure_policy"])
def test_a_string_where_an_enum_belongs_is_refused(field: str) -> None:
    with pytest.raises(DefinitionError, match=field):
        StageDefinition(1, "greet", "hello_world_greeting", **{field: "tolerate"})  # type: ignore[arg-type]


def test_a_handler_without_models_is_refused() -> None:
    with pytest.raises(DefinitionError, match="params_model"):
        HandlerRegistry([TaskHandler("bare", cast(Any, print), cast(Any, None), cast(Any, None))])
