"""Follows runs until they end, and asks no more often than the service wants."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from local.client.api import Api
from local.client.http import Wait
from local.client.rates import UNKNOWN, Pace
from local.client.records import JobStatus, StageStatus

POLL_SECONDS = 1.0
FIRST_SECONDS = 0.25
"""Before the first question: many a job is done by then."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A run as it is, and how fast its stage goes."""

    status: JobStatus
    pace: Pace


def pace_of(status: JobStatus) -> Pace:
    """The pace that the service tells of the stage that runs."""
    stage = status.stage
    return UNKNOWN if stage is None or status.status != "processing" else pace_of_stage(stage)


def pace_of_stage(stage: StageStatus) -> Pace:
    rate = stage.rate_per_minute
    return Pace(None if rate is None else rate / 60, stage.remaining_seconds)


def finished(stage: StageStatus) -> int:
    """The tasks of a stage that ended, well or not."""
    return min(stage.done, stage.total)


class Stopped(Exception):
    """The command ends before the run does."""


def follow(api: Api, first: JobStatus, wait: Wait, *, seconds: float = POLL_SECONDS) -> Iterator[Seen]:
    """Each state of a run that differs from the one before, and the last one at the end.

    Raises :class:`Stopped` when told to end, :class:`local.client.errors.ServiceNotReached` and
    :class:`local.client.errors.CallRefused`.
    """
    status, etag = first, ""
    yield Seen(status, pace_of(status))
    delay = min(seconds, FIRST_SECONDS)
    while not status.ended:
        if wait(delay):
            raise Stopped
        polled = api.status(status.job_id, status.run, etag)
        etag, status = polled.etag, polled.status or status
        delay = seconds if polled.retry_after is None else max(polled.retry_after, 0.1)
        yield Seen(status, pace_of(status))
