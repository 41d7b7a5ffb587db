"""Portal schemas in memory, for processes without a database."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

from handlers.portal.errors import PortalSchemaConflict
from handlers.portal.schema import PortalSchema, SchemaStatus
from handlers.portal.schema_store import NewSchema, SchemaKey
from handlers.portal.seed import SEED


class MemoryPortalSchemas:
    """:class:`handlers.portal.schema_store.PortalSchemaStore`, with the five of the start as a database has them."""

    def __init__(self, schemas: Iterable[PortalSchema] = SEED) -> None:
        self._schemas = {SchemaKey(schema.name, schema.version): schema for schema in schemas}
        self._lock = threading.Lock()

    def get(self, name: str, version: int) -> PortalSchema | None:
        with self._lock:
            return self._schemas.get(SchemaKey(name, version))

    def latest(self, name: str) -> PortalSchema | None:
        active = [schema for schema in self._versions(name) if schema.status is SchemaStatus.ACTIVE]
        return active[-1] if active else None

    def list(self, status: SchemaStatus | None, after: SchemaKey | None, limit: int) -> Sequence[PortalSchema]:
        with self._lock:
            found = sorted(self._schemas.items())
        listed = [schema for key, schema in found if (after is None or key > after) and status in (None, schema.status)]
        return listed[:limit]

    def create(self, new: NewSchema) -> PortalSchema:
        with self._lock:
            newest = max((key.version for key in self._schemas if key.name == new.name), default=0)
            if new.follows not in (None, newest):
                raise PortalSchemaConflict(f"the newest version is {newest}", version=newest)
            created = PortalSchema(
                id=new.id,
                name=new.name,
                version=newest + 1,
                status=SchemaStatus.ACTIVE,
                schema_definition=new.schema_definition,
            )
            self._schemas[SchemaKey(created.name, created.version)] = created
            return created

    def deprecate(self, name: str, version: int | None) -> Sequence[PortalSchema]:
        with self._lock:
            keys = sorted(key for key in self._schemas if key.name == name and version in (None, key.version))
            for key in keys:
                self._schemas[key] = self._schemas[key].model_copy(update={"status": SchemaStatus.DEPRECATED})
            return [self._schemas[key] for key in keys]

    def _versions(self, name: str) -> Sequence[PortalSchema]:
        with self._lock:
            return [schema for key, schema in sorted(self._schemas.items()) if key.name == name]
