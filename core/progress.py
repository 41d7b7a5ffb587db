"""How fast work goes, and how long it will still take, from what was reported of it. Pure; all that is not known is
``None``.

The pace of an attempt comes from its own reports. That of a stage comes from its tasks: from those that ended since the
first of them began, and from what those that run have done.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

WINDOW = timedelta(minutes=1)
"""What is looked back at least; over a longer attempt it is the later half, so that a change of pace shows, and a burst
of reports does not.
"""

SHORTEST = timedelta(seconds=1)
"""Reports that are closer together tell no pace."""

OVERDUE = 60.0
"""Seconds, or the estimate again where that is longer, that an attempt may go on past it before nothing is said."""

MAX_KEPT = 64
"""Reports of an attempt that are kept; of more, every second one is dropped."""

_UNENDED = 99.9
"""Percent of a stage whose last task has not ended, at most."""

_NEARLY = 0.95
"""How far a task counts at most that reports nothing and takes longer than others did."""


class Report(NamedTuple):
    """``percent`` is 0 to 100."""

    at: datetime
    percent: float


def first_reports(now: datetime, checkpoint_json: str | None) -> tuple[Report, ...]:
    """Of an attempt that begins now: that it stands at nothing is known of one alone that has no checkpoint."""
    return (Report(now, 0.0),) if checkpoint_json is None else ()


def with_report(reports: Sequence[Report], report: Report) -> tuple[Report, ...]:
    """The reports of an attempt with one more. Where less is done than before, what came before says nothing."""
    if reports and (report.percent < reports[-1].percent or report.at < reports[-1].at):
        return (report,)
    kept = reports[::2] if len(reports) >= MAX_KEPT else reports
    return (*kept, report)


def rate_per_minute(reports: Sequence[Report]) -> float | None:
    """Percent a minute at the last of ``reports``.

    Work of an earlier attempt is in none of the differences, so that one that resumes at 60 % is not taken for fast.
    """
    if not reports:
        return None
    last = reports[-1]
    back = max(WINDOW, (last.at - reports[0].at) / 2)
    first = next((report for report in reversed(reports) if last.at - report.at >= back), reports[0])
    gained, took = last.percent - first.percent, last.at - first.at
    return gained / (took / timedelta(minutes=1)) if gained > 0 and took >= SHORTEST else None


def remaining_seconds(percent: float | None, rate: float | None, since_report: float) -> float | None:
    """Seconds until an attempt that reported ``percent`` so many seconds ago comes to 100, at ``rate`` a minute."""
    if percent is None or rate is None or rate <= 0:
        return None
    left = (100.0 - percent) / rate * 60.0
    if since_report - left > max(OVERDUE, left):
        return None
    return max(0.0, left - since_report)


class RunningPart(NamedTuple):
    """A task that runs: how far it says it is, for how long its attempt has run, how fast it goes in percent a minute,
    and how many seconds it will still take.
    """

    percent: float | None
    seconds: float
    rate: float | None = None
    remaining: float | None = None


class StagePace(NamedTuple):
    """``percent`` counts what running tasks report; ``rate_per_minute`` is in tasks, parts of them counted."""

    percent: float
    rate_per_minute: float | None
    remaining_seconds: float | None


def stage_pace(total: int, left: int, ended: int, running: Sequence[RunningPart], seconds: float | None) -> StagePace:
    """How fast a stage of ``total`` tasks goes of which ``left`` have not ended, ``seconds`` after the first began of
    the ``ended`` ones: those that an earlier run did are not among them.

    ``running`` are all that run, so they are how many run at once. A time in which none ran counts in ``seconds`` all
    the same, which makes the rate lower and the rest longer: of it no more is known than when tasks began and ended.
    """
    percent = _percent(total, left, running)
    if left <= 0:
        return StagePace(percent, None, 0.0)
    if not ended or not seconds:
        return StagePace(percent, *_by_their_own_pace(left, running))
    parts = _parts(ended, running, seconds)
    tasks_a_second = (ended + parts) / seconds
    known = [part.remaining for part in running if part.remaining is not None]
    longest = max(known, default=0.0)
    remaining = longest if len(known) == left else max((left - parts) / tasks_a_second, longest)
    return StagePace(percent, tasks_a_second * 60.0, remaining)


def _percent(total: int, left: int, running: Sequence[RunningPart]) -> float:
    if left <= 0:
        return 100.0
    said = total - left + sum((part.percent or 0.0) / 100.0 for part in running)
    return min(_UNENDED, round(100.0 * said / total, 1))


def _parts(ended: int, running: Sequence[RunningPart], seconds: float) -> float:
    """How many tasks' work those that run have done. Where one says nothing, the others tell how long a task takes."""
    busy = seconds * len(running) - sum(part.seconds for part in running)
    mean = busy / ended
    return sum(_part(part, mean) for part in running)


def _part(part: RunningPart, mean: float) -> float:
    if part.percent is not None:
        return part.percent / 100.0
    return min(part.seconds / mean, _NEARLY) if mean > 0 else 0.0


def _by_their_own_pace(left: int, running: Sequence[RunningPart]) -> tuple[float | None, float | None]:
    """Before a task has ended: the rate, and the seconds that ``left`` tasks take with as many at once as run now."""
    known = [part for part in running if part.rate and part.remaining is not None]
    if not known or len(known) < len(running):
        return None, None
    rate = sum(part.rate or 0.0 for part in known) / 100.0
    remaining = [part.remaining or 0.0 for part in known]
    waiting = (left - len(known)) * 60.0 / rate
    return rate, max(waiting + sum(remaining) / len(remaining) if waiting else 0.0, *remaining)
