"""A script: every choice that a schedule makes, as streams of small numbers in which 0 is the benign one.

A script that says nothing runs the job in a calm world. So a failing script is shrunk by taking choices out,
and what is left, its deviations, is the whole story.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from testing.simulation.plans import PLANS

SHAPE, MESSAGES, CONDUCT = "x", "m", "h"
LENGTHS = {SHAPE: 28, MESSAGES: 64, CONDUCT: 48}
STEPS = 64
"""How many steps of an actor are scripted; after them it meets no more faults."""

ACTORS = ("w1", "w2", "w3", "w4", "r1", "r2", "s1", "s2", "u1")
"""The streams of the actors: workers, reconcilers, submitters, users."""

_DEVIATION = re.compile(r"([a-z][0-9]?)\.([0-9]{1,4})=([0-9]{1,3})")


class Deviation(NamedTuple):
    """A choice that is not the benign one: number ``at`` of ``stream``, from 0, is ``value``, 1 to 255."""

    stream: str
    at: int
    value: int

    def __str__(self) -> str:
        return f"{self.stream}.{self.at}={self.value}"


@dataclass(frozen=True, slots=True)
class Script:
    """``seed`` names where it came from; the streams say all that happens."""

    seed: int
    streams: Mapping[str, bytes]

    @classmethod
    def drawn(cls, seed: int) -> Script:
        """The script of a seed: one of the plans, and choices at random under it."""
        random = Random(seed)
        draw, plan = random.randbytes, PLANS[seed % len(PLANS)]
        streams = {name: draw(STEPS).translate(plan.steps) for name in ACTORS}
        streams[SHAPE] = draw(LENGTHS[SHAPE])
        streams[MESSAGES] = draw(LENGTHS[MESSAGES]).translate(plan.messages)
        streams[CONDUCT] = draw(LENGTHS[CONDUCT]).translate(plan.conduct)
        return cls(seed, streams)

    @classmethod
    def of(cls, deviations: Iterable[Deviation], seed: int = 0) -> Script:
        streams: dict[str, bytearray] = {}
        for stream, at, value in deviations:
            found = streams.setdefault(stream, bytearray())
            found.extend(bytes(max(0, at + 1 - len(found))))
            found[at] = value
        return cls(seed, {name: bytes(found) for name, found in streams.items()})

    def shaped(self, shape: bytes) -> Script:
        """The same in a world of another shape."""
        return Script(self.seed, {**self.streams, SHAPE: shape})

    @classmethod
    def parse(cls, text: str) -> Script:
        """``SEED`` is the script of a seed, ``SEED:w1.12=9,h.3=1`` the one of these deviations (none: calm).

        Raises :class:`ValueError`.
        """
        seed, colon, listed = text.partition(":")
        if not seed.isdecimal():
            raise ValueError(f"{text[:40]!r} does not start with a seed")
        if not colon:
            return cls.drawn(int(seed))
        return cls.of([_parse(part) for part in listed.split(",") if part], int(seed))

    @property
    def deviations(self) -> Sequence[Deviation]:
        return [
            Deviation(name, at, value)
            for name, stream in self.streams.items()
            for at, value in enumerate(stream)
            if value
        ]

    def __str__(self) -> str:
        return f"{self.seed}:{','.join(map(str, self.deviations))}"


CALM = Script(0, {})


def _parse(text: str) -> Deviation:
    found = _DEVIATION.fullmatch(text)
    if found is None or int(found[3]) > 255:
        raise ValueError(f"{text[:40]!r} is not STREAM.NUMBER=VALUE with a value up to 255")
    return Deviation(found[1], int(found[2]), int(found[3]))
