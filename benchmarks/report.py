"""What every benchmark does with its numbers: print them, as JSON when asked, and hold them to their goals."""

from __future__ import annotations

import argparse
import json
import operator
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

_HOLDS: Mapping[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}


@dataclass(frozen=True, slots=True)
class Goal:
    """``measured[name]`` is to be ``relation`` (``<=``, ``>=``, ``<`` or ``>``) ``bound``, in ``unit``."""

    name: str
    relation: str
    bound: float
    unit: str = ""

    def missed(self, measured: Mapping[str, object]) -> str | None:
        """A line that says by how much the goal is missed, or ``None`` where it is met."""
        value = measured.get(self.name)
        if isinstance(value, int | float) and _HOLDS[self.relation](value, self.bound):
            return None
        return (
            f"missed: {self.name} is {value} {self.unit}, the goal is {self.relation} {self.bound} {self.unit}".rstrip()
        )


def parser(description: str) -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(description=description)
    found.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    found.add_argument("--check", action="store_true", help="exit 1, with a line for each goal that is missed")
    return found


def at_least(bound: int) -> Callable[[str], int]:
    """An argument's type: a whole number from ``bound`` up."""

    def number(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from None
        if value < bound:
            raise argparse.ArgumentTypeError(f"{value} is less than {bound}")
        return value

    return number


def finish(options: argparse.Namespace, measured: Mapping[str, object], goals: Sequence[Goal]) -> int:
    """Print what ``options`` ask for; the exit code."""
    misses = [miss for goal in goals if (miss := goal.missed(measured))] if options.check else []
    for miss in misses:
        print(miss, file=sys.stderr)
    if options.json:
        print(json.dumps(measured, sort_keys=True))
    return 1 if misses else 0
