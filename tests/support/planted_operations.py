"""State stores in which one promise to operators, or to the reconciler, is broken each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from core.ids import JobId, TaskId, WorkerId
from core.limits import MAX_RESUMED
from core.listing import RunCursor, RunFilter, RunSummary
from core.model import ClaimResult, NewRun, OutboundMessage, OutboxRow, RunStatus, Submitted
from core.ports import Attention, ClaimRequest
from testing.mock_outbox import Outbox
from testing.mock_state import MockStateManager
from testing.rows import RunRow, StageRow, TaskRow


class ClaimsUnderAPause(MockStateManager):
    """A pause stops nothing."""

    def claim_task(
        self, task_id: TaskId, attempt: int, worker: WorkerId, lease_seconds: float, now: datetime
    ) -> ClaimResult:
        task = self._tasks.get(task_id)
        run = task.stage.run if task is not None else None
        before = run is not None and run.paused
        if run is not None:
            run.paused = False
        try:
            return super().claim_task(task_id, attempt, worker, lease_seconds, now)
        finally:
            if run is not None:
                run.paused = before


class ParksTheSameAttempt(MockStateManager):
    """A parked task waits for the message id that was used already."""

    def park_task(
        self, task_id: TaskId, attempt: int, wakeup: OutboundMessage, worker: WorkerId, now: datetime
    ) -> bool:
        parked = super().park_task(task_id, attempt, wakeup, worker, now)
        if parked:
            self._tasks[task_id].attempt = attempt
        return parked


class ParksWithoutAWakeUp(MockStateManager):
    """What was parked is never woken again."""

    def park_task(
        self, task_id: TaskId, attempt: int, wakeup: OutboundMessage, worker: WorkerId, now: datetime
    ) -> bool:
        outbox, self._outbox = self._outbox, Outbox()
        try:
            return super().park_task(task_id, attempt, wakeup, worker, now)
        finally:
            self._outbox = outbox


class ResumesInSilence(MockStateManager):
    """Resuming forgets to say what was held back."""

    def resume_run(
        self, job_id: JobId, run: int, actor: str, now: datetime, limit: int = MAX_RESUMED
    ) -> Sequence[OutboxRow] | None:
        rows = super().resume_run(job_id, run, actor, now, limit)
        return [] if rows else rows


class StaysPausedAtItsEnd(MockStateManager):
    """A run that ended is still paused."""

    def _end_run(self, run: RunRow, status: RunStatus, *rest: object, **named: object) -> None:
        paused = run.paused
        super()._end_run(run, status, *rest, **named)  # type: ignore[arg-type]
        run.paused = paused


class RunsAgainBesideARun(MockStateManager):
    """Another run begins while one goes on."""

    def create_run(self, new: NewRun, now: datetime) -> Submitted | None:
        latest = self._latest.get(new.job_id)
        if latest is None or latest.ended:
            return super().create_run(new, now)
        status, latest.status = latest.status, RunStatus.CANCELLED
        try:
            return super().create_run(new, now)
        finally:
            latest.status = status


class ReplaysInPlace(MockStateManager):
    """A run that reuses stages takes the tasks of the run before along."""

    def _copy_task(self, source: TaskRow, stage: StageRow) -> None:
        super()._copy_task(source, stage)
        self._tasks.pop(source.task_id, None)


class CountsReplayedTasksAsEnded(MockStateManager):
    """A replayed stage has nothing left to do."""

    def create_run(self, new: NewRun, now: datetime) -> Submitted | None:
        created = super().create_run(new, now)
        if created is not None and new.replayed is not None:
            self._latest[new.job_id].stages[-1].remaining -= 1
        return created


class ForgetsTheEdit(MockStateManager):
    """A task is replayed with the parameters that it failed with."""

    def create_run(self, new: NewRun, now: datetime) -> Submitted | None:
        before = self._latest.get(new.job_id)
        created = super().create_run(new, now)
        if created is not None and before is not None and new.replayed is not None:
            texts = {task.name: task.parameters_json for task in before.stages[new.replayed.number - 1].tasks}
            for task in self._latest[new.job_id].stages[-1].tasks:
                task.parameters_json = texts[task.name]
        return created


class ReissuesTwice(MockStateManager):
    """What waits in the outbox is put there again."""

    def reissue_stale(self, before: datetime, now: datetime, limit: int) -> Sequence[OutboxRow]:
        outbox, self._outbox = self._outbox, Outbox()
        self._outbox._ids = outbox._ids
        rows = super().reissue_stale(before, now, limit)
        outbox._rows.update(self._outbox._rows)
        self._outbox = outbox
        return rows


class SeesNoDeadlines(MockStateManager):
    """A run may take for ever."""

    def overdue_runs(self, now: datetime, limit: int) -> Sequence[tuple[JobId, int]]:
        return []


class SeesNothingToDo(MockStateManager):
    """The one look says that all is well."""

    def attention(self, *arguments: object) -> Attention:
        return Attention(False, False, False, False)


class SkipsRunsOfOneMoment(MockStateManager):
    """A page of runs goes on behind all that were created when its last one was."""

    def list_runs(self, filters: RunFilter, after: RunCursor | None, limit: int) -> Sequence[RunSummary]:
        return super().list_runs(filters, after and after._replace(job_id=JobId(""), run=0), limit)


class DeletesWhatGoesOn(MockStateManager):
    """Retention takes what has not ended."""

    def delete_run(self, job_id: JobId, run: int, limit: int) -> bool:
        row = self._runs.get((job_id, run))
        if row is None or row.ended:
            return super().delete_run(job_id, run, limit)
        status, row.status = row.status, RunStatus.CANCELLED
        try:
            return super().delete_run(job_id, run, limit)
        finally:
            row.status = status


class ReplaysALetterTwice(MockStateManager):
    """Two replays at once both send."""

    def replay_dead_letter(
        self, record_id: int, replays: int, message_id: str, actor: str, now: datetime
    ) -> OutboxRow | None:
        record = self._letters.get(record_id)
        if record is not None:
            self._letters[record_id] = replace(record, replays=replays)
        return super().replay_dead_letter(record_id, replays, message_id, actor, now)


class DeletesLettersInTheOutbox(MockStateManager):
    """Retention takes a letter whose replay waits to be published."""

    def delete_dead_letters(self, before: datetime, limit: int) -> int:
        outbox, self._outbox = self._outbox, Outbox()
        try:
            return super().delete_dead_letters(before, limit)
        finally:
            self._outbox = outbox


class AnswersClaimsOutOfOrder(MockStateManager):
    """Of many claims the last is granted first."""

    def claim_tasks(self, requests: Sequence[ClaimRequest]) -> Sequence[ClaimResult]:
        return list(super().claim_tasks(requests[::-1]))[::-1]


PLANTED_OPERATIONS: tuple[type[MockStateManager], ...] = (
    ClaimsUnderAPause,
    ParksTheSameAttempt,
    ParksWithoutAWakeUp,
    ResumesInSilence,
    StaysPausedAtItsEnd,
    RunsAgainBesideARun,
    ReplaysInPlace,
    CountsReplayedTasksAsEnded,
    ForgetsTheEdit,
    ReissuesTwice,
    SeesNoDeadlines,
    SeesNothingToDo,
    SkipsRunsOfOneMoment,
    DeletesWhatGoesOn,
    ReplaysALetterTwice,
    DeletesLettersInTheOutbox,
    AnswersClaimsOutOfOrder,
)
