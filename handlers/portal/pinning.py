"""What a job is submitted with, and its schema, which is pinned then: what becomes of a schema later changes no job."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag

from handlers.portal.envelope import Artifact, Envelope, Options, PinnedSchema, Storage
from handlers.portal.paths import job_id_of, user_id_of
from handlers.portal.schema import SchemaName, Version
from handlers.portal.schema_store import PortalSchemaStore, usable_schema

_CLOSED = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


class SchemaReference(BaseModel):
    """A stored schema: the version, or without one the newest that is active when the job is submitted."""

    model_config = _CLOSED

    name: SchemaName
    version: Version | None = None


def _how(value: Any) -> str:
    given = value if isinstance(value, dict) else {}
    return "whole" if isinstance(value, PinnedSchema) or given.keys() & {"id", "schema_definition"} else "named"


class SubmittedEnvelope(BaseModel):
    """:class:`handlers.portal.envelope.Envelope`, whose schema may also be named alone."""

    model_config = _CLOSED

    job_id: Annotated[str, Field(max_length=36), AfterValidator(job_id_of)]
    user_id: Annotated[str, Field(max_length=36), AfterValidator(user_id_of)]
    portal_schema: Annotated[
        Annotated[PinnedSchema, Tag("whole")] | Annotated[SchemaReference, Tag("named")], Discriminator(_how)
    ]
    input: Artifact
    storage: Storage = Storage()
    options: Options = Options()

    def pinned(self, schemas: PortalSchemaStore) -> SubmittedEnvelope:
        """With the schema whole. One that was given whole is taken as it is: its rules were checked.

        Raises :class:`handlers.portal.errors.PortalSchemaNotFound` and
        :class:`handlers.portal.errors.PortalSchemaDeprecated`.
        """
        named = self.portal_schema
        if isinstance(named, PinnedSchema):
            return self
        found = usable_schema(schemas, named.name, named.version)
        whole = PinnedSchema(
            id=found.id, name=found.name, version=found.version, schema_definition=found.schema_definition
        )
        return self.model_copy(update={"portal_schema": whole})

    def envelope(self) -> Envelope:
        """What the task is given. Only a pinned one has it."""
        assert isinstance(self.portal_schema, PinnedSchema)
        return Envelope(
            job_id=self.job_id,
            user_id=self.user_id,
            portal_schema=self.portal_schema,
            input=self.input,
            storage=self.storage,
            options=self.options,
        )
