"""Our store on a database of its own, and one stage of one job in it, from its creation to its end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import count

from benchmarks.postgres_clients import End, timed_clients
from core.ids import JobId, WorkerId
from core.model import Claimed, ClaimResult, Lease, NewStage, RunStatus
from core.outcome import Succeeded
from core.ports import AttemptEnd, ClaimRequest, StateStore
from infrastructure.postgres.connection import ConnectionSource
from infrastructure.postgres.migrations import migrate
from infrastructure.postgres.pool import ConnectionPoolManager
from infrastructure.postgres.store import PostgresStateStore
from infrastructure.settings import Settings
from testing.contracts.scenario import at, new_job, new_stage

WORKER = WorkerId("benchmark")
LEASE_SECONDS = 1_000_000.0
DONE = Succeeded('{"value": 1}')
CLAIM_BATCH = 500
RELAY_BATCH = 500
"""As many messages as :class:`core.relay.OutboxRelay` takes at a time."""


@contextmanager
def opened_store(url: str, connections: int) -> Iterator[StateStore]:
    """The store on the database of ``url``, migrated, with that many connections."""
    source = ConnectionSource.from_settings(Settings.model_validate({"DATABASE_URL": url}))
    with source.connect() as connection:
        migrate(connection)
    with ConnectionPoolManager(source, min_size=connections, max_size=connections) as pool:
        yield PostgresStateStore(pool)


@dataclass(frozen=True, slots=True)
class StageOfTasks:
    """Stage 1 of a job that was submitted ``began`` seconds after the start, not opened yet."""

    store: StateStore
    job_id: JobId
    stage: NewStage
    began: float = 0.0

    @classmethod
    def submitted(cls, store: StateStore, tasks: int, began: float = 0.0) -> StageOfTasks:
        job = new_job(f"benchmark {next(_numbers)}")
        rows = store.submit_job(job, at(began)).outbox
        store.mark_published([row.row_id for row in rows], at(began))
        return cls(store, job.job_id, new_stage(job.job_id, 1, [f"{number:06}" for number in range(tasks)]), began)

    def open(self) -> list[int]:
        """Create the tasks with their outbox rows; the rows."""
        opened = self.store.open_stage(self.job_id, 1, self.stage, self._at(1))
        assert opened.opened
        return [row.row_id for row in opened.outbox]

    def publish(self, rows: Sequence[int]) -> None:
        """Take the rows out of the outbox, as the relay does."""
        for first in range(0, len(rows), RELAY_BATCH):
            self.store.mark_published(rows[first : first + RELAY_BATCH], self._at(2))

    def claim(self, first: int, last: int) -> list[Lease]:
        """Claim tasks one by one."""
        tasks = self.stage.tasks[first:last]
        return _leases([self.store.claim_task(task.task_id, 1, WORKER, LEASE_SECONDS, self._at(3)) for task in tasks])

    def claim_many(self, last: int | None = None) -> list[Lease]:
        """Claim the tasks before ``last``, or all, many at a time."""
        requests = [
            ClaimRequest(task.task_id, 1, WORKER, LEASE_SECONDS, self._at(3)) for task in self.stage.tasks[:last]
        ]
        claims = [
            claim
            for first in range(0, len(requests), CLAIM_BATCH)
            for claim in self.store.claim_tasks(requests[first : first + CLAIM_BATCH])
        ]
        return _leases(claims)

    def end(self, lease: Lease) -> None:
        self.store.finish_attempt(lease, DONE, None, self._at(4))

    def end_many(self, leases: Sequence[Lease]) -> None:
        finished = self.store.finish_attempts([AttemptEnd(lease, DONE, None, self._at(4)) for lease in leases])
        assert None not in finished

    def check_ended(self) -> None:
        """Raises AssertionError unless the stage has ended and told so once."""
        run = self.store.load_run(self.job_id, 1)
        assert run is not None
        assert run.stages[0].remaining == 0
        bodies = [row.message.body for row in self.store.unpublished(100_000, at(100))]
        assert bodies.count(self.stage.on_end.body) == 1

    def end_run(self) -> None:
        assert self.store.finish_run(self.job_id, 1, RunStatus.COMPLETED, "{}", None, self._at(5))

    def _at(self, seconds: float) -> datetime:
        return at(self.began + seconds)


_numbers = count()


def _leases(claims: Sequence[ClaimResult]) -> list[Lease]:
    assert all(isinstance(claim, Claimed) for claim in claims)
    return [claim.lease for claim in claims if isinstance(claim, Claimed)]


def seconds_to_end(store: StateStore, tasks: int, clients: int, batch: int) -> float:
    """Seconds in which ``clients`` clients end a stage of claimed tasks, ``batch`` at a time; 1 is one by one."""
    stage = StageOfTasks.submitted(store, tasks)
    stage.publish(stage.open())
    leases = stage.claim_many()

    @contextmanager
    def client() -> Iterator[End]:
        def end(numbers: Sequence[int]) -> None:
            if batch == 1:
                stage.end(leases[numbers[0]])
            else:
                stage.end_many([leases[number] for number in numbers])

        yield end

    seconds = timed_clients(clients, tasks, batch, client)
    stage.check_ended()
    return seconds
