"""What the real host and its Python worker refuse, and the Python library lets pass.

Each rule is a pure function of the indexed functions. Sources, in `Azure/azure-functions-host`: `Utility` (both name
patterns), `ScriptHost.ValidateFunction` and `HttpRoutesConflict` (routes), `FunctionMetadataManager` (the order in
which routes are tried); in `azure-functions-runtime`: `functions.Registry.validate_function_params` (arguments). Lower
case in function names is stricter than the host, which ignores case.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from types import MappingProxyType

from local.functions_host.annotation_rules import annotation_problems
from local.functions_host.functions import HTTP_OUTPUT, RETURN, IndexedFunction
from local.functions_host.problem import Problem
from local.functions_host.routes import methods_overlap, same_shape, templates_overlap
from local.functions_host.templates import ParameterNameInvalid, Template, TemplateInvalid, parse_template
from local.functions_host.trigger_rules import trigger_problems

FUNCTION_NAME = re.compile(r"[a-z][a-z0-9_-]{0,127}")
BINDING_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9]{0,127}")
RESERVED_NAMES = frozenset({"host"})
RESERVED_ROUTES = ("admin", "runtime")
AUTH_LEVELS = frozenset({"anonymous", "function", "admin"})
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "QUERY"})


def validate(
    functions: Sequence[IndexedFunction],
    extension_imported: bool | None = None,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> list[Problem]:
    """Every problem of the app, in the order of its functions; empty when the real host would take all of them.

    ``extension_imported`` says whether the app imports the extension of HTTP streams; ``None`` is not known.
    ``environment`` is for the settings that bindings name.
    """
    problems: list[Problem] = []
    for function in functions:
        problems += _name(function)
        problems += _triggers(function)
        problems += _binding_names(function)
        problems += _arguments(function)
        problems += trigger_problems(function, environment)
        if function.http_trigger is not None:
            problems += _http_output(function)
            problems += _auth_level(function)
            problems += _methods(function)
            problems += _route(function)
    annotated = annotation_problems(functions, extension_imported)
    return [*problems, *annotated, *_duplicate_names(functions), *_route_conflicts(functions)]


def _name(function: IndexedFunction) -> Iterator[Problem]:
    if not FUNCTION_NAME.fullmatch(function.name) or function.name in RESERVED_NAMES:
        yield Problem(
            "FUNCTION_NAME_INVALID",
            function.name,
            function.name,
            "the name is not a letter and then up to 127 of a-z 0-9 _ -, or it is reserved",
            "Rename it, or give it a name with @app.function_name.",
        )


def _triggers(function: IndexedFunction) -> Iterator[Problem]:
    if len(function.triggers) != 1:
        yield Problem(
            "TRIGGER_COUNT",
            function.name,
            ", ".join(binding.type for binding in function.triggers),
            f"it has {len(function.triggers)} triggers",
            "A function has exactly one trigger.",
        )


def _binding_names(function: IndexedFunction) -> Iterator[Problem]:
    seen: set[str] = set()
    for binding in function.bindings:
        if binding.name != RETURN and not BINDING_NAME.fullmatch(binding.name):
            yield Problem(
                "BINDING_NAME_INVALID",
                function.name,
                binding.name,
                "the binding name is not a letter and then up to 127 letters and digits",
                "Rename the argument and the binding without underscores.",
            )
        if binding.name.lower() in seen:
            yield Problem(
                "BINDING_NAME_DUPLICATE",
                function.name,
                binding.name,
                "two bindings have the same name",
                "Give each binding its own argument.",
            )
        seen.add(binding.name.lower())


def _arguments(function: IndexedFunction) -> Iterator[Problem]:
    declared = set(inspect.signature(function.call).parameters)
    bound = {binding.name for binding in function.bindings if binding.name != RETURN}
    for name in sorted(declared - bound - {"context"}):
        yield Problem(
            "ARGUMENT_UNBOUND",
            function.name,
            name,
            "the Python function has an argument that no binding fills",
            "Remove it, or name it in the decorator.",
        )
    for name in sorted(bound - declared):
        yield Problem(
            "BINDING_WITHOUT_ARGUMENT",
            function.name,
            name,
            "a binding has no argument in the Python function",
            "Give the argument the binding's name (trigger_arg_name, arg_name).",
        )


def _http_output(function: IndexedFunction) -> Iterator[Problem]:
    names = [binding.name for binding in function.bindings if binding.type == HTTP_OUTPUT]
    if names != [RETURN]:
        yield Problem(
            "HTTP_OUTPUT_INVALID",
            function.name,
            ", ".join(names),
            "the HTTP output binding is not one binding named $return",
            "Use @app.route, or name the output $return, and return the response.",
        )


def _auth_level(function: IndexedFunction) -> Iterator[Problem]:
    if function.auth_level not in AUTH_LEVELS:
        yield Problem(
            "AUTH_LEVEL_INVALID",
            function.name,
            function.auth_level,
            "the authorization level is unknown",
            "Use anonymous, function or admin.",
        )


def _methods(function: IndexedFunction) -> Iterator[Problem]:
    methods = function.methods
    if methods is not None and not methods:
        yield Problem(
            "METHODS_EMPTY",
            function.name,
            "methods",
            "the list of methods is empty, so that no request is served",
            "Leave methods out to serve all of them.",
        )
    for method in sorted((methods or frozenset()) - METHODS):
        yield Problem(
            "METHOD_INVALID", function.name, method, "this is not an HTTP method", "Name methods such as GET and POST."
        )


def _route(function: IndexedFunction) -> Iterator[Problem]:
    route = function.route
    if route.startswith("/"):
        yield Problem("ROUTE_LEADING_SLASH", function.name, route, "the route starts with a slash", "Remove the slash.")
    if route.strip("/").lower().startswith(RESERVED_ROUTES):
        yield Problem(
            "ROUTE_RESERVED",
            function.name,
            route,
            "the host keeps routes that start with 'admin' or 'runtime' for itself, whatever the prefix",
            "Choose another first word.",
        )
    try:
        parse_template(route.removeprefix("/"))
    except ParameterNameInvalid as error:
        yield Problem("ROUTE_PARAMETER_INVALID", function.name, route, str(error), "Rename the route parameter.")
    except TemplateInvalid as error:
        yield Problem("ROUTE_TEMPLATE_INVALID", function.name, route, str(error), "Correct the route template.")


def _duplicate_names(functions: Sequence[IndexedFunction]) -> Iterator[Problem]:
    seen: set[str] = set()
    for function in functions:
        if function.name.lower() in seen:
            yield Problem(
                "FUNCTION_NAME_DUPLICATE",
                function.name,
                function.name,
                "two functions have the same name, case aside",
                "Rename one of them.",
            )
        seen.add(function.name.lower())


def _route_conflicts(functions: Sequence[IndexedFunction]) -> Iterator[Problem]:
    routed = sorted(_routed(functions), key=lambda pair: pair[0].name.lower())
    for (first, early), (second, late) in combinations(routed, 2):
        if not methods_overlap(first.methods, second.methods):
            continue
        if same_shape(early, late):
            yield _duplicate_route(first, second)
        elif late.precedence < early.precedence and templates_overlap(early, late):
            yield _shadowed_route(first, second)


def _routed(functions: Iterable[IndexedFunction]) -> Iterator[tuple[IndexedFunction, Template]]:
    for function in functions:
        if function.http_trigger is not None:
            try:
                yield function, parse_template(function.route.strip("/"))
            except TemplateInvalid:
                continue


def _duplicate_route(first: IndexedFunction, second: IndexedFunction) -> Problem:
    return Problem(
        "ROUTE_DUPLICATE",
        second.name,
        second.route,
        f"the route and a method are those of function {first.name!r}",
        "Change the route or the methods of one of them.",
    )


def _shadowed_route(first: IndexedFunction, second: IndexedFunction) -> Problem:
    return Problem(
        "ROUTE_SHADOWED",
        second.name,
        second.route,
        f"the real host tries functions by name, so that the wider {first.route!r} of {first.name!r} takes its calls",
        f"Constrain the parameter of {first.name!r}, or give {second.name!r} a name that sorts before it.",
    )
