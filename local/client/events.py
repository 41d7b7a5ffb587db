"""``python -m local events JOB``: the timeline of a run, and what comes after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from local.client.api import Api
from local.client.board import Output
from local.client.errors import ALL_WELL
from local.client.follow import POLL_SECONDS, Stopped
from local.client.http import Wait
from local.client.records import EventLine, JobStatus
from local.client.text import printable

PAGE = 500

Show = Callable[[EventLine], None]


def show_events(api: Api, job_id: str, run: int | None, output: Output, wait: Wait | None) -> int:
    """``wait`` is there where it follows the run to its end. Raises :class:`local.client.follow.Stopped`."""
    show, after = _show(output), 0
    status = _status(api, job_id, run)
    while True:
        for event in _behind(api, job_id, status.run, after):
            show(event)
            after = event.sequence
        if wait is None or status.ended:
            return ALL_WELL
        if wait(POLL_SECONDS):
            raise Stopped
        # Asked before the events are: those that told of its end were there by then.
        status = _status(api, job_id, status.run)


def _status(api: Api, job_id: str, run: int | None) -> JobStatus:
    status = api.status(job_id, run).status
    assert status is not None  # no ETag was sent, so the answer is not 304
    return status


def _behind(api: Api, job_id: str, run: int, after: int) -> Iterator[EventLine]:
    position: object = after
    while position is not None:
        page = api.events(job_id, run, position, PAGE)
        yield from page.items
        position = page.next if page.items else None


def _show(output: Output) -> Show:
    match output:
        case Output.JSON:
            return lambda event: print(event.model_dump_json(), flush=True)
        case Output.QUIET:
            return lambda event: None
        case Output.PEOPLE:
            return Timeline().show


class Timeline:
    """Lines with the time since the event before."""

    def __init__(self) -> None:
        self._before: datetime | None = None

    def show(self, event: EventLine) -> None:
        print(self.line(event), flush=True)

    def line(self, event: EventLine) -> str:
        at = _time(event.at)
        since = "" if at is None or self._before is None else f"+{_seconds(self._before, at):.3f}s"
        self._before = at or self._before
        clock = at.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] if at is not None else printable(event.at)
        return f"{clock}  {since:>10}  {printable(event.kind):<18}  {'  '.join(_facts(event))}".rstrip()


def _facts(event: EventLine) -> Iterator[str]:
    if event.task_id:
        yield printable(event.task_id.rpartition(":")[2])
    if event.stage is not None:
        yield f"stage {event.stage}"
    if event.attempt is not None:
        yield f"attempt {event.attempt}"
    if event.detail:
        yield printable(event.detail)
    if event.actor:
        yield f"by {printable(event.actor)}"


def _time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _seconds(before: datetime, after: datetime) -> float:
    try:
        return max((after - before).total_seconds(), 0.0)
    except TypeError:  # one of them names no zone
        return 0.0
