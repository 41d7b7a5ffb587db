"""What a running attempt writes to the store, under its lease."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from typing import NamedTuple

from core.errors import CoreMachineError
from core.model import Claimed
from core.ports import Clock, StateStore
from core.progress import Report, first_reports, rate_per_minute, with_report

WRITE_EVERY = timedelta(seconds=1)
"""Between two reports of progress that are written, unless something else is written with them."""


class _Said(NamedTuple):
    percent: float
    message: str
    at: datetime


class LeasedWrites:
    """:class:`core.context.AttemptWrites` on a store.

    Of reports that follow each other faster than :data:`WRITE_EVERY` the last is written, before the next checkpoint or
    by :meth:`finish`. ``progressed`` says whether another checkpoint was saved than the one that was found.
    """

    __slots__ = (
        "_clock",
        "_found",
        "_lease",
        "_lease_seconds",
        "_reports",
        "_store",
        "_unwritten",
        "_written_at",
        "progressed",
    )

    def __init__(self, store: StateStore, clock: Clock, claim: Claimed, lease_seconds: float) -> None:
        self._store = store
        self._clock = clock
        self._lease = claim.lease
        self._found = claim.checkpoint_json
        self._lease_seconds = lease_seconds
        self._reports = first_reports(clock.now(), claim.checkpoint_json)
        self._unwritten: _Said | None = None
        self._written_at: datetime | None = None
        self.progressed = False

    def save_checkpoint(self, checkpoint_json: str) -> None:
        self._write_report()
        self._store.save_checkpoint(self._lease, checkpoint_json, self._lease_seconds, self._clock.now())
        self.progressed = self.progressed or checkpoint_json != self._found

    def report_progress(self, percent: float, message: str) -> None:
        now = self._clock.now()
        self._unwritten = _Said(percent, message, now)
        if self._written_at is None or now - self._written_at >= WRITE_EVERY:
            self._write_report()

    def finish(self) -> None:
        """Write what is left. What the store says to it changes nothing about how the attempt ended."""
        with suppress(CoreMachineError):
            self._write_report()

    def _write_report(self) -> None:
        said = self._unwritten
        if said is None:
            return
        reports = with_report(self._reports, Report(said.at, said.percent))
        self._store.report_progress(self._lease, said.percent, said.message, said.at, rate_per_minute(reports))
        self._reports, self._unwritten, self._written_at = reports, None, said.at
