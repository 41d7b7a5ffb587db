"""What a test may ask to go wrong, decided by a seed."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import Any

from core.errors import InvalidInput

MAX_REMEMBERED = 1000


class Operation(Enum):
    """What is about to happen when the plan is asked."""

    ATTACH = "attach"
    SEND = "send"
    RECEIVE = "receive"
    SETTLE = "settle"
    RENEW = "renew"
    MANAGE = "manage"


@dataclass(frozen=True, slots=True)
class DropConnection:
    """Close the transport without a word. The operation does not happen."""


@dataclass(frozen=True, slots=True)
class LoseLock:
    """:meth:`.queue.Queue.lose_lock` for the message at hand, before the operation."""


@dataclass(frozen=True, slots=True)
class Throttle:
    """Refuse with :class:`.errors.ServerBusy`."""


@dataclass(frozen=True, slots=True)
class Delay:
    """Do it ``seconds`` later."""

    seconds: float


Fault = DropConnection | LoseLock | Throttle | Delay


@dataclass(frozen=True, slots=True)
class FaultRule:
    """Of the operations that it fits (None: any), the first ``after`` are spared, then each has the ``probability``,
    until it happened ``times`` times (None: for ever)."""

    fault: Fault
    operation: Operation | None = None
    entity: str | None = None
    probability: float = 1.0
    after: int = 0
    times: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1 or self.after < 0 or (self.times is not None and self.times < 0):
            raise InvalidInput(f"a fault has a probability of 0 to 1, and counts from 0 on: {self}")
        if isinstance(self.fault, Delay) and not 0 <= self.fault.seconds <= 3600:
            raise InvalidInput(f"a delay is 0 to 3600 seconds: {self.fault.seconds}")

    def fits(self, operation: Operation, entity: str) -> bool:
        return self.operation in {None, operation} and (self.entity is None or self.entity.lower() == entity.lower())


class FaultPlan:
    """Asked before each operation. The same rules, seed and questions give the same answers."""

    def __init__(self, rules: Sequence[FaultRule] = (), seed: int = 0) -> None:
        self._rules = [_Counted(rule) for rule in rules]
        self._random = Random(seed)
        self.injected: deque[tuple[Operation, str, Fault]] = deque(maxlen=MAX_REMEMBERED)
        """What went wrong, as far as it is remembered."""

    def ask(self, operation: Operation, entity: str) -> Fault | None:
        """What shall go wrong with this operation on the queue of this path: the first rule's that says so."""
        for counted in self._rules:
            if counted.rule.fits(operation, entity) and counted.strikes(self._random):
                self.injected.append((operation, entity, counted.rule.fault))
                return counted.rule.fault
        return None


@dataclass(slots=True)
class _Counted:
    rule: FaultRule
    asked: int = 0
    struck: int = 0

    def strikes(self, random: Random) -> bool:
        self.asked += 1
        if self.asked <= self.rule.after or self.struck == self.rule.times:
            return False
        if random.random() >= self.rule.probability:
            return False
        self.struck += 1
        return True


_KINDS: dict[str, Fault] = {"drop_connection": DropConnection(), "lose_lock": LoseLock(), "throttle": Throttle()}
_KEYS = {"fault", "seconds", "operation", "entity", "probability", "after", "times"}


def read_faults(text: str, seed: int = 0) -> FaultPlan:
    """A plan from JSON: an array of objects with ``fault`` (``drop_connection``, ``lose_lock``, ``throttle``, ``delay``
    with ``seconds``) and the fields of :class:`FaultRule`. Raises :class:`core.errors.InvalidInput`."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"the faults are not JSON: {error}") from error
    if not isinstance(document, list) or not all(isinstance(one, dict) for one in document):
        raise InvalidInput("the faults are an array of objects")
    return FaultPlan([_rule(one) for one in document], seed)


def _rule(found: dict[str, Any]) -> FaultRule:
    if unknown := sorted(found.keys() - _KEYS):
        raise InvalidInput(f"a fault has no {unknown[0]}; it has {', '.join(sorted(_KEYS))}")
    return FaultRule(
        fault=_fault(found),
        operation=_operation(found.get("operation")),
        entity=_entity(found.get("entity")),
        probability=_number(found, "probability", 1.0),
        after=_count(found.get("after", 0)),
        times=_count(found["times"]) if "times" in found else None,
    )


def _fault(found: dict[str, Any]) -> Fault:
    kind = found.get("fault")
    if kind == "delay":
        return Delay(_number(found, "seconds", None))
    if not isinstance(kind, str) or kind not in _KINDS:
        raise InvalidInput(f"there is no fault {kind!r}; there are delay, {', '.join(_KINDS)}")
    return _KINDS[kind]


def _operation(name: object) -> Operation | None:
    if name is None:
        return None
    known = {operation.value: operation for operation in Operation}
    if not isinstance(name, str) or name not in known:
        raise InvalidInput(f"there is no operation {name!r}; there are {', '.join(known)}")
    return known[name]


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidInput(f"how often a fault happens is a whole number: {value!r}")
    return value


def _entity(name: object) -> str | None:
    if name is not None and not isinstance(name, str):
        raise InvalidInput(f"a fault's entity is the path of a queue: {name!r}")
    return name


def _number(found: dict[str, Any], key: str, default: float | None) -> float:
    value = found.get(key, default)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise InvalidInput(f"a fault's {key} is a number: {value!r}")
    return value
