"""Route templates: parsing, matching, precedence.

Source: the ASP.NET Core routing reference ("Route templates") and `Microsoft.AspNetCore.Routing`'s `TemplateParser`:
literals match without regard to case, a parameter takes at least one character of one segment, ``{x?}`` and ``{x=1}``
may be absent at the end, ``{*x}`` takes the rest, several constraints follow each other after colons, and a doubled
brace stands for itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from local.functions_host.constraints import Constraint, ConstraintInvalid, parse_constraint

_PARAMETER_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPEN, _CLOSE = "\x02", "\x03"


class TemplateInvalid(ValueError):
    """The text is not a route template."""


class ParameterNameInvalid(TemplateInvalid):
    """A route parameter has a name that is not an identifier, or has the name of another one."""


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    constraints: tuple[Constraint, ...] = ()
    optional: bool = False
    default: str | None = None
    catch_all: bool = False

    @property
    def may_be_absent(self) -> bool:
        return self.optional or self.catch_all or self.default is not None

    def accepts(self, value: str) -> bool:
        return all(constraint.matches(value) for constraint in self.constraints)


@dataclass(frozen=True)
class Segment:
    """What stands between two slashes: literal texts and parameters, in order; mostly one of either."""

    parts: tuple[str | Parameter, ...]

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        sources = (re.escape(part) if isinstance(part, str) else f"(?P<{part.name}>.+)" for part in self.parts)
        return re.compile("".join(sources), re.IGNORECASE | re.DOTALL)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return tuple(part for part in self.parts if isinstance(part, Parameter))

    @property
    def only_parameter(self) -> Parameter | None:
        first = self.parts[0]
        return first if len(self.parts) == 1 and isinstance(first, Parameter) else None

    @property
    def literal(self) -> str | None:
        first = self.parts[0]
        return first if len(self.parts) == 1 and isinstance(first, str) else None

    @property
    def rank(self) -> int:
        """1 literal, 2 constrained or mixed, 3 plain, 4 constrained catch-all, 5 catch-all.

        Source: `RoutePrecedence.ComputeInboundPrecedenceDigit` of ASP.NET Core.
        """
        if len(self.parts) > 1:
            return 2
        parameter = self.only_parameter
        if parameter is None:
            return 1
        return (5 if parameter.catch_all else 3) - bool(parameter.constraints)

    def match(self, text: str) -> dict[str, str] | None:
        found = self.pattern.fullmatch(text)
        if found is None:
            return None
        values = {name: value for name, value in found.groupdict().items() if value is not None}
        return values if all(parameter.accepts(values[parameter.name]) for parameter in self.parameters) else None


@dataclass(frozen=True, slots=True)
class Template:
    text: str
    segments: tuple[Segment, ...]

    @property
    def precedence(self) -> tuple[int, ...]:
        """Smaller is more specific; compared segment by segment."""
        return tuple(segment.rank for segment in self.segments)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return tuple(parameter for segment in self.segments for parameter in segment.parameters)

    def match(self, path: Sequence[str]) -> Mapping[str, str] | None:
        """The route values when the decoded path segments fit, else ``None``. An absent optional has no entry."""
        values: dict[str, str] = {}
        for index, segment in enumerate(self.segments):
            parameter = segment.only_parameter
            if parameter is not None and parameter.catch_all:
                found = _take_rest(parameter, path[index:])
            elif index >= len(path):
                found = _take_nothing(parameter)
            else:
                found = segment.match(path[index])
            if found is None:
                return None
            values.update(found)
        return values if len(path) <= len(self.segments) or self._has_catch_all else None

    @property
    def _has_catch_all(self) -> bool:
        return any(parameter.catch_all for parameter in self.parameters)


def _take_rest(parameter: Parameter, rest: Sequence[str]) -> dict[str, str] | None:
    value = "/".join(rest)
    if not value:
        return _take_nothing(parameter)
    return {parameter.name: value} if parameter.accepts(value) else None


def _take_nothing(parameter: Parameter | None) -> dict[str, str] | None:
    if parameter is None or not parameter.may_be_absent:
        return None
    return {} if parameter.default is None else {parameter.name: parameter.default}


def parse_template(text: str) -> Template:
    """Raises :class:`TemplateInvalid`; an empty text is the root."""
    if text.startswith(("/", "~")):
        raise TemplateInvalid("a route template does not start with '/' or '~'")
    marked = text.replace("{{", _OPEN).replace("}}", _CLOSE) if _has_escapes(text) else text
    trimmed = marked.removesuffix("/")
    segments = tuple(_parse_segment(part) for part in _split_outside_braces(trimmed)) if trimmed else ()
    template = Template(text=text, segments=segments)
    _check_names(template.parameters)
    _check_order(segments)
    return template


def _has_escapes(text: str) -> bool:
    return "{{" in text or "}}" in text


def _restore(text: str) -> str:
    return text.replace(_OPEN, "{").replace(_CLOSE, "}")


def _split_outside_braces(text: str) -> list[str]:
    depth, parts, current = 0, [], ""
    for character in text:
        depth += (character == "{") - (character == "}")
        if character == "/" and depth == 0:
            parts.append(current)
            current = ""
        else:
            current += character
    return [*parts, current]


def _parse_segment(text: str) -> Segment:
    if not text:
        raise TemplateInvalid("a route template has no empty segment ('//')")
    parts: list[str | Parameter] = []
    for literal, inside in _tokens(text):
        if literal:
            if "?" in literal:
                raise TemplateInvalid("a literal has no '?'")
            parts.append(_restore(literal))
        if inside is not None:
            if parts and isinstance(parts[-1], Parameter):
                raise TemplateInvalid("two parameters need a literal between them")
            parts.append(_parse_parameter(inside))
    segment = Segment(parts=tuple(parts))
    if len(parts) > 1 and any(parameter.may_be_absent for parameter in segment.parameters):
        raise TemplateInvalid("an optional or catch-all parameter stands alone in its segment")
    return segment


def _tokens(text: str) -> Iterable[tuple[str, str | None]]:
    """Pairs of a literal and the inside of the braces that follow it."""
    rest = text
    while rest:
        literal, opening, after = rest.partition("{")
        if "}" in literal:
            raise TemplateInvalid("a '}' has no '{' before it")
        if not opening:
            yield literal, None
            return
        inside, closing, rest = after.partition("}")
        if not closing or "{" in inside:
            raise TemplateInvalid("a '{' is not closed")
        yield literal, inside


def _parse_parameter(inside: str) -> Parameter:
    stars = len(inside) - len(inside.lstrip("*"))
    if stars > 2:
        raise TemplateInvalid("a catch-all parameter has one or two '*'")
    body, default = _split_default(inside[stars:])
    optional = default is None and body.endswith("?")
    name, *constraints = _split_constraints(body.removesuffix("?") if optional else body)
    if not _PARAMETER_NAME.fullmatch(name):
        raise ParameterNameInvalid(f"the parameter name {name!r} is not a letter or '_' and then letters, digits, '_'")
    if optional and stars:
        raise TemplateInvalid("a catch-all parameter is not optional as well")
    return Parameter(
        name=name,
        constraints=tuple(_parse_constraint(constraint) for constraint in constraints),
        optional=optional,
        default=default,
        catch_all=bool(stars),
    )


def _parse_constraint(text: str) -> Constraint:
    try:
        return parse_constraint(_restore(text))
    except ConstraintInvalid as error:
        raise TemplateInvalid(str(error)) from error


def _split_default(body: str) -> tuple[str, str | None]:
    position = _find_outside_parentheses(body, "=")
    return (body, None) if position < 0 else (body[:position], _restore(body[position + 1 :]))


def _split_constraints(body: str) -> list[str]:
    parts: list[str] = []
    while (position := _find_outside_parentheses(body, ":")) >= 0:
        parts.append(body[:position])
        body = body[position + 1 :]
    return [*parts, body]


def _find_outside_parentheses(text: str, wanted: str) -> int:
    depth = 0
    for index, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if character == wanted and depth <= 0:
            return index
    return -1


def _check_names(parameters: Sequence[Parameter]) -> None:
    seen: set[str] = set()
    for parameter in parameters:
        if parameter.name.lower() in seen:
            raise ParameterNameInvalid(f"the parameter {parameter.name!r} is there twice")
        seen.add(parameter.name.lower())


def _check_order(segments: Sequence[Segment]) -> None:
    for segment in segments[:-1]:
        if segment.only_parameter is not None and segment.only_parameter.catch_all:
            raise TemplateInvalid("a catch-all parameter stands at the end")
