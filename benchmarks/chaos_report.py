"""What a chaos run is to do, and what it reports."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.chaos_bus import BusStats
from benchmarks.chaos_check import Fault, Kind
from benchmarks.chaos_server import Restart


@dataclass(frozen=True, slots=True)
class Plan:
    """``pace`` is the seconds between two kills, on average; the others are spread over the time that this takes.

    ``workers`` run at a time, on about ``jobs`` jobs with stages of up to ``tasks`` tasks. ``patience`` is the seconds
    for which each state is waited, before what is there is judged as it is.
    """

    kills: int = 1_000
    restarts: int = 50
    pauses: int = 50
    seed: int = 1
    workers: int = 4
    jobs: int = 8
    tasks: int = 50
    pace: float = 0.4
    patience: float = 300.0

    @property
    def seconds(self) -> float:
        """How long the kills take."""
        return self.kills * self.pace


@dataclass(frozen=True, slots=True)
class Report:
    """``unused`` are the calls of handlers that came to a result which was refused, or lost with its worker.

    ``evidence`` is what can be told where a state was waited for in vain.
    """

    plan: Plan
    kills: int
    pauses: int
    asked_to_end: int
    ended_by_themselves: int
    restarts: Sequence[Restart]
    jobs: int
    tasks: int
    attempts: int
    calls: int
    unused: int
    refused: int
    outcomes: Mapping[str, int]
    repairs: Mapping[str, int]
    bus: BusStats
    faults: Sequence[Fault]
    evidence: Sequence[str]
    seconds: float

    def count(self, *kinds: Kind) -> int:
        return sum(fault.kind in kinds for fault in self.faults)

    def measured(self) -> dict[str, object]:
        recovered = [restart.recovered for restart in self.restarts if restart.recovered is not None]
        down = [restart.down for restart in self.restarts]
        return {
            "seed": self.plan.seed,
            "kills": self.kills,
            "restarts": len(self.restarts),
            "pauses": self.pauses,
            "asked_to_end": self.asked_to_end,
            "ended_by_themselves": self.ended_by_themselves,
            "jobs": self.jobs,
            "tasks": self.tasks,
            "attempts": self.attempts,
            "calls": self.calls,
            "calls_unused": self.unused,
            "writes_refused": self.refused,
            "outcomes": dict(self.outcomes),
            "repairs": dict(self.repairs),
            "messages": self.bus.sent,
            "bus_faults": dict(self.bus.faults),
            "dead_letters": dict(self.bus.dead),
            "lost": self.count(Kind.LOST),
            "duplicated": self.count(Kind.DUPLICATED, Kind.ZOMBIE, Kind.REPEATED),
            "runs_not_ended": self.count(Kind.NOT_ENDED),
            "other_faults": self.count(Kind.CHANGED, Kind.WRONG, Kind.LEFT),
            "down_seconds_median": _rounded(statistics.median, down),
            "down_seconds_max": _rounded(max, down),
            "recovery_seconds_median": _rounded(statistics.median, recovered),
            "recovery_seconds_max": _rounded(max, recovered),
            "seconds": round(self.seconds, 1),
        }


def _rounded(how: Callable[[Sequence[float]], float], seconds: Sequence[float]) -> float | None:
    return round(how(seconds), 3) if seconds else None
