"""Route constraints, as ASP.NET Core's `DefaultInlineConstraintResolver` knows them.

Source: the ASP.NET Core routing reference ("Route constraints") and `Microsoft.AspNetCore.Routing.Constraints`.
The culture is the invariant one. ``datetime`` takes ISO 8601 and month/day/year forms, a part of what .NET parses.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

Check = Callable[[str], bool]

INT32 = (-(2**31), 2**31 - 1)
INT64 = (-(2**63), 2**63 - 1)

_INTEGER = re.compile(r"\s*[+-]?[0-9]+\s*")
_DECIMAL = re.compile(r"\s*[+-]?([0-9][0-9,]*\.?[0-9]*|\.[0-9]+)\s*")
_FLOATING = re.compile(r"\s*[+-]?(([0-9][0-9,]*\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|infinity|nan)\s*", re.IGNORECASE)
_DATETIME_FORMS = ("%m/%d/%Y", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %I:%M:%S %p", "%m-%d-%Y", "%Y/%m/%d")


class ConstraintInvalid(ValueError):
    """The constraint is unknown, or its arguments are wrong."""


@dataclass(frozen=True, slots=True)
class Constraint:
    """One inline constraint: its text as the template has it, and whether a decoded value satisfies it."""

    text: str
    matches: Check


def parse_constraint(text: str) -> Constraint:
    """``int``, ``length(2,4)``, ``regex(^[a-z]+$)``. Raises :class:`ConstraintInvalid`."""
    name, arguments = _split(text)
    maker = _MAKERS.get(name.lower())
    if maker is None:
        raise ConstraintInvalid(f"there is no route constraint {name!r}")
    try:
        return Constraint(text=text, matches=maker(arguments))
    except (ValueError, re.error) as error:
        raise ConstraintInvalid(f"route constraint {text!r}: {error}") from error


def _split(text: str) -> tuple[str, str | None]:
    name, opening, rest = text.partition("(")
    if not opening:
        return text, None
    if not rest.endswith(")"):
        raise ConstraintInvalid(f"route constraint {text!r} has no closing parenthesis")
    return name, rest[:-1]


def _plain(check: Check) -> Callable[[str | None], Check]:
    def make(arguments: str | None) -> Check:
        if arguments:
            raise ValueError("it takes no argument")
        return check

    return make


def _numbers(arguments: str | None, counts: tuple[int, ...]) -> list[int]:
    parts = [] if arguments is None else arguments.split(",")
    if len(parts) not in counts:
        raise ValueError(f"it takes {' or '.join(map(str, counts))} whole numbers")
    return [int(part) for part in parts]


def _integer_within(low: int, high: int) -> Check:
    def check(value: str) -> bool:
        # The length bounds what int() is given: 20 digits are more than any 64-bit integer has.
        return bool(_INTEGER.fullmatch(value)) and len(value.strip()) <= 40 and low <= int(value) <= high

    return check


def _is_guid(value: str) -> bool:
    bare = value.strip()
    if bare[:1] + bare[-1:] in ("{}", "()"):
        bare = bare[1:-1]
    if not re.fullmatch(r"[0-9a-fA-F]{32}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", bare):
        return False
    return uuid.UUID(bare).int >= 0


def _is_datetime(value: str) -> bool:
    return any(_parses(value, form) for form in (None, *_DATETIME_FORMS))


def _parses(value: str, form: str | None) -> bool:
    try:
        datetime.fromisoformat(value) if form is None else datetime.strptime(value, form).replace(tzinfo=UTC)
    except ValueError:
        return False
    return True


def _length(arguments: str | None) -> Check:
    numbers = _numbers(arguments, (1, 2))
    low, high = numbers[0], numbers[-1]
    if not 0 <= low <= high:
        raise ValueError("the lengths must be 0 or more, the smaller first")
    return lambda value: low <= len(value) <= high


def _min_length(arguments: str | None) -> Check:
    (low,) = _numbers(arguments, (1,))
    return lambda value: len(value) >= low


def _max_length(arguments: str | None) -> Check:
    (high,) = _numbers(arguments, (1,))
    return lambda value: len(value) <= high


def _minimum(arguments: str | None) -> Check:
    (low,) = _numbers(arguments, (1,))
    return _integer_within(low, INT64[1])


def _maximum(arguments: str | None) -> Check:
    (high,) = _numbers(arguments, (1,))
    return _integer_within(INT64[0], high)


def _range(arguments: str | None) -> Check:
    low, high = _numbers(arguments, (2,))
    if low > high:
        raise ValueError("the smaller number comes first")
    return _integer_within(low, high)


def _regex(arguments: str | None) -> Check:
    if arguments is None:
        raise ValueError("it takes a regular expression")
    pattern = re.compile(arguments, re.IGNORECASE)
    return lambda value: pattern.search(value) is not None


def _is_file_name(value: str) -> bool:
    return "." in value.rsplit("/", 1)[-1].rstrip(".")


_MAKERS: Mapping[str, Callable[[str | None], Check]] = {
    "int": _plain(_integer_within(*INT32)),
    "long": _plain(_integer_within(*INT64)),
    "bool": _plain(lambda value: value.strip().lower() in ("true", "false")),
    "datetime": _plain(_is_datetime),
    "decimal": _plain(lambda value: _DECIMAL.fullmatch(value) is not None),
    "double": _plain(lambda value: _FLOATING.fullmatch(value) is not None),
    "float": _plain(lambda value: _FLOATING.fullmatch(value) is not None),
    "guid": _plain(_is_guid),
    "alpha": _plain(lambda value: re.fullmatch(r"[a-zA-Z]*", value) is not None),
    "required": _plain(lambda value: value != ""),
    "file": _plain(_is_file_name),
    "nonfile": _plain(lambda value: not _is_file_name(value)),
    "length": _length,
    "minlength": _min_length,
    "maxlength": _max_length,
    "min": _minimum,
    "max": _maximum,
    "range": _range,
    "regex": _regex,
}
