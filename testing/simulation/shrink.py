"""From a script that fails to the smallest one that still does, and what to print of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from testing.simulation.actions import Action, Conduct, MessageFault
from testing.simulation.recorder import Director, Entry, Key, Plan, Recorder, plan_of
from testing.simulation.script import CONDUCT, MESSAGES, SHAPE, Deviation, Script
from testing.simulation.simulate import Failure, simulate
from testing.simulation.world import SOUND, System

MAX_RUNS = 3_000
SHAPE_VALUES = 8
"""A shape's choices are between at most as many."""

FEW = 30
"""Up to so many choices are also left out in pairs."""


@dataclass(frozen=True, slots=True)
class Story:
    """A schedule as what happens where, in a world of some ``shape``: robust against leaving parts of it out."""

    shape: bytes
    plan: Plan


class Shrinker:
    """Leaves out what is not needed for ``failure``'s rule to be broken. ``runs`` counts what was tried."""

    def __init__(self, failure: Failure, system: System) -> None:
        recorder = Recorder()
        simulate(failure.script, system, recorder)
        self.failure = failure
        self.runs = 0
        self._system = system
        self._story = Story(failure.script.streams.get(SHAPE, b""), plan_of(recorder.log))

    def shrink(self) -> Failure:
        """The smallest failure found; it repeats by its script alone."""
        before = None
        while before is not self._story and self.runs < MAX_RUNS:
            before = self._story
            self._simplify_shape()
            self._leave_out()
        if len(self._story.plan) > 1:
            any(self._search(shape) for shape in (b"", self._story.shape))
        return self.failure

    def _simplify_shape(self) -> None:
        for place, value in enumerate(self._story.shape):
            for lesser in range(min(value, SHAPE_VALUES)):
                shape = bytearray(self._story.shape)
                shape[place] = lesser
                if self._try(Story(bytes(shape), self._story.plan)):
                    break

    def _leave_out(self) -> None:
        """Halves first, then smaller parts, then one by one, and where few are left, two by two."""
        size = max(1, len(self._story.plan) // 2)
        while size:
            start = 0
            while start < len(self._story.plan):
                if not self._try_without(*list(self._story.plan)[start : start + size]):
                    start += size
            size //= 2
        if len(self._story.plan) <= FEW:
            any(self._try_without(*pair) for pair in combinations(self._story.plan, 2))

    def _try_without(self, *keys: Key) -> bool:
        kept = {key: value for key, value in self._story.plan.items() if key not in keys}
        return self._try(Story(self._story.shape, kept))

    def _search(self, shape: bytes) -> bool:
        """Look for one choice that does it alone, whatever the seed's were: leaving out finds no other story."""
        calm = Recorder()
        simulate(Script(0, {SHAPE: shape}), self._system, calm)
        return any(self._run(Script.of([deviation]).shaped(shape), Recorder()) for deviation in _singles(calm))

    def _try(self, story: Story) -> bool:
        return self._run(Script(0, {SHAPE: story.shape}), Director(story.plan))

    def _run(self, script: Script, recorder: Recorder) -> bool:
        """Whether a schedule fails as the one that is shrunk; it is then the smallest known."""
        if self.runs >= MAX_RUNS:
            return False
        self.runs += 1
        found = simulate(script, self._system, recorder)
        if found is None or found.rule != self.failure.rule:
            return False
        shape = script.streams.get(SHAPE, b"")
        smallest = Script.of(recorder.deviations, self.failure.script.seed).shaped(shape)
        self.failure = Failure(smallest, found.rule, found.text)
        self._story = Story(shape, plan_of(recorder.log))
        return True


def _singles(calm: Recorder) -> Iterator[Deviation]:
    """Every way to deviate once from a schedule without deviations."""
    for entry in calm.log:
        for action in [*entry.others, *range(1, Action.PREEMPT)]:
            yield Deviation(entry.stream, entry.at, action)
    for stream, kinds in ((MESSAGES, MessageFault), (CONDUCT, Conduct)):
        for at in range(calm.count(stream)):
            yield from (Deviation(stream, at, kind) for kind in kinds if kind)


def report(failure: Failure, system: System = SOUND, option: str = "") -> str:
    """The failure shrunk, its schedule, and the command that repeats it.

    ``option`` is what the command needs besides the script.
    """
    shrinker = Shrinker(failure, system)
    smallest = shrinker.shrink()
    before, after = len(failure.script.deviations), len(smallest.script.deviations)
    return "\n".join(
        [
            f"seed {failure.script.seed}: {smallest.text}",
            f"shrunk from {before} choices to {after} in {shrinker.runs} runs:",
            *trace(smallest.script, system),
            f"replay: python -m testing.simulation {option}--replay {smallest.script}",
        ]
    )


def trace(script: Script, system: System = SOUND) -> Sequence[str]:
    """The schedule of a script as lines: time, actor, operation, subject, and what went wrong there."""
    recorder = Recorder()
    failure = simulate(script, system, recorder)
    lines = map(str, _without_idle_end(recorder.log))
    return [*lines, f"  {failure.text}" if failure else "  all that must hold does"]


def _without_idle_end(log: Sequence[Entry]) -> Sequence[Entry]:
    """Without the reconciler's last passes, when nobody else does anything any more."""
    last = max([at for at, entry in enumerate(log) if entry.stream[0] != "r"], default=0)
    return log[: last + 8]
