"""What a function's annotations say, read as the Python worker reads them.

Sources: `azure_functions_runtime.functions.Registry.add_indexed_function` (`typing.get_type_hints`), and
`azurefunctions.extensions.base.RequestTrackerMeta` (a `fastapi.Request` asks for HTTP streams).
"""

from __future__ import annotations

import sys
import typing
from collections.abc import Mapping, Sequence

from starlette.requests import Request

from local.functions_host.functions import IndexedFunction

EXTENSION_BASE = "azurefunctions.extensions.base"


def annotations_of(function: IndexedFunction) -> Mapping[str, object] | None:
    """By argument, and ``return``. ``None`` when they cannot be evaluated, for which the worker refuses the app."""
    try:
        return typing.get_type_hints(function.call)
    except (AttributeError, NameError, SyntaxError, TypeError):
        return None


def trigger_annotation(function: IndexedFunction) -> object:
    """``None`` when the argument of the trigger has none, or there is not one trigger."""
    if len(function.triggers) != 1:
        return None
    return (annotations_of(function) or {}).get(function.triggers[0].name)


def takes_stream(function: IndexedFunction) -> bool:
    """Whether its HTTP trigger is annotated with the request of HTTP streams."""
    wanted = trigger_annotation(function) if function.http_trigger is not None else None
    return isinstance(wanted, type) and issubclass(wanted, Request)


def extension_imported() -> bool:
    """Whether a web extension has been imported by now, by which the worker switches HTTP streams on for all."""
    base = sys.modules.get(EXTENSION_BASE)
    return base is not None and bool(base.HttpV2FeatureChecker.http_v2_enabled())


def app_streams(functions: Sequence[IndexedFunction], imported: bool = False) -> bool:
    """Whether the app's HTTP functions are given streams: all of them or none. ``imported`` as the last one says."""
    return imported or any(takes_stream(function) for function in functions)
