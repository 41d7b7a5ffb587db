"""The seams: one narrow Protocol for each outside system. The docstrings are the specification.

Each has a contract suite in ``testing/contracts`` that every implementation passes. Every implementation
raises only errors of :mod:`core.errors`, translated once, from their cause. Times are aware datetimes in
UTC and always come from the caller, so that a clock can be injected.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from core.decisions import Transition
from core.ids import JobId, TaskId, WorkerId
from core.model import (
    AttemptRecord,
    ClaimResult,
    Event,
    Finished,
    Lease,
    LeaseExpired,
    NewJob,
    NewStage,
    Opened,
    OutboundMessage,
    OutboxRow,
    RunRecord,
    RunStatus,
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


class StateStore(Protocol):
    """The truth. Each method is one atomic transition: it happens whole or not at all.

    Any method may raise :class:`StoreUnavailable`; the caller then does not know whether the transition
    was committed, and calling again is safe. No transition leaves a terminal status.
    """

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
        :class:`DefinitionError`.
        """
        ...

    def claim_task(
        self, task_id: TaskId, attempt: int, worker: WorkerId, lease_seconds: float, now: datetime
    ) -> ClaimResult:
        """Grant a lease on a ``queued`` task whose attempt is ``attempt``, and make it ``running``.

        The token is larger than any granted on the task before. A task that runs is refused, or answered
        :class:`core.model.LeaseExpired` where ``now`` is at or after its lease's end.
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

    def report_progress(self, lease: Lease, percent: float, message: str, now: datetime) -> None:
        """Record progress, 0 to 100. Raises :class:`LeaseLost`."""
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
        budget is spent it is applied as ``FailFinally``.
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
    ) -> bool:
        """End a run; tasks that have not ended are ``cancelled``.

        False, and nothing written, where it had ended, or where ``newest_stage`` is given and is not the number of
        its newest stage (0: none was opened), so that a late caller cannot end what has moved on.
        """
        ...

    def stage_results(self, job_id: JobId, run: int, stage: int) -> Sequence[TaskResult]:
        """The results of a stage's tasks, in the order in which they were created."""
        ...

    def load_task(self, task_id: TaskId) -> TaskRecord | None: ...

    def list_attempts(self, task_id: TaskId) -> Sequence[AttemptRecord]:
        """Every try at the task, oldest first. Append-only."""
        ...

    def list_events(self, job_id: JobId, run: int) -> Sequence[Event]:
        """The run's timeline, oldest first. Append-only."""
        ...

    def unpublished(self, limit: int, before: datetime) -> Sequence[OutboxRow]:
        """Outbox rows committed before ``before``, oldest first."""
        ...

    def mark_published(self, row_ids: Sequence[int], now: datetime) -> None:
        """Take rows that the bus accepted out of the outbox. Unknown ids are passed over."""
        ...

    def expired_leases(self, now: datetime, limit: int, task_types: Collection[str]) -> Sequence[LeaseExpired]:
        """The leases of running tasks of ``task_types`` that end at or before ``now``, the longest expired first.

        The others are left to a process that has their handlers, and do not count against ``limit``.
        """
        ...

    def stale_wakeups(self, before: datetime, now: datetime, limit: int) -> Sequence[OutboundMessage]:
        """Messages published before ``before``, due, and still needed: a queued run, a queued task, an ended
        stage that did not advance. Each is given once a call and counts as published at ``now``.
        """
        ...


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
    """Named byte strings. A name is 1 to 512 of ``A-Za-z0-9 . _ - /``, of parts that are neither empty nor
    start with a dot; any other raises :class:`BlobNameInvalid`.
    """

    def put(self, name: str, data: bytes, content_type: str) -> None:
        """Write whole, replacing what was there: a reader sees the old bytes or the new."""
        ...

    def get(self, name: str) -> bytes:
        """Raises :class:`BlobNotFound`."""
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
