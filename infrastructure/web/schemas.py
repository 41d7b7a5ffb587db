"""Portals' schemas: looked at, made, deprecated."""

from __future__ import annotations

import logging
import re
from uuid import UUID, uuid4

from pydantic import Field

from core.errors import InvalidCursor
from core.paging import Page
from handlers.portal.schema import MAX_VERSION, PortalSchema, SchemaDefinition, SchemaName, SchemaStatus, Version
from handlers.portal.schema_store import NewSchema, SchemaKey, can_be, deprecate_schema, find_schema
from infrastructure.web.answers import ASK_AGAIN, AnyAnswer, conditional, json_answer
from infrastructure.web.models import NoBody, PageReply, Reply, Request
from infrastructure.web.parts import WebParts
from infrastructure.web.query import NoQuery, SchemaQuery, SchemasQuery
from infrastructure.web.routes import Call

_CURSOR = re.compile(r"([1-9][0-9]{0,9}):(.*)")

_log = logging.getLogger(__name__)


class SchemaReply(Reply):
    """A version, which never changes but for its status. ``digest`` is that of its definition: equal rules, equal
    digests. A job is pinned to a version when it is submitted.
    """

    id: UUID
    name: str
    version: int
    status: SchemaStatus
    digest: str
    schema_definition: SchemaDefinition


class SchemasReply(Reply):
    items: list[SchemaReply]


class CreateSchemaRequest(Request):
    name: SchemaName
    schema_definition: SchemaDefinition
    follows: int | None = Field(
        default=None,
        ge=0,
        le=MAX_VERSION,
        description="The newest version that you know, 0 for none: where there is another meanwhile, nothing is made",
    )


class DeprecateSchemaRequest(Request):
    version: Version | None = Field(default=None, description="The version; all of the name where it is not given")


def list_schemas(parts: WebParts, call: Call[SchemasQuery, NoBody]) -> AnyAnswer:
    query = call.query
    found = parts.schemas.list(query.status, _after(query.cursor), query.limit + 1)
    page = Page.of([schema_view(schema) for schema in found], query.limit, lambda last: f"{last.version}:{last.name}")
    return json_answer(PageReply[SchemaReply](items=list(page.items), next=page.next))


def get_schema(parts: WebParts, call: Call[SchemaQuery, NoBody]) -> AnyAnswer:
    found = find_schema(parts.schemas, call.path["schema_name"], call.query.version)
    answer = json_answer(schema_view(found), headers=ASK_AGAIN)
    return conditional(answer, call.headers.get("if-none-match"))


def create_schema(parts: WebParts, call: Call[NoQuery, CreateSchemaRequest]) -> AnyAnswer:
    asked = call.body
    created = parts.schemas.create(NewSchema(uuid4(), asked.name, asked.schema_definition, asked.follows))
    _told("portal_schema_created", created)
    return json_answer(schema_view(created), 201)


def deprecate(parts: WebParts, call: Call[NoQuery, DeprecateSchemaRequest]) -> AnyAnswer:
    deprecated = deprecate_schema(parts.schemas, call.path["schema_name"], call.body.version)
    for schema in deprecated:
        _told("portal_schema_deprecated", schema)
    return json_answer(SchemasReply(items=[schema_view(schema) for schema in deprecated]))


def schema_view(schema: PortalSchema) -> SchemaReply:
    return SchemaReply(
        id=schema.id,
        name=schema.name,
        version=schema.version,
        status=schema.status,
        digest=schema.schema_definition.digest,
        schema_definition=schema.schema_definition,
    )


def _after(cursor: str | None) -> SchemaKey | None:
    """Raises :class:`InvalidCursor`."""
    if cursor is None:
        return None
    found = _CURSOR.fullmatch(cursor)
    if found is None or not can_be(found[2], int(found[1])):
        raise InvalidCursor("this is no cursor of a list of portal schemas")
    return SchemaKey(found[2], int(found[1]))


def _told(what: str, schema: PortalSchema) -> None:
    _log.info(what, extra={"portal_schema": schema.name, "version": schema.version})
