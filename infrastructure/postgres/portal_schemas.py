"""Portal schemas on PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import ValidationError

from core.errors import StoreInconsistent
from handlers.portal.errors import PortalSchemaConflict
from handlers.portal.schema import PortalSchema, SchemaDefinition, SchemaStatus, canonical_json
from handlers.portal.schema_store import NewSchema, SchemaKey
from infrastructure.postgres.database import ConnectionPool, Database, Row
from infrastructure.postgres.sql_blocks import load_blocks

_SQL = load_blocks("portal_schemas.sql")

_BEFORE_ALL = SchemaKey("", 0)


class PostgresPortalSchemas:
    """:class:`handlers.portal.schema_store.PortalSchemaStore` in the schema ``coremachine``.

    Whoever makes a version holds its name first, so that versions have no gaps and none is lost. A trigger refuses
    every other change than that of the status from active to deprecated.
    """

    def __init__(self, pool: ConnectionPool) -> None:
        self._database = Database(pool)

    def get(self, name: str, version: int) -> PortalSchema | None:
        row = self._database.row(_SQL["get_schema"], name=name, version=version)
        return None if row is None else _schema(row)

    def latest(self, name: str) -> PortalSchema | None:
        row = self._database.row(_SQL["latest_schema"], name=name)
        return None if row is None else _schema(row)

    def list(self, status: SchemaStatus | None, after: SchemaKey | None, limit: int) -> Sequence[PortalSchema]:
        where = (after or _BEFORE_ALL)._asdict()
        rows = self._database.rows(_SQL["list_schemas"], status=status and status.value, limit=limit, **where)
        return [_schema(row) for row in rows]

    def create(self, new: NewSchema) -> PortalSchema:
        with self._database.transaction() as statements:
            statements.row(_SQL["hold_schema"], name=new.name)
            newest = statements.rows(_SQL["newest_version"], name=new.name)[0].version
            if new.follows not in (None, newest):
                raise PortalSchemaConflict(f"the newest version is {newest}", version=newest)
            created = PortalSchema(
                id=new.id,
                name=new.name,
                version=newest + 1,
                status=SchemaStatus.ACTIVE,
                schema_definition=new.schema_definition,
            )
            definition = canonical_json(created.schema_definition)
            key = {"name": created.name, "version": created.version}
            statements.count(_SQL["create_schema"], id=created.id, definition=definition, **key)
        return created

    def deprecate(self, name: str, version: int | None) -> Sequence[PortalSchema]:
        return [_schema(row) for row in self._database.rows(_SQL["deprecate_schemas"], name=name, version=version)]


def _schema(row: Row) -> PortalSchema:
    """Raises :class:`StoreInconsistent` for what somebody else than this store wrote."""
    try:
        return PortalSchema(
            id=row.id,
            name=row.name,
            version=row.version,
            status=SchemaStatus(row.status),
            schema_definition=SchemaDefinition.model_validate_json(row.definition),
        )
    except ValidationError as error:
        raise StoreInconsistent("a portal schema in the database is none", version=row.version) from error
