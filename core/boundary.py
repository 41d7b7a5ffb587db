"""Where code that we did not write is called: handlers and job definitions.

:func:`guarded` is the one place in the engine that catches every exception.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from core.context import TaskContext
from core.errors import InvalidParameters, LeaseLost
from core.handlers import TaskHandler
from core.jsontext import dump_json
from core.outcome import ErrorInfo, Failed, Interrupted, Outcome, RetryLater, Succeeded, describe

T = TypeVar("T")
ModelT = TypeVar("ModelT", bound=BaseModel)


def guarded(call: Callable[..., T], *arguments: object) -> T | Failed:
    """What ``call`` returns, or what it raised as :class:`Failed`. :class:`LeaseLost` passes through."""
    try:
        return call(*arguments)
    except LeaseLost:
        raise
    except Exception as error:  # noqa: BLE001 - the one boundary around foreign code
        return Failed(describe(error), error)


def parse_parameters(model: type[ModelT], value: object, who: str) -> ModelT:
    """``value`` (JSON values) as ``model``. Raises :class:`InvalidParameters` with a line for each problem.

    The problems name fields and rules, never the values that were given. Python's JSON reader lets NaN and
    half of a surrogate pair through, which can be neither stored nor sent: they are refused here.
    """
    try:
        parsed = model.model_validate(value)
        json.dumps(parsed.model_dump(mode="json"), ensure_ascii=False, allow_nan=False).encode()
    except ValidationError as error:
        raise InvalidParameters(f"{who}: the parameters do not fit", problems=problems(error)) from error
    except ValueError as error:
        found = [{"field": "(body)", "problem": "a number that is not finite, or text that is not Unicode"}]
        raise InvalidParameters(f"{who}: the parameters cannot be written as JSON", problems=found) from error
    return parsed


def problems(error: ValidationError) -> list[dict[str, str]]:
    """A validation error as ``{"field", "problem"}`` pairs, without the values."""
    return [
        {"field": ".".join(map(str, found["loc"])) or "(body)", "problem": found["msg"]}
        for found in error.errors(include_url=False, include_context=False, include_input=False)
    ]


def run_handler(handler: TaskHandler, parameters_json: str, context: TaskContext) -> Outcome:
    """Call a handler and close over whatever it does. Raises :class:`LeaseLost` only."""
    try:
        params = handler.params_model.__pydantic_validator__.validate_json(parameters_json)
    except ValidationError as error:
        return Failed(ErrorInfo("INVALID_PARAMETERS", f"{handler.task_type}: the parameters do not fit"), error)
    return guarded(_call, handler, params, context)


def _call(handler: TaskHandler, params: BaseModel, context: TaskContext) -> Outcome:
    returned = handler.function(params, context)
    if isinstance(returned, handler.result_model):
        return Succeeded(dump_json(returned))
    if isinstance(returned, (RetryLater, Interrupted)):
        return returned
    return Failed(ErrorInfo("INVALID_RESULT", f"{handler.task_type} returned {type(returned).__name__}"))
