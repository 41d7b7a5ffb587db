"""The seams: one narrow Protocol for each outside system, the state store's in three parts.

The docstrings are the specification. Each has a contract suite in ``testing/contracts`` that every implementation
passes. Every implementation raises only errors of :mod:`core.errors`, translated once, from their cause. Times are
aware datetimes in UTC and always come from the caller, so that a clock can be injected.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from core.decisions import FailFinally, Requeue, Transition
from core.ids import JobId, TaskId, WorkerId
from core.limits import MAX_RESUMED
from core.listing import DeadLetterRecord, NewDeadLetter, RunCursor, RunFilter, RunSummary, TaskFilter
from core.model import (
    AttemptRecord,
    ClaimResult,
    Event,
    Finished,
    Lease,
    LeaseExpired,
    NewJob,
    NewRun,
    NewStage,
    Opened,
    OutboundMessage,
    OutboxRow,
    RunRecord,
    RunStatus,
    StageActivity,
    Submitted,
    TaskRecord,
    TaskResult,
)
from core.outcome import ErrorInfo


class Clock(Protocol):
    def now(self) -> datetime:
        """The time, aware, in UTC."""
        ...


class IdSource(Protocol):
    def new_id(self) -> str:
        """A fresh id: 32 lower-case hex digits, never repeated."""
        ...

    def jitter(self) -> float:
        """Uniform in [0, 1)."""
        ...


class ClaimRequest(NamedTuple):
    """The arguments of :meth:`Transitions.claim_task`."""

    task_id: TaskId
    attempt: int
    worker: WorkerId
    lease_seconds: float
    now: datetime


class AttemptEnd(NamedTuple):
    """How an attempt ends. A transition to ``Requeue`` needs a ``wakeup``, the others have none."""

    lease: Lease
    transition: Transition
    wakeup: OutboundMessage | None
    now: datetime


class Attention(NamedTuple):
    """Which parts of a reconciler's pass would find something to do."""

    expired_leases: bool
    unpublished: bool
    stale_wakeups: bool
    overdue: bool


class Transitions(Protocol):
    """What the engine does to runs, stages and tasks."""

    def submit_job(self, job: NewJob, now: datetime) -> Submitted:
        """Create run 1 of a job, ``queued``, with its message in the outbox.

        A job of the same id is returned as it is (its latest run), ``created`` false, with nothing written.
        Raises :class:`IdempotencyConflict` where the tenant used ``idempotency_key`` with other content.
        """
        ...

    def load_run(self, job_id: JobId, run: int) -> RunRecord | None: ...

    def open_stage(self, job_id: JobId, run: int, stage: NewStage, now: datetime) -> Opened:
        """Create a stage with its tasks, ``queued``, and their messages in the outbox, in one transaction.

        It happens only where the run has not ended and its newest stage is ``stage.number - 1``, ended (0:
        none); otherwise nothing is written and ``opened`` is false. The run becomes ``processing``. A stage
        without tasks ends at once: ``on_end`` goes to the outbox. Task ids that repeat in ``stage`` raise
        :class:`DefinitionError`. The outbox rows of a paused run's tasks are not given, as in :meth:`unpublished`.
        """
        ...

    def claim_task(
        self, task_id: TaskId, attempt: int, worker: WorkerId, lease_seconds: float, now: datetime
    ) -> ClaimResult:
        """Grant a lease on a ``queued`` task whose attempt is ``attempt``, and make it ``running``.

        The token is larger than any granted on the task before. A task that runs is refused, or answered
        :class:`core.model.LeaseExpired` where ``now`` is at or after its lease's end. Where the lease would be
        granted but for a pause of the run, the answer is ``NotClaimed.PAUSED``.
        """
        ...

    def claim_tasks(self, requests: Sequence[ClaimRequest]) -> Sequence[ClaimResult]:
        """:meth:`claim_task` for each, in order, in as few round trips as can be.

        Each is a transition of its own, but they are committed together: where this raises, any of them may not have
        happened.
        """
        ...

    def park_task(
        self, task_id: TaskId, attempt: int, wakeup: OutboundMessage, worker: WorkerId, now: datetime
    ) -> bool:
        """Give a task whose wake-up arrived during a pause its next attempt, with ``wakeup`` in the outbox.

        The attempt that was not begun ends as ``parked``, free of charge. False, and nothing written, where the
        task is not ``queued`` for ``attempt`` any more, or its run is no longer paused.
        """
        ...

    def renew_lease(self, lease: Lease, lease_seconds: float, now: datetime) -> Lease:
        """The same lease, ending ``lease_seconds`` after ``now``.

        Raises :class:`LeaseLost` where the task no longer runs under ``lease.token``. A lease that ran out
        and was not taken over is renewed.
        """
        ...

    def save_checkpoint(self, lease: Lease, checkpoint_json: str, lease_seconds: float, now: datetime) -> Lease:
        """Replace the task's checkpoint and renew the lease. Raises :class:`LeaseLost`.

        The attempt has progressed once it has saved another checkpoint than the one that it found.
        """
        ...

    def report_progress(
        self, lease: Lease, percent: float, message: str, now: datetime, rate: float | None = None
    ) -> None:
        """Record progress, 0 to 100, as it was at ``now``, and its ``rate`` in percent a minute. Raises
        :class:`LeaseLost`.
        """
        ...

    def finish_attempt(
        self, lease: Lease, transition: Transition, wakeup: OutboundMessage | None, now: datetime
    ) -> Finished:
        """End the attempt that ``lease`` names. Raises :class:`LeaseLost` where it is not the current one.

        ``Succeeded`` and ``FailFinally`` end the task and count down its stage; the last one ends the stage
        and puts its ``on_end`` in the outbox. ``FailFinally`` under ``fail_fast`` ends the run instead:
        status ``failed`` with this error, every other task of it that has not ended ``cancelled`` and its
        lease revoked, its unpublished messages dropped. ``Requeue`` makes the task ``queued`` with attempt
        ``lease.attempt + 1`` and puts ``wakeup`` in the outbox; where it is charged and the run's retry
        budget is spent it is applied as ``FailFinally``. A paused run's ``wakeup`` is not given, as in
        :meth:`unpublished`.
        """
        ...

    def finish_attempts(self, ends: Sequence[AttemptEnd]) -> Sequence[Finished | None]:
        """:meth:`finish_attempt` for each, in order, in as few round trips as can be; ``None`` is a lost lease.

        Each is a transition of its own, but those that succeed are committed together: where this raises, any of
        them may not have happened. The outbox rows of a stage that ended are those of its last attempt's answer. A
        lease that is there twice is lost the second time.
        """
        ...

    def end_lost_attempt(
        self, expired: LeaseExpired, transition: FailFinally | Requeue, wakeup: OutboundMessage | None, now: datetime
    ) -> Finished:
        """:meth:`finish_attempt` in place of a holder that vanished, while its lease is as ``expired`` has it.

        Raises :class:`LeaseLost` where the lease was renewed since, or the attempt has progressed since or ended.
        """
        ...

    def finish_run(
        self,
        job_id: JobId,
        run: int,
        status: RunStatus,
        result_json: str | None,
        error: ErrorInfo | None,
        now: datetime,
        newest_stage: int | None = None,
        actor: str = "",
    ) -> bool:
        """End a run; tasks that have not ended are ``cancelled``, unpublished messages dropped. A pause ends with it.

        False, and nothing written, where it had ended, or where ``newest_stage`` is given and is not the number of
        its newest stage (0: none was opened), so that a late caller cannot end what has moved on.
        """
        ...

    def stage_results(self, job_id: JobId, run: int, stage: int) -> Sequence[TaskResult]:
        """The results of a stage's tasks, in the order in which they were created."""
        ...

    def load_task(self, task_id: TaskId) -> TaskRecord | None: ...


class Recovery(Protocol):
    """What the relay and the reconciler ask."""

    def unpublished(self, limit: int, before: datetime, after: int = 0) -> Sequence[OutboxRow]:
        """Outbox rows committed before ``before``, the oldest behind row ``after`` first, but those that wake the tasks
        of a paused run.
        """
        ...

    def still_unpublished(self, row_ids: Sequence[int]) -> set[int]:
        """Those of the rows that :meth:`unpublished` would give now, whatever their age."""
        ...

    def mark_published(self, row_ids: Sequence[int], now: datetime) -> None:
        """Take rows that the bus accepted out of the outbox. Unknown ids are passed over.

        The wake-ups of a stage's first attempts count as published when the last of them was: a stage has one such
        time, which each call that takes one of them sets. A later attempt's wake-up has a time of its own, and so has
        one that was reissued: ``now``, or when it was due where that is later.
        """
        ...

    def expired_leases(self, now: datetime, limit: int, task_types: Collection[str]) -> Sequence[LeaseExpired]:
        """The leases of running tasks of ``task_types`` that end at or before ``now``, the longest expired first.

        The others are left to a process that has their handlers, and do not count against ``limit``.
        """
        ...

    def reissue_stale(self, before: datetime, now: datetime, limit: int) -> Sequence[OutboxRow]:
        """Put messages that were published before ``before``, were due then, and are still needed, into the outbox
        again, up to ``limit``.

        Needed are the wake-ups of a run without stages, of an ended stage that did not advance, and of the queued
        tasks of a run that is not paused. What has a row in the outbox is not given another. The messages come in that
        order too, the longest due of each kind and each stage first, and none is scheduled any more. A stage gives no
        more than its share of the limit, and what it leaves of that may go unused. One that was given again is stale
        only ``grace`` later than others, as :func:`core.decisions.next_grace` has it for the window from ``before`` to
        ``now``.

        What is given of runs, of ends, and of each stage is committed by itself.
        """
        ...

    def overdue_runs(self, now: datetime, limit: int) -> Sequence[tuple[JobId, int]]:
        """Runs that have not ended and whose deadline is at or before ``now``, the longest overdue first."""
        ...

    def attention(
        self, now: datetime, unpublished_before: datetime, stale_before: datetime, task_types: Collection[str]
    ) -> Attention:
        """Whether the four calls above would give anything, in one look. ``stale_wakeups`` may be true in vain."""
        ...


class Operations(Protocol):
    """What operators do to jobs, and look at. Cursors are exclusive; a page has at most ``limit`` items."""

    def latest_run(self, job_id: JobId) -> RunRecord | None: ...

    def create_run(self, new: NewRun, now: datetime) -> Submitted | None:
        """Create run ``new.run`` of a job.

        ``None``, and nothing written, unless the job's latest run is ``new.run - 1`` and has ended. What is reused
        of it is copied as it ended, but for attempts and events, so that each run is whole by itself. A run with a
        replayed stage is ``processing``, any other ``queued``. Raises :class:`DefinitionError`, with nothing written,
        where the run before has not ended the stages that are to be reused, or has not run the replayed one, which
        is the next, with tasks of the given names, at least one.
        """
        ...

    def pause_run(self, job_id: JobId, run: int, actor: str, now: datetime) -> bool:
        """No task of the run is claimed until it is resumed; what runs goes on.

        False, and nothing written, where it had ended, was paused, or is not there.
        """
        ...

    def resume_run(
        self, job_id: JobId, run: int, actor: str, now: datetime, limit: int = MAX_RESUMED
    ) -> Sequence[OutboxRow] | None:
        """End the pause; the outbox rows that wake its tasks, the oldest first up to ``limit``.

        ``None`` where the run was not paused. :meth:`Recovery.unpublished` gives the other rows, too.
        """
        ...

    def list_runs(self, filters: RunFilter, after: RunCursor | None, limit: int) -> Sequence[RunSummary]:
        """From the newest ``created_at`` down, then from the last job id and run down."""
        ...

    def list_tasks(
        self, job_id: JobId, run: int, filters: TaskFilter, after: TaskId | None, limit: int
    ) -> Sequence[TaskRecord]:
        """The tasks of a run in the order of stage, then name by its characters' codes."""
        ...

    def stage_activity(self, job_id: JobId, run: int, stage: int, limit: int) -> StageActivity:
        """What goes on in a stage, of its running tasks the first ``limit``. It costs the same whatever the stage's
        size; of what is not there it is nothing.
        """
        ...

    def list_attempts(self, task_id: TaskId) -> Sequence[AttemptRecord]:
        """Every try at the task, oldest first. Append-only."""
        ...

    def list_events(self, job_id: JobId, run: int, after: int = 0, limit: int | None = None) -> Sequence[Event]:
        """The run's timeline, oldest first, from behind the event of sequence ``after``. Append-only.

        While the run goes on, an event may become visible after one with a higher sequence, and a page that goes on
        behind that one passes over it. Once the run has ended nothing is added, and pages hold every event. A page
        costs a look at all attempts of the run: they are not in the order of their events, which would cost every task
        an index more.
        """
        ...

    def record_dead_letters(self, letters: Sequence[NewDeadLetter], now: datetime) -> int:
        """Write down dead letters; how many were new. One is known by its queue, message id and body."""
        ...

    def list_dead_letters(self, after: int, limit: int) -> Sequence[DeadLetterRecord]:
        """In the order in which they were written down, from behind record ``after``."""
        ...

    def replay_dead_letter(
        self, record_id: int, replays: int, message_id: str, actor: str, now: datetime
    ) -> OutboxRow | None:
        """Put the letter's message into the outbox under a new id.

        ``None``, and nothing written, unless it was replayed ``replays`` times so far.
        """
        ...

    def delete_dead_letters(self, before: datetime, limit: int) -> int:
        """Delete up to ``limit`` letters that were written down before ``before``, the longest ago first; how many.

        One that was sent again at ``before`` or later is left, and so is one that is in the outbox for it.
        """
        ...

    def ended_runs(self, before: datetime, limit: int) -> Sequence[tuple[JobId, int]]:
        """Runs that ended before ``before``, the longest ended first."""
        ...

    def delete_run(self, job_id: JobId, run: int, limit: int) -> bool:
        """Delete up to ``limit`` tasks of an ended run, by stage and name, with their attempts and what the timeline
        tells of those, then the run; whether it is gone.

        The run goes with a call that finds fewer than ``limit`` tasks, and the job with its last run. A run that has
        not ended is left, and so is the latest of a job that has others: the answer is false.
        """
        ...


class StateStore(Transitions, Recovery, Operations, Protocol):
    """The truth. Each method is one atomic transition: it happens whole or not at all.

    Any method may raise :class:`StoreUnavailable`; the caller then does not know whether the transition
    was committed, and calling again is safe. No transition leaves a terminal status. Any of them raises
    :class:`TextNotStorable` for text that holds NUL or half a surrogate pair, :class:`TextTooLong` for text over what
    :data:`core.limits.LONGEST` says, and :class:`CapacityExceeded` for a JSON text over
    :data:`core.limits.MAX_JSON_BYTES`, with nothing written.
    """


class ReceivedMessage(NamedTuple):
    """A message under peek-lock. ``delivery_count`` is 1 at the first delivery."""

    queue: str
    message_id: str
    message_type: str
    body: bytes
    delivery_count: int
    lock_token: str
    locked_until: datetime


class DeadLetter(NamedTuple):
    queue: str
    message_id: str
    message_type: str
    body: bytes
    reason: str
    description: str


class MessageBus(Protocol):
    """Named queues with at-least-once delivery, peek-lock and scheduled messages, as Service Bus has them.

    Any method may raise :class:`BusUnavailable`; a send that raised may have been accepted.
    """

    def send(self, messages: Sequence[OutboundMessage]) -> None:
        """Send to each message's queue, in order. ``not_before`` hides a message until then.

        Raises :class:`MessageTooLarge` for a body over the tier's limit and :class:`InvalidIdentifier` for an id
        over 128 characters, with none of the call's messages sent.
        With duplicate detection, an id seen within its window is accepted and dropped.
        """
        ...

    def receive(self, queue: str, limit: int) -> Sequence[ReceivedMessage]:
        """Up to ``limit`` messages, each hidden from others until its lock ends; none where none is ready.

        A message whose lock ended, or that was abandoned, is delivered again in its old place with a higher
        delivery count; where that would go over the queue's maximum it is dead-lettered instead, with reason
        ``MaxDeliveryCountExceeded``.
        """
        ...

    def complete(self, message: ReceivedMessage) -> None:
        """Remove it. Raises :class:`LockLost` where the lock has ended."""
        ...

    def abandon(self, message: ReceivedMessage) -> None:
        """Unlock it for the next receiver. Raises :class:`LockLost`."""
        ...

    def dead_letter(self, message: ReceivedMessage, reason: str, description: str) -> None:
        """Move it to the queue's dead-letter queue. Raises :class:`LockLost`."""
        ...

    def renew_lock(self, message: ReceivedMessage) -> ReceivedMessage:
        """The same message with a later ``locked_until``. Raises :class:`LockLost`."""
        ...

    def dead_letters(self, queue: str, limit: int) -> Sequence[DeadLetter]:
        """The oldest dead letters of a queue, left where they are."""
        ...


class BlobStore(Protocol):
    """Named byte strings. A name is 1 to 512 of ``A-Za-z0-9 . _ - /``, of at most 254 parts that are neither empty
    nor start or end with a dot; any other raises :class:`BlobNameInvalid`.

    Any method may raise :class:`BlobStoreUnavailable`; a write that raised it may have been carried out. Any may be
    called from several threads at once. Where two write the same name, one's blob is there whole in the end, and the
    other may get :class:`BlobConflict`.
    """

    def put(self, name: str, data: bytes, content_type: str) -> None:
        """Write whole, replacing what was there: a reader sees the old bytes or the new."""
        ...

    def put_stream(self, name: str, pieces: Iterable[bytes], content_type: str, max_bytes: int) -> int:
        """Write what ``pieces`` give, as :meth:`put` does, and return its size in bytes.

        Of any length no more than some pieces are held at a time. With nothing written, what the iterator raises is
        passed on, and more than ``max_bytes`` is :class:`CapacityExceeded`, raised without reading on.
        """
        ...

    def put_new(self, name: str, pieces: Iterable[bytes], content_type: str, max_bytes: int) -> int:
        """As :meth:`put_stream`, and what is there stays: :class:`BlobConflict`, which may come after all was read.

        Of several that write a name at once one does. A write whose answer was lost may be answered so, too.
        """
        ...

    def get(self, name: str) -> bytes:
        """Raises :class:`BlobNotFound`."""
        ...

    def get_stream(self, name: str) -> Iterator[bytes]:
        """The bytes in pieces of at most 4 MiB, none of them empty, all of the same put.

        Raises :class:`BlobNotFound` at once. Where the blob is replaced or deleted while it is read, the old bytes
        come to their end, or the next piece raises :class:`BlobConflict` or :class:`BlobNotFound`.
        """
        ...

    def size(self, name: str) -> int:
        """Bytes. Raises :class:`BlobNotFound`."""
        ...

    def content_type(self, name: str) -> str:
        """Raises :class:`BlobNotFound`."""
        ...

    def delete(self, name: str) -> None:
        """A name that is not there is no error."""
        ...

    def names(self, prefix: str) -> Iterator[str]:
        """Names that start with ``prefix``, sorted."""
        ...
