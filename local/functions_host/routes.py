"""The route table, and when two routes are in each other's way.

A request goes to the first route whose template, constraints and methods all fit; when none does the answer is 404 with
an empty body, also for a known path with another method: the method is a constraint of the route like any other.
Sources: `WebScriptHostHttpRoutesManager.InitializeHttpFunctionRoutes` (methods become an `HttpMethodRouteConstraint`,
``None`` is every method), Azure/azure-functions-host issues #10098 (404, not 405) and #11625 (HEAD is not GET).

The order is most specific first. The real host has no such order: it tries the functions by name without regard to
case (`FunctionMetadataManager.LoadFunctionMetadata`; Azure/azure-functions-host issue #9876). So that both give the
same answer, :mod:`local.functions_host.rules` refuses an app in which the two orders differ for some path.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import unquote

from local.functions_host.templates import Segment, Template

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Route(Generic[T]):
    """``methods`` are upper case; ``None`` is every method."""

    name: str
    template: Template
    methods: frozenset[str] | None
    target: T


@dataclass(frozen=True, slots=True)
class Match(Generic[T]):
    route: Route[T]
    values: Mapping[str, str]


class RouteTable(Generic[T]):
    def __init__(self, routes: Iterable[Route[T]]) -> None:
        self._routes = sorted(routes, key=lambda route: (route.template.precedence, route.name.lower()))

    def match(self, method: str, raw_path: str) -> Match[T] | None:
        """``raw_path`` is the path as it was sent, with its percent signs, without the query."""
        path = split_path(raw_path)
        for route in self._routes:
            if allows(route.methods, method):
                values = route.template.match(path)
                if values is not None:
                    return Match(route=route, values=values)
        return None


def split_path(raw_path: str) -> tuple[str, ...]:
    """Decoded segments; ``%2F`` stays as it is, as in Kestrel, so that it never makes a segment."""
    trimmed = raw_path.removeprefix("/").removesuffix("/")
    return tuple(_decode(part) for part in trimmed.split("/")) if trimmed else ()


def _decode(part: str) -> str:
    kept = part.replace("%2F", "%252F").replace("%2f", "%252f")
    return unquote(kept, errors="replace")


def allows(methods: frozenset[str] | None, method: str) -> bool:
    return methods is None or method.upper() in methods


def methods_overlap(one: frozenset[str] | None, other: frozenset[str] | None) -> bool:
    return one is None or other is None or not one.isdisjoint(other)


def templates_overlap(one: Template, other: Template) -> bool:
    """Whether some path may fit both. Two constraints are not compared: that counts as yes."""
    for first, second in zip(one.segments, other.segments, strict=False):
        if _is_catch_all(first) or _is_catch_all(second):
            return True
        if not _segments_overlap(first, second):
            return False
    shorter = min(len(one.segments), len(other.segments))
    return _all_absent(one.segments[shorter:]) and _all_absent(other.segments[shorter:])


def same_shape(one: Template, other: Template) -> bool:
    """Whether both match the same paths: they differ at most in the parameters' names."""
    return [_shape(segment) for segment in one.segments] == [_shape(segment) for segment in other.segments]


def _shape(segment: Segment) -> tuple[object, ...]:
    return tuple(
        part.lower()
        if isinstance(part, str)
        else (sorted(constraint.text for constraint in part.constraints), part.may_be_absent, part.catch_all)
        for part in segment.parts
    )


def _is_catch_all(segment: Segment) -> bool:
    return segment.only_parameter is not None and segment.only_parameter.catch_all


def _all_absent(segments: Sequence[Segment]) -> bool:
    return all(segment.only_parameter is not None and segment.only_parameter.may_be_absent for segment in segments)


def _segments_overlap(one: Segment, other: Segment) -> bool:
    if one.literal is not None:
        return other.match(one.literal) is not None
    if other.literal is not None:
        return one.match(other.literal) is not None
    return True
