"""``python -m local jobs``: the list of runs, or one run with a bar a stage."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from local.client.api import Api
from local.client.board import Board, Output, Row
from local.client.errors import ALL_WELL, SOME_FAILED, WrongUse
from local.client.follow import Seen, finished, follow, pace_of_stage
from local.client.http import Wait
from local.client.prefixes import SHORT
from local.client.rates import UNKNOWN, duration, per_second
from local.client.records import JobLine, JobStatus, StageStatus
from local.client.text import cut, printable, table

PAGE = 200
BAR = 24
HEADS = ("JOB", "RUN", "TYPE", "STATUS", "CREATED (UTC)", "CHANGED (UTC)", "ERROR")


@dataclass(frozen=True, slots=True)
class Listing:
    """Which runs to list; ``limit`` ``None`` is all of them."""

    statuses: tuple[str, ...] = ()
    job_type: str | None = None
    tenant: str | None = None
    limit: int | None = 20

    def filters(self) -> dict[str, object]:
        """A paused run is queued or processing too, so ``paused`` is a filter of its own. Raises :class:`WrongUse`."""
        if "paused" in self.statuses and len(set(self.statuses)) > 1:
            raise WrongUse("--status paused goes with no other status")
        statuses = tuple(status for status in self.statuses if status != "paused")
        paused = True if "paused" in self.statuses else None
        return {"status": statuses or None, "paused": paused, "job_type": self.job_type, "tenant": self.tenant}


def list_jobs(api: Api, listing: Listing, output: Output) -> int:
    runs = _runs(api, listing)
    if output is Output.JSON:
        for run in runs:
            print(run.model_dump_json(), flush=True)
        return ALL_WELL
    if output is Output.PEOPLE:
        _print_table(list(runs))
    return ALL_WELL


def _print_table(runs: list[JobLine]) -> None:
    if not runs:
        print("No jobs.")
        return
    for line in table(HEADS, [_cells(run) for run in runs]):
        print(line)


def _runs(api: Api, listing: Listing) -> Iterator[JobLine]:
    cursor: object = None
    left = listing.limit
    while left is None or left > 0:
        page = api.jobs(listing.filters(), cursor, PAGE if left is None else min(PAGE, left))
        yield from page.items
        left = None if left is None else left - len(page.items)
        cursor = page.next
        if cursor is None or not page.items:
            return


def _cells(run: JobLine) -> tuple[object, ...]:
    error = cut(printable(run.error), 60) if run.error is not None else ""
    return (
        run.job_id[:SHORT],
        run.run,
        run.job_type,
        run.status,
        short_time(run.created_at),
        short_time(run.updated_at),
        error,
    )


def short_time(text: str) -> str:
    """A time as the service writes it, to the second."""
    return text[:19].replace("T", " ")


def show_job(api: Api, job_id: str, run: int | None, output: Output) -> int:
    status = api.status(job_id, run).status
    assert status is not None  # no ETag was sent, so the answer is not 304
    if output is Output.JSON:
        print(json.dumps(_job_record(status)), flush=True)
    elif output is Output.PEOPLE:
        print("\n".join(detail(status)))
    return _ended_well(status)


def follow_job(api: Api, first: JobStatus, board: Board, wait: Wait) -> int:
    """Bars until the run ends; 1 where it did not end well. Raises :class:`local.client.follow.Stopped`."""
    status = first
    with board:
        for seen in follow(api, first, wait):
            status = seen.status
            for row in stage_rows(seen):
                board.show(row)
    board.tell({"event": "ended", **_job_record(status)}, _ending(status), bad=_ended_well(status) != ALL_WELL)
    return _ended_well(status)


def stage_rows(seen: Seen) -> list[Row]:
    """A bar a stage; the one that moves has the rate."""
    current = seen.status.stage
    return [_stage_row(seen, stage, moves=stage is current) for stage in seen.status.stages]


def detail(status: JobStatus) -> list[str]:
    """The run in lines."""
    lines = [
        f"Job       {printable(status.job_id)}",
        f"Run       {status.run}, {printable(status.job_type)}, tenant {printable(status.tenant)}",
        f"Status    {printable(status.status)}, {status.percent:.0f}%",
        f"Created   {printable(short_time(status.created_at))} UTC, changed {printable(short_time(status.updated_at))}",
    ]
    if status.deadline:
        lines.append(f"Deadline  {printable(short_time(status.deadline))} UTC")
    if status.error is not None:
        lines.append(f"Error     {printable(status.error)}")
    return [*lines, *_bars(status.stages)]


def bar(percent: float, width: int = BAR) -> str:
    """``[#####-----]``; full only at the end, and empty only before the first."""
    filled = round(min(max(percent, 0.0), 100.0) / 100 * width)
    if 0 < percent < 100:
        filled = min(max(filled, 1), width - 1)
    return f"[{'#' * filled}{'-' * (width - filled)}]"


def _bars(stages: tuple[StageStatus, ...]) -> list[str]:
    rows = [(f"  {stage.number} {stage.name}", bar(percent_of(stage)), *_words(stage)) for stage in stages]
    return table(("", "", "", "", "", ""), rows)[1:] if rows else []


def _words(stage: StageStatus) -> tuple[str, ...]:
    return (*_counts(stage), _speed(stage) if stage.status == "running" else "")


def _speed(stage: StageStatus) -> str:
    pace = pace_of_stage(stage)
    left = duration(pace.left)
    return "  ".join(word for word in (per_second(pace.rate), f"{left} left" if left else "") if word)


def _counts(stage: StageStatus) -> tuple[str, str, str]:
    counts = f"{finished(stage)}/{stage.total}" if stage.status != "waiting" else ""
    return counts, stage.status, f"{stage.failed} failed" if stage.failed else ""


def percent_of(stage: StageStatus) -> float:
    if stage.percent is not None:
        return stage.percent
    return 100 * finished(stage) / stage.total if stage.total else 0.0


def _stage_row(seen: Seen, stage: StageStatus, *, moves: bool) -> Row:
    return Row(
        key=str(stage.number),
        name=f"{stage.number} {stage.name}",
        state=stage.status,
        stage=f"{stage.failed} failed" if stage.failed else "",
        percent=percent_of(stage),
        done=finished(stage),
        total=stage.total,
        pace=seen.pace if moves else UNKNOWN,
        job_id=seen.status.job_id,
        run=seen.status.run,
        ended=stage.status not in ("waiting", "running"),
        well=not stage.failed,
    )


def _job_record(status: JobStatus) -> Mapping[str, object]:
    return status.model_dump(mode="json")


def _ending(status: JobStatus) -> str:
    error = f": {printable(status.error)}" if status.error is not None else ""
    return f"Run {status.run} of {status.job_id[:SHORT]} is {printable(status.status)}{error}"


def _ended_well(status: JobStatus) -> int:
    return SOME_FAILED if status.status in ("failed", "cancelled", "completed_with_errors") else ALL_WELL
