"""The routes of portals' schemas. Only the host's master key changes them."""

from __future__ import annotations

from core.errors import InvalidCursor
from handlers.portal.errors import PortalSchemaConflict, PortalSchemaDeprecated, PortalSchemaNotFound
from infrastructure.web import schemas
from infrastructure.web.models import NoBody, PageReply
from infrastructure.web.query import NoQuery, SchemaQuery, SchemasQuery
from infrastructure.web.route_parts import BODY, IF_NONE_MATCH, NOT_MODIFIED
from infrastructure.web.routes import AnyRoute, BodyKind, Route, Success, threaded

SCHEMA_ROUTES: tuple[AnyRoute, ...] = (
    Route(
        "portal_schemas_create",
        "POST",
        "portal-schemas",
        "Make the next version of a portal's schema, or the first",
        threaded(schemas.create_schema),
        NoQuery,
        schemas.CreateSchemaRequest,
        (Success(201, "The version", schemas.SchemaReply),),
        (*BODY, PortalSchemaConflict),
        BodyKind.JSON,
        admin=True,
    ),
    Route(
        "portal_schemas_deprecate",
        "POST",
        "portal-schemas/{schema_name}/deprecate",
        "Let no job begin with a version of a schema any more, or with any; jobs that were submitted go on",
        threaded(schemas.deprecate),
        NoQuery,
        schemas.DeprecateSchemaRequest,
        (Success(200, "Those versions, deprecated now or before", schemas.SchemasReply),),
        (*BODY, PortalSchemaNotFound),
        BodyKind.JSON,
        admin=True,
    ),
    Route(
        "portal_schemas_get",
        "GET",
        "portal-schemas/{schema_name}",
        "A portal's schema: its newest active version, or the one that is asked for",
        threaded(schemas.get_schema),
        SchemaQuery,
        NoBody,
        (Success(200, "The version", schemas.SchemaReply, headers=("ETag",)), NOT_MODIFIED),
        (PortalSchemaDeprecated, PortalSchemaNotFound),
        headers=IF_NONE_MATCH,
    ),
    Route(
        "portal_schemas_list",
        "GET",
        "portal-schemas",
        "All versions of all portals' schemas, by name and version",
        threaded(schemas.list_schemas),
        SchemasQuery,
        NoBody,
        (Success(200, "A page of versions", PageReply[schemas.SchemaReply]),),
        (InvalidCursor,),
    ),
)
