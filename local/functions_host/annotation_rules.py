"""Annotations that the Python worker refuses, and HTTP functions of two kinds in one app.

Sources: `azure_functions_runtime.functions.Registry` (``validate_function_params``, ``get_function_return_type``),
`azure_functions_runtime.bindings.meta` (with HTTP streams the extension judges the annotations of HTTP functions),
and the checks of the library's own converters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from azure.functions.http import HttpRequestConverter, HttpResponseConverter
from azure.functions.servicebus import ServiceBusMessageInConverter
from azure.functions.timer import TimerRequestConverter
from pydantic import BaseModel
from starlette.responses import Response

from local.functions_host.annotations import annotations_of, app_streams, takes_stream, trigger_annotation
from local.functions_host.functions import HTTP_TRIGGER, RETURN, IndexedFunction
from local.functions_host.problem import Problem

Check = Callable[[Any], bool]

STREAM_RESULTS = (Response, BaseModel, str, dict, bool, int, float, list)
"""Source: the response types that `azurefunctions.extensions.http.fastapi` registers."""

EXTENSION = "azurefunctions.extensions.http.fastapi"
_WANTED = {
    HTTP_TRIGGER: (HttpRequestConverter, "azure.functions.HttpRequest"),
    "serviceBusTrigger": (ServiceBusMessageInConverter, "azure.functions.ServiceBusMessage"),
    "timerTrigger": (TimerRequestConverter, "azure.functions.TimerRequest"),
}


def annotation_problems(functions: Sequence[IndexedFunction], extension_imported: bool | None) -> Iterator[Problem]:
    """``extension_imported`` ``None`` is not known."""
    streams = app_streams(functions, bool(extension_imported))
    for function in functions:
        if annotations_of(function) is None:
            yield _not_evaluated(function)
        elif function.http_trigger is None:
            yield from _trigger(function)
        elif streams:
            yield from _streaming(functions, function, extension_imported)
        else:
            yield from _trigger(function)
            yield from _result(function, HttpResponseConverter.check_output_type_annotation, "HttpResponse or str")


def _not_evaluated(function: IndexedFunction) -> Problem:
    return Problem(
        "ANNOTATION_NOT_EVALUATED",
        function.name,
        function.name,
        "its annotations cannot be evaluated where the function is defined",
        "Import the names that they use at run time, not only for the type checker.",
    )


def _trigger(function: IndexedFunction) -> Iterator[Problem]:
    annotation = trigger_annotation(function)
    wanted = _WANTED.get(function.triggers[0].type) if function.triggers else None
    if annotation is None or wanted is None:
        return
    converter, name = wanted
    if not _accepts(converter.check_input_type_annotation, annotation):
        yield Problem(
            "TRIGGER_ANNOTATION_INVALID",
            function.name,
            function.triggers[0].name,
            f"the argument of its {function.triggers[0].type} is annotated with {_shown(annotation)}",
            f"Annotate it with {name}.",
        )


def _streaming(
    functions: Sequence[IndexedFunction], function: IndexedFunction, imported: bool | None
) -> Iterator[Problem]:
    if imported is False and takes_stream(function):
        yield Problem(
            "HTTP_STREAMS_OFF",
            function.name,
            function.triggers[0].name,
            "it takes the Request of HTTP streams, which are on only where the extension is imported",
            f"Import Request from {EXTENSION}.",
        )
    if trigger_annotation(function) is not None and not takes_stream(function):
        first = next((other.name for other in functions if takes_stream(other)), None)
        cause = f"{first!r} takes their Request" if first else f"the app imports {EXTENSION}"
        yield Problem(
            "HTTP_KINDS_MIXED",
            function.name,
            function.triggers[0].name,
            f"the worker switches HTTP streams on for the whole app, since {cause}, and this function takes "
            f"{_shown(trigger_annotation(function))}",
            f"Let every HTTP function take {EXTENSION}.Request, or none.",
        )
    else:
        yield from _result(function, lambda kind: issubclass(kind, STREAM_RESULTS), f"Response of {EXTENSION}")


def _result(function: IndexedFunction, check: Check, wanted: str) -> Iterator[Problem]:
    hints = annotations_of(function) or {}
    returns = any(binding.name == RETURN for binding in function.bindings)
    if returns and "return" in hints and not _accepts(check, hints["return"]):
        yield Problem(
            "RETURN_ANNOTATION_INVALID",
            function.name,
            "return",
            f"the worker does not take {_shown(hints['return'])} for what it returns",
            f"Annotate it with {wanted}.",
        )


def _accepts(check: Check, annotation: object) -> bool:
    try:
        return bool(check(annotation))
    except TypeError:  # not a class
        return False


def _shown(annotation: object) -> str:
    return f"{annotation.__module__}.{annotation.__qualname__}" if isinstance(annotation, type) else str(annotation)
