from __future__ import annotations

import functools
import math
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Optional, Union

import pytest
from pydantic import BaseModel

from core.context import TaskContext
from core.errors import DefinitionError
from core.handlers import TaskHandler, task_handler
from core.outcome import Interrupted, RetryLater
from core.retry import RetryPolicy


class Params(BaseModel):
    n: int = 1


class Result(BaseModel):
    total: int = 0


def plain(params: Params, context: TaskContext) -> Result:
    """Adds things up.

    And this is not shown.
    """
    return Result()


def with_everything(params: Params, context: TaskContext) -> Result | RetryLater | Interrupted:
    return Result()


def with_old_unions(params: Params, context: TaskContext) -> Union[Result, RetryLater]:  # noqa: UP007
    return Result()


class Object:
    def __call__(self, params: Params, context: TaskContext) -> Result:
        return Result()

    def method(self, params: Params, context: TaskContext) -> Result:
        return Result()

    @staticmethod
    def static(params: Params, context: TaskContext) -> Result:
        return Result()

    @classmethod
    def of_class(cls, params: Params, context: TaskContext) -> Result:
        return Result()


@functools.wraps(plain)
def wrapped(*arguments: Any) -> Result:
    return plain(*arguments)


GOOD: dict[str, Callable[..., Any]] = {
    "function": plain,
    "union": with_everything,
    "old_union": with_old_unions,
    "callable_object": Object(),
    "bound_method": Object().method,
    "static_method": Object.static,
    "class_method": Object.of_class,
    "wrapped": wrapped,
}


@pytest.mark.parametrize("name", GOOD)
def test_models_are_read_from_the_annotations_of_a(name: str) -> None:
    handler = task_handler("add", GOOD[name])

    assert (handler.params_model, handler.result_model) == (Params, Result)


def no_parameters() -> Result:
    return Result()


def one_parameter(params: Params) -> Result:
    return Result()


def three_parameters(params: Params, context: TaskContext, more: int = 0) -> Result:
    return Result()


def keyword_only(params: Params, *, context: TaskContext) -> Result:
    return Result()


def star(*params: Params) -> Result:
    return Result()


def unannotated(params, context):  # type: ignore[no-untyped-def]
    return Result()


def dict_parameters(params: dict[str, Any], context: TaskContext) -> Result:
    return Result()


def bare_base_model(params: BaseModel, context: TaskContext) -> Result:
    return Result()


def no_context(params: Params, context: Params) -> Result:
    return Result()


def swapped(context: TaskContext, params: Params) -> Result:
    return Result()


def returns_nothing(params: Params, context: TaskContext) -> None: ...


def returns_dict(params: Params, context: TaskContext) -> dict[str, Any]:
    return {}


def returns_maybe(params: Params, context: TaskContext) -> Optional[Result]:  # noqa: UP045
    return None


def returns_one_of_two(params: Params, context: TaskContext) -> Result | Params:
    return Result()


def returns_only_retry_later(params: Params, context: TaskContext) -> RetryLater:
    return RetryLater(1)


def returns_unannotated(params: Params, context: TaskContext):  # type: ignore[no-untyped-def]
    return Result()


def unresolvable(params: Nowhere, context: TaskContext) -> Result:  # type: ignore[name-defined]  # noqa: F821
    return Result()


def wrong_attribute(params: functools.nowhere, context: TaskContext) -> Result:  # type: ignore[name-defined]
    return Result()


async def asynchronous(params: Params, context: TaskContext) -> Result:
    return Result()


def generator(params: Params, context: TaskContext) -> Iterator[Result]:
    yield Result()


async def asynchronous_generator(params: Params, context: TaskContext) -> AsyncIterator[Result]:
    yield Result()


class AsyncObject:
    async def __call__(self, params: Params, context: TaskContext) -> Result:
        return Result()


BAD: tuple[Any, ...] = (
    no_parameters,
    one_parameter,
    three_parameters,
    keyword_only,
    star,
    unannotated,
    dict_parameters,
    bare_base_model,
    no_context,
    swapped,
    returns_nothing,
    returns_dict,
    returns_maybe,
    returns_one_of_two,
    returns_only_retry_later,
    returns_unannotated,
    unresolvable,
    wrong_attribute,
    asynchronous,
    generator,
    asynchronous_generator,
    AsyncObject(),
    functools.partial(three_parameters, more=1),
    lambda params, context: None,
    Params,
    min,
    7,
    None,
)


@pytest.mark.parametrize("function", BAD, ids=lambda bad: getattr(bad, "__name__", type(bad).__name__))
def test_another_signature_is_refused_and_the_task_type_named(function: Any) -> None:
    with pytest.raises(DefinitionError, match=r"'my_task'.*must be"):
        task_handler("my_task", function)


@pytest.mark.parametrize("name", ["", "Add", "add-up", "1add", "a" * 65, "add\n"])
def test_a_bad_task_type_is_refused_and_named(name: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        task_handler(name, plain)

    assert repr(name) in str(caught.value)


@pytest.mark.parametrize("timeout", [0, -1, math.nan, math.inf, 1e9])
def test_a_bad_timeout_is_refused_and_the_task_type_named(timeout: float) -> None:
    with pytest.raises(DefinitionError, match="'my_task': timeout"):
        task_handler("my_task", plain, timeout=timeout)


def test_the_first_paragraph_of_the_docstring_describes_a_handler() -> None:
    assert task_handler("add", plain).description == "Adds things up."
    assert task_handler("add", plain, description="Other").description == "Other"
    assert task_handler("add", one_line_missing).description == ""


def one_line_missing(params: Params, context: TaskContext) -> Result:
    return Result()


def test_a_handler_publishes_what_it_takes_and_gives() -> None:
    handler: TaskHandler = task_handler(
        "add", plain, retry=RetryPolicy(max_attempts=7), timeout=12.5, long_running=True
    )

    schema = handler.schema()

    assert schema["parameters"] == Params.model_json_schema()
    assert schema["result"] == Result.model_json_schema(mode="serialization")
    assert (schema["task_type"], schema["max_attempts"], schema["timeout_seconds"]) == ("add", 7, 12.5)
    assert schema["long_running"] is True
