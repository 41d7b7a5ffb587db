"""A short language for the state store's contract: one job, its stages and its tasks, at named seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from core.decisions import LEASE_EXPIRED, FailFinally, Requeue
from core.ids import JobId, TaskId, WorkerId, job_id_for, task_id_for
from core.messages import JobQueueMessage, StageCompleteMessage, TaskQueueMessage
from core.model import (
    Claimed,
    FailurePolicy,
    Finished,
    Lease,
    LeaseExpired,
    NewJob,
    NewStage,
    NewTask,
    Opened,
    OutboundMessage,
    RunRecord,
    RunStatus,
    Submitted,
    TaskRecord,
)
from core.outcome import ErrorInfo, Succeeded
from core.ports import StateStore

START = datetime(2030, 1, 1, 12, tzinfo=UTC)
LEASE = 60.0
FOREVER = 1_000_000.0
WORKER = WorkerId("worker-a")
OTHER_WORKER = WorkerId("worker-b")
JOB_TYPE = "contract_job"
TASK_TYPE = "contract_task"
BROKEN = ErrorInfo("BROKEN", "it broke", False)
FLAKY = ErrorInfo("FLAKY", "it may work next time", True)
LOST = Requeue("lease_expired", True, None, LEASE_EXPIRED)
DONE = Succeeded('{"answer": 42}')


def at(seconds: float) -> datetime:
    """``seconds`` after the start of the scenario."""
    return START + timedelta(seconds=seconds)


def new_job(
    content: str = "a",
    *,
    tenant: str = "acme",
    key: str | None = None,
    budget: int | None = None,
    deadline: datetime | None = None,
) -> NewJob:
    job_id = job_id_for(JOB_TYPE, {"content": content}, tenant, key or "")
    return NewJob(
        job_id=job_id,
        job_type=JOB_TYPE,
        tenant=tenant,
        parameters_json=f'{{"content": "{content}"}}',
        idempotency_key=key,
        retry_budget=budget,
        message=job_message(job_id),
        deadline=deadline,
    )


def job_message(job_id: JobId, run: int = 1) -> OutboundMessage:
    message = JobQueueMessage(job_id=job_id, run=run, job_type=JOB_TYPE)
    return OutboundMessage("jobs", message.message_id, message.name, message.encode())


def stage_message(job_id: JobId, stage: int, run: int = 1) -> OutboundMessage:
    message = StageCompleteMessage(job_id=job_id, run=run, job_type=JOB_TYPE, stage=stage)
    return OutboundMessage("jobs", message.message_id, message.name, message.encode())


def task_message(
    job_id: JobId, stage: int, name: str, attempt: int, due: datetime | None = None, run: int = 1
) -> OutboundMessage:
    message = TaskQueueMessage(
        job_id=job_id,
        run=run,
        job_type=JOB_TYPE,
        stage=stage,
        task_id=task_id_for(job_id, run, stage, name),
        task_type=TASK_TYPE,
        attempt=attempt,
    )
    return OutboundMessage("tasks", message.message_id, message.name, message.encode(), due)


def new_task(job_id: JobId, stage: int, name: str, parameters: str | None = None, run: int = 1) -> NewTask:
    text = parameters or f'{{"of": "{name}"}}'
    return NewTask(task_id_for(job_id, run, stage, name), name, text, task_message(job_id, stage, name, 1, None, run))


def new_stage(
    job_id: JobId, number: int, names: Sequence[str], policy: FailurePolicy = FailurePolicy.FAIL_FAST, run: int = 1
) -> NewStage:
    return NewStage(
        number=number,
        name=f"stage {number}",
        task_type=TASK_TYPE,
        failure_policy=policy,
        tasks=tuple(new_task(job_id, number, name, run=run) for name in names),
        on_end=stage_message(job_id, number, run),
    )


@dataclass(frozen=True, slots=True)
class Scenario:
    """One run of one job in ``store``. Times are seconds after the start."""

    store: StateStore
    job: NewJob
    number: int = 1

    @classmethod
    def submitted(cls, store: StateStore, content: str = "a", *, budget: int | None = None) -> Scenario:
        job = new_job(content, budget=budget)
        store.submit_job(job, at(0))
        return cls(store, job)

    @classmethod
    def started(
        cls,
        store: StateStore,
        *names: str,
        policy: FailurePolicy = FailurePolicy.FAIL_FAST,
        content: str = "a",
        budget: int | None = None,
    ) -> Scenario:
        """A run whose first stage is open with tasks of these names."""
        scenario = cls.submitted(store, content, budget=budget)
        assert scenario.open(1, *names, policy=policy).opened
        return scenario

    @property
    def job_id(self) -> JobId:
        return self.job.job_id

    def of_run(self, number: int) -> Scenario:
        """Another run of the same job."""
        return replace(self, number=number)

    def submit_again(self, when: float = 0) -> Submitted:
        return self.store.submit_job(self.job, at(when))

    def open(
        self, number: int, *names: str, policy: FailurePolicy = FailurePolicy.FAIL_FAST, when: float = 0
    ) -> Opened:
        stage = new_stage(self.job_id, number, names, policy, self.number)
        return self.store.open_stage(self.job_id, self.number, stage, at(when))

    def task_id(self, name: str, stage: int = 1) -> TaskId:
        return task_id_for(self.job_id, self.number, stage, name)

    def claim(
        self,
        name: str,
        attempt: int = 1,
        *,
        stage: int = 1,
        when: float = 1,
        lease: float = LEASE,
        worker: WorkerId = WORKER,
    ) -> Lease:
        """A lease that must be granted."""
        return self.claimed(name, attempt, stage=stage, when=when, lease=lease, worker=worker).lease

    def claimed(
        self,
        name: str,
        attempt: int = 1,
        *,
        stage: int = 1,
        when: float = 1,
        lease: float = LEASE,
        worker: WorkerId = WORKER,
    ) -> Claimed:
        result = self.store.claim_task(self.task_id(name, stage), attempt, worker, lease, at(when))
        assert isinstance(result, Claimed), result
        return result

    def complete(self, lease: Lease, when: float = 2) -> Finished:
        return self.store.finish_attempt(lease, DONE, None, at(when))

    def fail(self, lease: Lease, error: ErrorInfo = BROKEN, when: float = 2) -> Finished:
        return self.store.finish_attempt(lease, FailFinally(error), None, at(when))

    def requeue(
        self, lease: Lease, *, charged: bool = True, when: float = 2, due: datetime | None = None, cause: str = "retry"
    ) -> Finished:
        """End the attempt; the task waits for its next one."""
        stage, name = lease.task_id.split(":")[2:]
        wakeup = task_message(self.job_id, int(stage), name, lease.attempt + 1, due, self.number)
        error = FLAKY if charged else None
        return self.store.finish_attempt(lease, Requeue(cause, charged, due, error), wakeup, at(when))

    def end_lost(
        self,
        expired: LeaseExpired,
        transition: FailFinally | Requeue = LOST,
        when: float = 100,
    ) -> Finished:
        """End an attempt for its holder."""
        stage, name = expired.lease.task_id.split(":")[2:]
        wakeup = task_message(self.job_id, int(stage), name, expired.lease.attempt + 1, None, self.number)
        again = wakeup if isinstance(transition, Requeue) else None
        return self.store.end_lost_attempt(expired, transition, again, at(when))

    def run(self) -> RunRecord:
        found = self.store.load_run(self.job_id, self.number)
        assert found is not None
        return found

    def task(self, name: str, stage: int = 1) -> TaskRecord:
        found = self.store.load_task(self.task_id(name, stage))
        assert found is not None
        return found

    def finish(self, status: RunStatus = RunStatus.CANCELLED, when: float = 8) -> None:
        """End the run, which has not ended."""
        error = BROKEN if status is RunStatus.FAILED else None
        assert self.store.finish_run(self.job_id, self.number, status, None, error, at(when))

    def pause(self, when: float = 3) -> None:
        assert self.store.pause_run(self.job_id, self.number, "alice", at(when))

    def resume(self, when: float = 4) -> list[str]:
        """The ids of the messages that the pause held back."""
        rows = self.store.resume_run(self.job_id, self.number, "bob", at(when))
        assert rows is not None
        return [row.message.message_id for row in rows]

    def park(self, name: str, attempt: int = 1, *, stage: int = 1, when: float = 3) -> bool:
        wakeup = task_message(self.job_id, stage, name, attempt + 1, None, self.number)
        return self.store.park_task(self.task_id(name, stage), attempt, wakeup, WORKER, at(when))

    def told(self, after: int = 0) -> list[tuple[str, str]]:
        """The timeline as kinds and details."""
        return [(event.kind.value, event.detail) for event in self.store.list_events(self.job_id, self.number, after)]

    def waiting(self) -> list[str]:
        """The ids of the messages that wait to be published, oldest first."""
        return [row.message.message_id for row in self.store.unpublished(10_000, at(FOREVER))]

    def outbox(self, when: float = FOREVER) -> list[str]:
        """The types of the messages that wait to be published, oldest first."""
        return [row.message.message_type for row in self.store.unpublished(10_000, at(when))]

    def publish_all(self, when: float = 0) -> None:
        rows = self.store.unpublished(10_000, at(FOREVER))
        self.store.mark_published([row.row_id for row in rows], at(when))
