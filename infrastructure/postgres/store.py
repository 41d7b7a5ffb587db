"""The state store on PostgreSQL."""

from __future__ import annotations

from infrastructure.postgres.database import ConnectionPool, Database
from infrastructure.postgres.endings import EndStatements
from infrastructure.postgres.leases import LeaseStatements
from infrastructure.postgres.operations import OperationStatements
from infrastructure.postgres.recovery import RecoveryStatements
from infrastructure.postgres.run_keys import RunKeys
from infrastructure.postgres.runs import RunStatements


class PostgresStateStore(RunStatements, LeaseStatements, EndStatements, RecoveryStatements, OperationStatements):
    """:class:`core.ports.StateStore` in the schema ``coremachine``, for any number of threads.

    Rows are taken in one order by everyone, so that no two transitions wait for each other:

    1. the job, by whoever makes or deletes one of its runs;
    2. the run, by whoever goes on to many of its tasks, or decides by what the run is;
    3. tasks, by key: a task's row is its lock, for claims, ends of attempts and cancellation alike;
    4. shards of countdowns, by key; 5. stages, by key; 6. rows of the outbox, by number.

    A lease is changed by whoever holds its task, or by its owner, who waits for nothing else then. The reconciler's
    passes and the sweeping of the outbox skip what somebody holds.

    Isolation is READ COMMITTED. A row that was waited for is read again as it is now, and the statement's conditions on
    it are asked again; everything else in the statement is as it was when that began. So what is decided by another row
    than the one that is held is asked in a statement of its own, after the lock, or is a column of the held row.
    """

    def __init__(self, pool: ConnectionPool) -> None:
        self._database = Database(pool)
        self._keys = RunKeys(self._database)
