"""The workers of a chaos run, and what is done to them: killed, paused past their leases, asked to end, replaced."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from random import Random

from benchmarks.chaos_effects import within_a_phase
from benchmarks.chaos_jobs import SLOW_SECONDS, TIMEOUT_SECONDS, is_slow
from benchmarks.chaos_nursery import DUMP, Nursery
from benchmarks.chaos_setting import Setting
from benchmarks.chaos_worker import ASKED_TO
from core.attempts import LEASE_MARGIN

LINES_OF_EVIDENCE = 15
DUMP_SECONDS = 0.5
LOOK_SECONDS = 0.01

ENDED_AS_ASKED = (0, -ASKED_TO)
"""In order, or by the signal itself where it came before the process had begun."""


@dataclass(frozen=True, slots=True)
class Member:
    name: str
    pid: int


@dataclass(slots=True)
class Counts:
    """``ended_by_themselves`` are the workers that nobody ended: a bug each."""

    kills: int = 0
    pauses: int = 0
    asked_to_end: int = 0
    ended_by_themselves: int = 0


class Crew:
    """Keeps ``size`` workers running, beside those that are paused. For one thread at a time."""

    def __init__(self, setting: Setting, nursery: Nursery, size: int, random: Random) -> None:
        self._setting = setting
        self._nursery = nursery
        self._size = size
        self._random = random
        self._numbers = count(1)
        self._working: list[Member] = []
        self._paused: list[tuple[float, Member]] = []
        self._leaving: list[Member] = []
        self._killed: set[int] = set()
        self.counts = Counts()
        self.evidence: list[str] = []

    @property
    def pause_seconds(self) -> float:
        """Longer than any lease, of the wall's time."""
        return 2.0 * (TIMEOUT_SECONDS + LEASE_MARGIN) / self._setting.speed

    def tend(self) -> None:
        """Note who has ended, wake who was paused for long enough, and start who is missing."""
        for pid, code in self._nursery.ended().items():
            self._note_end(pid, code)
        while self._paused and self._paused[0][0] <= time.monotonic():
            self._resume()
        while len(self._working) < self._size:
            name = f"worker-{next(self._numbers)}"
            self._working.append(Member(name, self._nursery.start("worker", name)))

    def kill(self) -> None:
        """End one at once, wherever it is, and put another in its place."""
        member = self._chosen()
        os.kill(member.pid, signal.SIGKILL)
        self._killed.add(member.pid)
        self.counts.kills += 1
        self.tend()

    def pause(self) -> None:
        """Let one stand still for so long that it loses its leases, then go on as if it had them: one that is in a slow
        task, where there is one.
        """
        member = self._chosen(self._slow())
        os.kill(member.pid, signal.SIGSTOP)
        self._paused.append((time.monotonic() + self.pause_seconds, member))
        self.counts.pauses += 1
        self.tend()

    def ask_to_end(self) -> None:
        """Let one end in order."""
        member = self._chosen()
        os.kill(member.pid, ASKED_TO)
        self._leaving.append(member)
        self.counts.asked_to_end += 1
        self.tend()

    def resume_all(self) -> None:
        while self._paused:
            self._resume()

    @property
    def paused(self) -> int:
        return len(self._paused)

    def dismiss(self) -> None:
        """Ask everybody to end in order, and start nobody any more; see :attr:`left`."""
        self.resume_all()
        self._size = 0
        for member in self._working:
            with suppress(ProcessLookupError):
                os.kill(member.pid, ASKED_TO)
        self._leaving += self._working
        self._working = []

    @property
    def left(self) -> int:
        """Workers that have not ended."""
        return len(self._working) + len(self._paused) + len(self._leaving)

    def accounts(self) -> list[str]:
        """What each worker that is there does now, and said last."""
        present = [*self._working, *self._leaving]
        for member in present:
            with suppress(ProcessLookupError):
                os.kill(member.pid, DUMP)
        time.sleep(DUMP_SECONDS)
        return [*self.evidence, *(self._last_words(member, 4 * LINES_OF_EVIDENCE) for member in present)]

    def _chosen(self, candidates: Sequence[Member] = ()) -> Member:
        member = self._random.choice(candidates or self._working)
        self._working.remove(member)
        return member

    def _slow(self) -> Sequence[Member]:
        """Those who are in a slow task, waited for in vain if need be."""
        found: list[Member] = []
        until = time.monotonic() + SLOW_SECONDS
        while not found and time.monotonic() < until:
            tasks = within_a_phase(self._setting.effects)
            busy = [member for member in self._working if member.pid in tasks]
            found = [member for member in busy if is_slow(self._setting.seed, tasks[member.pid])]
            time.sleep(LOOK_SECONDS)
        return found

    def _resume(self) -> None:
        _, member = self._paused.pop(0)
        os.kill(member.pid, signal.SIGCONT)
        self._working.append(member)

    def _note_end(self, pid: int, code: int) -> None:
        if pid in self._killed:
            self._killed.discard(pid)
            return
        for members in (self._working, self._leaving):
            for member in [one for one in members if one.pid == pid]:
                members.remove(member)
                if members is self._working or code not in ENDED_AS_ASKED:
                    self.counts.ended_by_themselves += 1
                    self.evidence.append(f"exit code {code}\n{self._last_words(member, LINES_OF_EVIDENCE)}")

    def _last_words(self, member: Member, lines: int) -> str:
        return f"{member.name}:\n{last_lines(self._setting.log_of(member.name), lines)}"


def last_lines(log: Path, lines: int) -> str:
    text = log.read_text("utf-8", "replace") if log.exists() else ""
    return "\n".join(text.splitlines()[-lines:])
