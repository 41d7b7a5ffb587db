"""The functions of an app as the host sees them: names and bindings, from the app's own JSON.

The Python worker sends each binding to the host as the JSON of `Function.get_raw_bindings`; reading the same JSON here
means that the rules judge what the real host would be given.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import azure.functions as func

from local.errors import AppNotLoadable

UserFunction = Callable[..., object]
HTTP_TRIGGER, HTTP_OUTPUT, RETURN = "httpTrigger", "http", "$return"


@dataclass(frozen=True, slots=True)
class Binding:
    """``type`` and ``direction`` (``in``, ``out``) as the host reads them; ``properties`` is the whole JSON object."""

    name: str
    type: str
    direction: str
    properties: Mapping[str, Any]

    @property
    def is_trigger(self) -> bool:
        """Source: `BindingMetadata.IsTrigger` of the host: the type ends in "trigger"."""
        return self.type.lower().endswith("trigger")


@dataclass(frozen=True, slots=True)
class IndexedFunction:
    name: str
    call: UserFunction
    bindings: tuple[Binding, ...]

    @property
    def triggers(self) -> tuple[Binding, ...]:
        return tuple(binding for binding in self.bindings if binding.is_trigger)

    @property
    def http_trigger(self) -> Binding | None:
        return next((binding for binding in self.triggers if binding.type == HTTP_TRIGGER), None)

    @property
    def route(self) -> str:
        """The template without the prefix. Empty or absent is the function's name, as in the host's router."""
        trigger = self.http_trigger
        return str(trigger.properties.get("route") or self.name) if trigger is not None else ""

    @property
    def methods(self) -> frozenset[str] | None:
        """Upper case; ``None`` when the trigger names none, which is every method."""
        trigger = self.http_trigger
        named = trigger.properties.get("methods") if trigger is not None else None
        return None if named is None else frozenset(str(method).upper() for method in named)

    @property
    def auth_level(self) -> str:
        """Lower case. The library's default is ``function``; so is the host's."""
        trigger = self.http_trigger
        return str(trigger.properties.get("authLevel", "function")).lower() if trigger is not None else ""


def index_app(app: func.FunctionApp) -> tuple[IndexedFunction, ...]:
    """Every function of the app, in the order of their definition.

    Raises :class:`AppNotLoadable` for what the library itself refuses, such as a name that is there twice.
    """
    # get_functions() remembers the names that it has seen and refuses each of them the second time it is called.
    app.functions_bindings = {}
    try:
        return tuple(_indexed(function) for function in app.get_functions())
    except ValueError as error:
        raise AppNotLoadable(f"the app cannot be indexed: {error}") from error


def _indexed(function: Any) -> IndexedFunction:
    return IndexedFunction(
        name=str(function.get_function_name()),
        call=function.get_user_function(),
        bindings=tuple(_binding(json.loads(text)) for text in function.get_raw_bindings()),
    )


def _binding(properties: Mapping[str, Any]) -> Binding:
    return Binding(
        name=str(properties.get("name", "")),
        type=str(properties.get("type", "")),
        direction=str(properties.get("direction", "")).lower(),
        properties=properties,
    )
