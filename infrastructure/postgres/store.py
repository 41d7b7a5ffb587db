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

    Rows are taken in one order by everyone: the run where it is needed, its tasks by key, their shards, the stage.
    So no two transitions wait for each other.
    """

    def __init__(self, pool: ConnectionPool) -> None:
        self._database = Database(pool)
        self._keys = RunKeys(self._database)
