"""Follows runs until they end, and asks no more often than the service wants."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from local.client.api import Api
from local.client.http import Wait
from local.client.rates import UNKNOWN, Pace, Sample, pace
from local.client.records import JobStatus, StageStatus

POLL_SECONDS = 1.0
FIRST_SECONDS = 0.25
"""Before the first question: many a job is done by then."""
SAMPLES = 1_000

Monotonic = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Seen:
    """A run as it is, and how fast its stage goes."""

    status: JobStatus
    pace: Pace


@dataclass(slots=True)
class StagePace:
    """The samples of one stage of one run; a pause and a new stage begin anew."""

    clock: Monotonic = time.monotonic
    _samples: deque[Sample] = field(default_factory=lambda: deque(maxlen=SAMPLES))
    _of: tuple[int, int] | None = None

    def see(self, status: JobStatus) -> Pace:
        stage = status.stage
        if stage is None or status.status != "processing":
            self._samples.clear()
            return UNKNOWN
        if self._of != (status.run, stage.number):
            self._of = (status.run, stage.number)
            self._samples.clear()
        self._samples.append(Sample(self.clock(), finished(stage), stage.total))
        return pace(self._samples)


def finished(stage: StageStatus) -> int:
    """The tasks of a stage that ended, well or not."""
    return min(stage.done, stage.total)


class Stopped(Exception):
    """The command ends before the run does."""


def follow(
    api: Api, first: JobStatus, wait: Wait, clock: Monotonic = time.monotonic, *, seconds: float = POLL_SECONDS
) -> Iterator[Seen]:
    """Each state of a run that differs from the one before, and the last one at the end.

    Raises :class:`Stopped` when told to end, :class:`local.client.errors.ServiceNotReached` and
    :class:`local.client.errors.CallRefused`.
    """
    paces, status, etag = StagePace(clock), first, ""
    yield Seen(status, paces.see(status))
    delay = min(seconds, FIRST_SECONDS)
    while not status.ended:
        if wait(delay):
            raise Stopped
        polled = api.status(status.job_id, status.run, etag)
        etag, status = polled.etag, polled.status or status
        delay = seconds if polled.retry_after is None else max(polled.retry_after, 0.1)
        yield Seen(status, paces.see(status))
