"""Task handlers: typed functions, and what a registry needs to know of them.

A handler is ``(params: Model, context: TaskContext) -> Model``. It may also return
:class:`~core.outcome.RetryLater` or :class:`~core.outcome.Interrupted`, and its annotation then says so.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from core.context import TaskContext
from core.errors import DefinitionError
from core.ids import is_type_name
from core.outcome import Interrupted, RetryLater
from core.retry import RetryPolicy

HandlerFunction = Callable[..., BaseModel | RetryLater | Interrupted]

MAX_TIMEOUT = 7 * 86_400.0


def _as_they_are(params: BaseModel) -> BaseModel:
    return params


@dataclass(frozen=True, slots=True)
class TaskHandler:
    """A handler with its type name, its models and its bounds. ``timeout`` is in seconds. ``kept`` gives what is stored
    of parameters that a caller edits, as :meth:`core.jobs.JobDefinition.kept` does of a job's.
    """

    task_type: str
    function: HandlerFunction
    params_model: type[BaseModel]
    result_model: type[BaseModel]
    description: str = ""
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    timeout: float = 300.0
    long_running: bool = False
    kept: Callable[[Any], BaseModel] = _as_they_are

    def schema(self) -> dict[str, object]:
        """The JSON schemas of what the handler takes and gives."""
        return {
            "task_type": self.task_type,
            "description": self.description,
            "long_running": self.long_running,
            "timeout_seconds": self.timeout,
            "max_attempts": self.retry.max_attempts,
            "parameters": self.params_model.model_json_schema(),
            "result": self.result_model.model_json_schema(mode="serialization"),
        }


def task_handler(
    task_type: str,
    function: HandlerFunction,
    *,
    description: str | None = None,
    retry: RetryPolicy | None = None,
    timeout: float = 300.0,
    long_running: bool = False,
    kept: Callable[[Any], BaseModel] = _as_they_are,
) -> TaskHandler:
    """Describe ``function`` as the handler of ``task_type``.

    The models are read from its annotations. Raises :class:`DefinitionError`, naming the task type, for a
    signature that is not ``(params: Model, context: TaskContext) -> Model``.
    """
    if not is_type_name(task_type):
        raise DefinitionError(f"task type {task_type!r}: 1 to 64 of a-z 0-9 _, starting with a letter")
    if not 0 < timeout <= MAX_TIMEOUT:
        raise DefinitionError(f"task type {task_type!r}: timeout must be more than 0 and at most {MAX_TIMEOUT} seconds")
    params_model, result_model = _models(task_type, function)
    doc = inspect.getdoc(function) or ""
    return TaskHandler(
        task_type=task_type,
        function=function,
        params_model=params_model,
        result_model=result_model,
        description=doc.split("\n\n")[0].replace("\n", " ") if description is None else description,
        retry=retry or RetryPolicy(),
        timeout=timeout,
        long_running=long_running,
        kept=kept,
    )


_NOT_PLAIN = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)


def _models(task_type: str, function: HandlerFunction) -> tuple[type[BaseModel], type[BaseModel]]:
    wanted = f"task type {task_type!r}: the handler must be (params: Model, context: TaskContext) -> Model; "
    if not callable(function):
        raise DefinitionError(wanted + "it is not callable")
    target = function if inspect.isroutine(function) else type(function).__call__
    if any(kind(target) for kind in _NOT_PLAIN):
        raise DefinitionError(wanted + "it is a coroutine function or a generator")
    try:
        hints = typing.get_type_hints(target)
        parameters = list(inspect.signature(function).parameters.values())
    except (AttributeError, NameError, SyntaxError, TypeError, ValueError) as error:
        raise DefinitionError(wanted + f"its signature cannot be read: {error}") from error
    if len(parameters) != 2 or any(p.kind not in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters):
        raise DefinitionError(wanted + f"it takes ({', '.join(str(p) for p in parameters)})")
    params_model, context_type = (hints.get(p.name) for p in parameters)
    if not _is_model(params_model):
        raise DefinitionError(wanted + f"{parameters[0].name!r} is not annotated with a pydantic model")
    if not (isinstance(context_type, type) and issubclass(context_type, TaskContext)):
        raise DefinitionError(wanted + f"{parameters[1].name!r} is not annotated with TaskContext")
    return params_model, _result_model(wanted, hints.get("return"))


def _result_model(wanted: str, annotation: object) -> type[BaseModel]:
    union = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    members = typing.get_args(annotation) if union else (annotation,)
    models = [member for member in members if _is_model(member)]
    others = [member for member in members if not _is_model(member) and member not in (RetryLater, Interrupted)]
    if len(models) != 1 or others:
        raise DefinitionError(wanted + f"it returns {annotation}")
    return models[0]


def _is_model(candidate: object) -> typing.TypeGuard[type[BaseModel]]:
    return isinstance(candidate, type) and issubclass(candidate, BaseModel) and candidate is not BaseModel
