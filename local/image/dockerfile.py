"""A Dockerfile as instructions, and what its base's name says."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from local.image.errors import ImageError

_BASE = re.compile(
    r"(?P<name>\S+:(?P<python>3\.\d+)\.\d+-slim-(?P<suite>[a-z]+))@(?P<digest>sha256:[0-9a-f]{64})", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Instruction:
    """A line of a Dockerfile, its continuations joined: ``RUN`` and all that follows."""

    keyword: str
    rest: str


@dataclass(frozen=True, slots=True)
class Base:
    """What the stages stand on: an image of Python 3.x on a suite of Debian, pinned by tag and digest."""

    name: str
    digest: str
    python: str
    suite: str


def instructions(text: str) -> tuple[Instruction, ...]:
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return tuple(_instruction(line) for line in joined.splitlines())


def base_of(text: str) -> Base:
    """The default of the argument ``BASE``. Raises :class:`ImageError` where it is not pinned as :class:`Base` says."""
    for found in instructions(text):
        if found.keyword == "ARG" and found.rest.startswith("BASE="):
            base = _BASE.fullmatch(found.rest.removeprefix("BASE="))
            if base is None:
                raise ImageError(f"BASE is not NAME:3.x.y-slim-SUITE@sha256:DIGEST: {found.rest}")
            return Base(base["name"], base["digest"], base["python"], base["suite"])
    raise ImageError("the Dockerfile has no argument BASE")


def copied(text: str) -> tuple[tuple[str, ...], ...]:
    """The sources of each ``COPY`` that takes from the build's context, and its target behind them."""
    words = [shlex.split(found.rest) for found in instructions(text) if found.keyword == "COPY"]
    taken = [line for line in words if not any(word.startswith("--from=") for word in line)]
    return tuple(tuple(word for word in line if not word.startswith("--")) for line in taken)


def _instruction(line: str) -> Instruction:
    keyword, _, rest = line.strip().partition(" ")
    return Instruction(keyword.upper(), rest.strip())
