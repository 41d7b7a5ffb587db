"""Where the versions of portals' schemas are kept, and which of them a job may begin with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol
from uuid import UUID

from handlers.portal.errors import PortalSchemaDeprecated, PortalSchemaNotFound
from handlers.portal.schema import (
    MAX_VERSION,
    PortalSchema,
    SchemaDefinition,
    SchemaName,
    SchemaStatus,
    check_schema_name,
)


class SchemaKey(NamedTuple):
    """A version of a schema, and the place after which a list goes on."""

    name: str
    version: int


class NewSchema(NamedTuple):
    """The version after ``follows``, or after whichever is the newest. ``follows`` 0 is the first of its name."""

    id: UUID
    name: SchemaName
    schema_definition: SchemaDefinition
    follows: int | None = None


class PortalSchemaStore(Protocol):
    """Versions of schemas, for any number of threads and processes. Names are what :func:`check_schema_name` takes.

    A version is never changed and never deleted; its status goes from active to deprecated and not back. The versions
    of a name are 1, 2, 3 and so on without a gap. Raises :class:`core.errors.TransientError` where the store is away.
    """

    def get(self, name: str, version: int) -> PortalSchema | None: ...

    def latest(self, name: str) -> PortalSchema | None:
        """The newest version that is active."""
        ...

    def list(self, status: SchemaStatus | None, after: SchemaKey | None, limit: int) -> Sequence[PortalSchema]:
        """By name, in the order of code points, then by version; those after ``after``, ``limit`` at most."""
        ...

    def create(self, new: NewSchema) -> PortalSchema:
        """Of several at the same time each gets a version of its own.

        Raises :class:`handlers.portal.errors.PortalSchemaConflict` unless ``follows`` is the newest version there is.
        """
        ...

    def deprecate(self, name: str, version: int | None) -> Sequence[PortalSchema]:
        """The version, or all versions of the name, as they are afterwards, by version. None where there is no such.

        What was deprecated before stays so.
        """
        ...


def find_schema(store: PortalSchemaStore, name: str, version: int | None = None) -> PortalSchema:
    """The version, or without one the newest that is active.

    Raises :class:`PortalSchemaNotFound`, and :class:`PortalSchemaDeprecated` where every version of the name is.
    """
    if can_be(name, version):
        found = store.latest(name) if version is None else store.get(name, version)
        if found is not None:
            return found
        if version is None and store.get(name, 1) is not None:
            raise PortalSchemaDeprecated("every version of the portal schema is deprecated")
    raise PortalSchemaNotFound("there is no portal schema of this name and version")


def usable_schema(store: PortalSchemaStore, name: str, version: int | None = None) -> PortalSchema:
    """:func:`find_schema` for a job that begins: a deprecated version is :class:`PortalSchemaDeprecated`, too."""
    found = find_schema(store, name, version)
    if found.status is SchemaStatus.DEPRECATED:
        raise PortalSchemaDeprecated(
            f"version {found.version} of the portal schema is deprecated", version=found.version
        )
    return found


def deprecate_schema(store: PortalSchemaStore, name: str, version: int | None = None) -> Sequence[PortalSchema]:
    """Raises :class:`PortalSchemaNotFound`."""
    deprecated = store.deprecate(name, version) if can_be(name, version) else ()
    if not deprecated:
        raise PortalSchemaNotFound("there is no portal schema of this name and version")
    return deprecated


def can_be(name: str, version: int | None) -> bool:
    """Whether a store may be asked at all."""
    try:
        check_schema_name(name)
    except ValueError:
        return False
    return version is None or 1 <= version <= MAX_VERSION
