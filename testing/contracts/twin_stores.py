"""Two state stores as one: every call goes to both, and they must answer alike."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from core.errors import CoreMachineError
from core.listing import DeadLetterRecord
from core.model import (
    AttemptRecord,
    Claimed,
    Event,
    Finished,
    Lease,
    LeaseExpired,
    Opened,
    OutboxRow,
    Submitted,
)
from core.ports import Attention, StateStore


class StoresDiffer(AssertionError):
    """One call was answered in two ways."""


_NUMBERS: Mapping[type, tuple[str, str]] = {
    Lease: ("token", "event"),
    AttemptRecord: ("token", "event"),
    Event: ("sequence", "event"),
    OutboxRow: ("row_id", "row"),
    DeadLetterRecord: ("record_id", "letter"),
}
"""The field in which a record of two stores may differ, and what it counts. Both count in the same order."""

_HOLDERS: Mapping[type, str] = {
    Claimed: "lease",
    LeaseExpired: "lease",
    Submitted: "outbox",
    Opened: "outbox",
    Finished: "outbox",
}
"""The records that hold others with such a field."""

_ARGUMENTS = {
    "mark_published": (0, "row"),
    "unpublished": (2, "row"),
    "still_unpublished": (0, "row"),
    "list_events": (2, "event"),
    "list_dead_letters": (0, "letter"),
    "replay_dead_letter": (0, "letter"),
}
"""The arguments that are such numbers, by their place."""

_ANSWERS = {"still_unpublished": "row"}
"""The calls that answer with such numbers."""


class Numbers:
    """The numbers of one store and what they are in the other, in the same order in both. 0 is none."""

    def __init__(self) -> None:
        self._other = {0: 0}
        self._lefts, self._rights = [0], [0]

    def meet(self, left: int, right: int) -> None:
        """Raises :class:`StoresDiffer` where the two do not belong together."""
        known = self._other.get(left)
        if known is not None:
            if known != right:
                raise StoresDiffer(f"{left} is both {known} and {right} in the other store")
            return
        place = bisect(self._lefts, left)
        if bisect(self._rights, right) != place or right == self._rights[place - 1]:
            raise StoresDiffer(f"{left} is {right} in the other store, which counts in another order")
        self._other[left] = right
        self._lefts.insert(place, left)
        self._rights.insert(place, right)

    def other(self, left: int) -> int:
        """A number that was never met is one that is surely not there, and beyond all that are where it can be."""
        beyond = left > max(self._lefts[-1], self._rights[-1])
        return self._other.get(left, left if beyond else -left)


class TwinStores:
    """Answers as the left store does. Raises :class:`StoresDiffer` where the right one does otherwise.

    Leases, rows and records that it gives are the left store's; it finds their twins when they come back.
    """

    def __init__(self, left: StateStore, right: StateStore) -> None:
        self._left = left
        self._right = right
        self._numbers = {kind: Numbers() for kind in ("event", "row", "letter")}

    @classmethod
    def of(cls, left: StateStore, right: StateStore) -> StateStore:
        return cast(StateStore, cls(left, right))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        left, right = getattr(self._left, name), getattr(self._right, name)

        def call(*arguments: Any, **named: Any) -> Any:
            twins = [self._argument(name, place, value) for place, value in enumerate(arguments)]
            named_twins = {key: self._twin(value) for key, value in named.items()}
            one, other = _outcome(left, arguments, named), _outcome(right, twins, named_twins)
            try:
                self._compare(self._answer(name, one), other)
            except StoresDiffer as difference:
                told = f"{name}{arguments}\n left: {one!r}\nright: {other!r}\n{difference}"
                raise StoresDiffer(told) from difference
            if isinstance(one, Exception):
                raise one
            return one

        return call

    def _answer(self, name: str, one: Any) -> object:
        """An answer as the right store would give it where it is numbers, and nothing went wrong."""
        kind = _ANSWERS.get(name)
        return {self._numbers[kind].other(number) for number in one} if kind and isinstance(one, set) else one

    def _compare(self, one: Any, other: Any) -> None:
        if isinstance(one, (list, tuple)) and type(one) not in _NUMBERS and not hasattr(one, "_fields"):
            self._compare_all(one, other)
        elif isinstance(one, Exception):
            _same((type(one), getattr(one, "code", "")), (type(other), getattr(other, "code", "")))
        elif type(one) is not type(other):
            raise StoresDiffer(f"{one!r} and {other!r}")
        elif type(one) in _HOLDERS:
            part = _HOLDERS[type(one)]
            self._compare(getattr(one, part), getattr(other, part))
            _same(one, _with(other, part, getattr(one, part)))
        elif type(one) in _NUMBERS:
            field, kind = _NUMBERS[type(one)]
            self._numbers[kind].meet(getattr(one, field), getattr(other, field))
            _same(one, _with(other, field, getattr(one, field)))
        elif isinstance(one, Attention):
            _same(one._replace(stale_wakeups=True), other._replace(stale_wakeups=True))  # it may be said in vain
        else:
            _same(one, other)

    def _compare_all(self, some: Sequence[object], others: Sequence[object]) -> None:
        if not isinstance(others, (list, tuple)) or len(some) != len(others):
            raise StoresDiffer(f"{len(some)} and another number")
        for one, other in zip(some, others, strict=True):
            self._compare(one, other)

    def _argument(self, name: str, place: int, value: Any) -> object:
        where, kind = _ARGUMENTS.get(name, (-1, ""))
        if place != where:
            return self._twin(value)
        numbers = self._numbers[kind]
        return numbers.other(value) if isinstance(value, int) else [numbers.other(one) for one in value]

    def _twin(self, value: Any) -> Any:
        """An argument as the right store knows it: the leases in it have other tokens."""
        if isinstance(value, Lease):
            return value._replace(token=self._numbers["event"].other(value.token))
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return type(value)(*map(self._twin, value))
        if isinstance(value, list):
            return [self._twin(one) for one in value]
        return value


def _outcome(method: Callable[..., Any], arguments: Sequence[object], named: Mapping[str, object]) -> object:
    """What a call gives, or the caller's error that it raises."""
    try:
        return method(*arguments, **named)
    except (CoreMachineError, ValueError) as error:
        return error


def _same(one: object, other: object) -> None:
    if one != other:
        raise StoresDiffer(f"{one!r} and {other!r}")


def _with(record: Any, field: str, value: object) -> Any:
    return record._replace(**{field: value}) if hasattr(record, "_fields") else replace(record, **{field: value})
