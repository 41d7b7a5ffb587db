"""What a schedule did, step by step: what a trace is printed from, and a search goes by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from testing.simulation.actions import Action, Conduct, MessageFault, label
from testing.simulation.script import MESSAGES, Deviation

_IDS = ("message_id", "task_id", "job_id")

CHANCES = frozenset({"commit_later", "give_back"})
"""Operations that are no calls, and happen or not."""


class Key(NamedTuple):
    """Where a choice is made, said so that it outlives a change of what comes before: the ``nth`` time, from 1, that
    an actor of this ``kind`` does ``operation`` to ``subject``."""

    kind: str
    operation: str
    subject: str
    nth: int


@dataclass(slots=True)
class Entry:
    """Number ``at`` of ``stream``, from 0, at ``seconds`` of the world: a step of an actor, or another choice.

    ``effective`` says whether ``value``, if it is not the benign one, changed anything. ``others`` are the actors that
    could go on first, by the action that would let them.
    """

    seconds: float
    stream: str
    at: int
    key: Key
    value: int
    others: Mapping[int, str]
    effective: bool = False

    @property
    def deviation(self) -> Deviation:
        return Deviation(self.stream, self.at, self.value)

    def __str__(self) -> str:
        fault = f"  <- {self._what()}" if self.effective else ""
        return f"{self.seconds:9.1f} s  {self.stream:<3} {self.key.operation:<16} {self.key.subject:<10}{fault}"

    def _what(self) -> str:
        if self.stream == MESSAGES:
            return label(MessageFault(self.value))
        if self.key.operation in CHANCES:
            return "yes"
        if self.key.operation == "handler":
            return label(Conduct(self.value))
        return f"{self.others[self.value]} goes first" if self.value in self.others else label(Action(self.value))


class Recorder:
    """``log`` holds the steps in their order, and between them the other choices that were not benign."""

    def __init__(self) -> None:
        self.log: list[Entry] = []
        self._counts: Counter[str | tuple[str, str, str]] = Counter()
        self._last: Entry | None = None

    @property
    def deviations(self) -> Sequence[Deviation]:
        """What was not benign and had an effect. The shape of the world is none of it."""
        return [entry.deviation for entry in self.log if entry.effective]

    def step(
        self, seconds: float, actor: str, operation: str, subject: str, scripted: int, others: Mapping[int, str]
    ) -> int:
        """Write a step down; the action to take there."""
        self._last = entry = self._entry(seconds, actor, operation, subject, scripted, others)
        self.log.append(entry)
        return entry.value

    def took_effect(self) -> None:
        """What the newest step met was not void."""
        if self._last is not None:
            self._last.effective = True

    def choice(self, seconds: float, stream: str, operation: str, subject: str, scripted: int) -> int:
        """Write down what becomes of a message, or how a handler behaves, if it is not benign; what it is to be."""
        entry = self._entry(seconds, stream, operation, subject, scripted, {})
        if entry.value:
            entry.effective = True
            self.log.append(entry)
        return entry.value

    def count(self, stream: str) -> int:
        """How many choices of ``stream`` were made."""
        return self._counts[stream]

    def decide(self, key: Key, scripted: int, others: Mapping[int, str]) -> int:
        """What is to happen at ``key``."""
        return scripted

    def _entry(
        self, seconds: float, stream: str, operation: str, subject: str, scripted: int, others: Mapping[int, str]
    ) -> Entry:
        key = Key(stream[0], operation, subject, self._count((stream[0], operation, subject)))
        value = self.decide(key, scripted, others)
        return Entry(seconds, stream, self._count(stream) - 1, key, value, others)

    def _count(self, what: str | tuple[str, str, str]) -> int:
        self._counts[what] += 1
        return self._counts[what]


Plan = Mapping[Key, int | str]
"""What is to happen where; a name is that of the actor that goes first."""


class Director(Recorder):
    """Makes the choices of ``plan``, and the benign one everywhere else."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self._plan = plan

    def count(self, stream: str) -> int:
        """How many choices of ``stream`` were made."""
        return self._counts[stream]

    def decide(self, key: Key, scripted: int, others: Mapping[int, str]) -> int:
        planned = self._plan.get(key, 0)
        if isinstance(planned, int):
            return planned
        return next((action for action, name in others.items() if name == planned), 0)


def plan_of(log: Sequence[Entry]) -> Plan:
    """The plan that a recorded schedule followed."""
    return {entry.key: entry.others.get(entry.value, entry.value) for entry in log if entry.effective}


def subject_of(arguments: tuple[object, ...]) -> str:
    """A short name for what a call is about: an id where there is one."""
    if not arguments:
        return ""
    first = arguments[0]
    if isinstance(first, (list, tuple)) and not hasattr(first, "_fields"):
        return " ".join(filter(None, [subject_of((one,)) for one in first[:4]]))
    found = next((value for name in _IDS if isinstance(value := getattr(first, name, None), str)), first)
    return short(found) if isinstance(found, str) else ""


def short(identifier: str) -> str:
    """An id without the 64 digits of the job in front."""
    head, _, rest = identifier.partition(":")
    return (rest or head[:4]) if len(head) == 64 else identifier
