"""Where code that we did not write is called: handlers and job definitions.

:func:`guarded` is the one place in the engine that catches every exception.
"""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from core.context import TaskContext
from core.errors import CoreMachineError, InvalidParameters, LeaseLost
from core.handlers import TaskHandler
from core.jsontext import dump_json
from core.outcome import ErrorInfo, Failed, Interrupted, Outcome, RetryLater, Succeeded, describe

_log = logging.getLogger(__name__)

MAX_PROBLEMS = 50

T = TypeVar("T")
ModelT = TypeVar("ModelT", bound=BaseModel)


def guarded(call: Callable[..., T], *arguments: object) -> T | Failed:
    """What ``call`` returns, or what it raised as :class:`Failed`. :class:`LeaseLost` passes through.

    An exception outside our tree is logged with its frames and without its text, which may hold what the
    document or the parameters held.
    """
    try:
        return call(*arguments)
    except LeaseLost:
        raise
    except Exception as error:  # noqa: BLE001 - the one boundary around foreign code
        if not isinstance(error, CoreMachineError):
            frames = "".join(traceback.format_tb(error.__traceback__))
            _log.error("%s was raised, most recent call last:\n%s", type(error).__name__, frames)
        return Failed(describe(error), error)


def parse_parameters(model: type[ModelT], value: object, who: str) -> ModelT:
    """``value`` (JSON values) as ``model``. Raises :class:`InvalidParameters` with a line for each problem.

    The problems name fields and rules, never the values that were given. Python's JSON reader lets NaN and
    half of a surrogate pair through, which can be neither stored nor sent: they are refused here.
    """
    try:
        parsed = model.model_validate_json(json.dumps(value, allow_nan=False))
        json.dumps(parsed.model_dump(mode="json"), ensure_ascii=False, allow_nan=False).encode()
    except ValidationError as error:
        raise InvalidParameters(f"{who}: the parameters do not fit", problems=problems(error)) from error
    except ValueError as error:
        found = [{"field": "(body)", "problem": "a number that is not finite, or text that is not Unicode"}]
        raise InvalidParameters(f"{who}: the parameters cannot be written as JSON", problems=found) from error
    return parsed


def problems(error: ValidationError) -> list[dict[str, str]]:
    """The first problems of a validation error as ``{"field", "problem"}`` pairs, without the values."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    listed = [{"field": _field(problem["loc"]), "problem": problem["msg"][:200]} for problem in found[:MAX_PROBLEMS]]
    more = len(found) - len(listed)
    return [*listed, {"field": "(more)", "problem": f"{more} more problems"}] if more else listed


def _field(location: tuple[int | str, ...]) -> str:
    return ".".join(map(str, location))[:100] or "(body)"


def run_handler(handler: TaskHandler, parameters_json: str, context: TaskContext) -> Outcome:
    """Call a handler and close over whatever it does. Raises :class:`LeaseLost` only."""
    try:
        params = handler.params_model.__pydantic_validator__.validate_json(parameters_json)
    except ValidationError as error:
        fields = ", ".join(problem["field"] for problem in problems(error)[:5])
        return Failed(
            ErrorInfo("INVALID_PARAMETERS", f"{handler.task_type}: the parameters do not fit: {fields}"), error
        )
    return guarded(_call, handler, params, context)


def _call(handler: TaskHandler, params: BaseModel, context: TaskContext) -> Outcome:
    returned = handler.function(params, context)
    if isinstance(returned, handler.result_model):
        return _succeeded(handler, dump_json(returned))
    if isinstance(returned, (RetryLater, Interrupted)):
        return returned
    return Failed(ErrorInfo("INVALID_RESULT", f"{handler.task_type} returned {type(returned).__name__}"))


def _succeeded(handler: TaskHandler, result_json: str) -> Outcome:
    """A number that is not finite is written as ``null``, so a result with a ``null`` is read back before it counts."""
    if "null" in result_json:
        try:
            handler.result_model.model_validate_json(result_json)
        except ValidationError as error:
            fields = ", ".join(problem["field"] for problem in problems(error)[:5])
            return Failed(ErrorInfo("INVALID_RESULT", f"{handler.task_type}: the result cannot be read back: {fields}"))
    return Succeeded(result_json)
