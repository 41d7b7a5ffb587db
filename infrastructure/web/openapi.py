"""The contract: OpenAPI 3.1, made from the routes and their models. Nothing of it is written by hand."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from core.errors import (
    BlobRequestRefused,
    BusRequestRefused,
    CoreMachineError,
    DefinitionError,
    DependencyMissing,
    StoreInconsistent,
    TransientError,
)
from handlers.document.password import MAX_PASSWORD
from handlers.portal.schema import MAX_SCHEMA_NAME
from infrastructure.settings import SettingsInvalid
from infrastructure.web.answers import JSON
from infrastructure.web.errors import InvalidQuery, ServerBusy
from infrastructure.web.models import ErrorEnvelope
from infrastructure.web.multipart import FIELD
from infrastructure.web.refusals import INTERNAL_ERROR, retry_seconds, status_of
from infrastructure.web.routes import AnyRoute, BodyKind, Success
from infrastructure.web.uploads import PASSWORD
from infrastructure.web.views import PREFIX

Json = dict[str, Any]
Mode = Literal["validation", "serialization"]

KEY_SCHEME = "functionKey"
MASTER_SCHEME = "masterKey"
REFERENCE = "#/components/schemas/{model}"

_PATH_PARAMETERS: dict[str, Json] = {
    "job_id": {"type": "string", "pattern": "^[0-9a-f]{64}$", "description": "64 lower-case hexadecimal digits"},
    "job_type": {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,63}$"},
    "name": {
        "type": "string",
        "minLength": 1,
        "maxLength": 512,
        "description": "The file's name within the job, slashes included, or as the job's result has it",
    },
    "schema_name": {
        "type": "string",
        "minLength": 1,
        "maxLength": MAX_SCHEMA_NAME,
        "description": "The schema's name as in NEET 2026, URL-encoded",
    },
}

_HEADERS: dict[str, Json] = {
    "ETag": {"schema": {"type": "string"}, "description": "Of this content; send it back as If-None-Match"},
    "Location": {"schema": {"type": "string"}, "description": "Where to ask how far the run is"},
    "Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait before asking again"},
    "x-request-id": {"schema": {"type": "string"}, "description": "That of the request, or one that was made"},
}

_REQUEST_HEADERS: dict[str, Json] = {
    "Idempotency-Key": {
        "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]([ -~]*[!-~])?$"},
        "description": "The same content with a key is another job than without; a key with other content is 409",
    },
    "If-None-Match": {"schema": {"type": "string"}, "description": "ETags that the client has"},
    PASSWORD: {
        "schema": {"type": "string", "minLength": 1, "maxLength": MAX_PASSWORD, "pattern": "^[ -~]+$"},
        "description": "Of an encrypted PDF; one with other characters goes into the parameters of a job",
    },
}


def contract(routes: Sequence[AnyRoute]) -> bytes:
    """The same bytes for the same routes."""
    return json.dumps(document(routes), ensure_ascii=False, separators=(",", ":")).encode()


def document(routes: Sequence[AnyRoute]) -> Json:
    schemas, definitions = _schemas(routes)
    paths: Json = {}
    for route in routes:
        paths.setdefault(openapi_path(route), {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "CoreMachine",
            "version": "1",
            "description": "Jobs of stages of parallel tasks. Errors have one envelope; its code is stable. A repeated "
            "or unknown parameter and a repeated key are refused. `x-request-id` is taken over where it is plain text.",
        },
        "servers": [{"url": PREFIX}],
        "paths": paths,
        "components": {
            "schemas": definitions,
            "securitySchemes": {
                KEY_SCHEME: {"type": "apiKey", "in": "header", "name": "x-functions-key"},
                MASTER_SCHEME: {
                    "type": "apiKey",
                    "in": "header",
                    "name": "x-functions-key",
                    "description": "The host's master key, which no other key stands for",
                },
            },
        },
        "security": [{KEY_SCHEME: []}],
    }


def openapi_path(route: AnyRoute) -> str:
    return "/" + route.path.replace("{*", "{")


def errors_of(route: AnyRoute) -> set[type[CoreMachineError]]:
    """Every error that the route may answer with: its own, and those that any may."""
    found: set[type[CoreMachineError]] = {InvalidQuery, *route.errors}
    if route.needs_parts:
        found |= {
            BlobRequestRefused,
            BusRequestRefused,
            DefinitionError,
            DependencyMissing,
            ServerBusy,
            SettingsInvalid,
            StoreInconsistent,
        }
        found |= {kind for kind in _tree(TransientError) if kind.__module__ == TransientError.__module__}
    return found


def _tree(kind: type[CoreMachineError]) -> Iterator[type[CoreMachineError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _tree(below)


def _operation(route: AnyRoute, schemas: dict[tuple[type[BaseModel], Mode], Json]) -> Json:
    operation: Json = {
        "operationId": route.name,
        "summary": route.summary,
        "parameters": [*_path_parameters(route), *_query_parameters(route), *_header_parameters(route)],
        "responses": dict(sorted(_responses(route, schemas).items())),
    }
    if route.body_kind is BodyKind.JSON:
        required = any(field.is_required() for field in route.body.model_fields.values())
        operation["requestBody"] = {
            "required": required,
            "content": {JSON: {"schema": schemas[route.body, "validation"]}},
        }
    if route.body_kind is BodyKind.DOCUMENT:
        operation["requestBody"] = {"required": True, "content": _document_content()}
    if route.anonymous:
        operation["security"] = []
    if route.admin:
        operation["security"] = [{MASTER_SCHEME: []}]
    return operation


def _document_content() -> Json:
    binary = {"type": "string", "contentMediaType": "application/octet-stream"}
    form = {"type": "object", "properties": {FIELD: binary}, "required": [FIELD], "additionalProperties": False}
    return {"application/octet-stream": {"schema": {}}, "multipart/form-data": {"schema": form}}


def _path_parameters(route: AnyRoute) -> Iterator[Json]:
    for name, schema in _PATH_PARAMETERS.items():
        if f"{{{name}}}" in openapi_path(route):
            yield {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameters(route: AnyRoute) -> Iterator[Json]:
    schema = route.query.model_json_schema()
    definitions = schema.get("$defs", {})
    for name, found in schema.get("properties", {}).items():
        own = _inlined(_without_null(found), definitions)
        parameter: Json = {"name": name, "in": "query", "required": False, "schema": own}
        if own.get("type") == "array":
            parameter |= {"style": "form", "explode": False}
        yield parameter


def _header_parameters(route: AnyRoute) -> Iterator[Json]:
    for name in route.headers:
        yield {"name": name, "in": "header", "required": False, **_REQUEST_HEADERS[name]}


def _without_null(schema: Json) -> Json:
    """A parameter that is not given is not there; nothing in a query is null."""
    kept = {name: value for name, value in schema.items() if name != "title" and (name, value) != ("default", None)}
    choices = [choice for choice in kept.pop("anyOf", []) if choice != {"type": "null"}]
    return {**kept, **choices[0]} if len(choices) == 1 else kept


def _inlined(schema: Json, definitions: Json) -> Json:
    reference = schema.get("$ref")
    if reference is not None:
        rest = {name: value for name, value in schema.items() if name != "$ref"}
        found = {name: value for name, value in definitions[reference.rpartition("/")[2]].items() if name != "title"}
        return {**found, **rest}
    if "items" in schema:
        return {**schema, "items": _inlined(schema["items"], definitions)}
    return schema


def _responses(route: AnyRoute, schemas: dict[tuple[type[BaseModel], Mode], Json]) -> Json:
    responses = {str(success.status): _success(success, schemas) for success in route.successes}
    if not route.anonymous:
        responses["401"] = {"description": "No function key, or a wrong one; the host answers, without a body"}
    kinds: dict[int, set[type[CoreMachineError]]] = {}
    for kind in errors_of(route):
        kinds.setdefault(status_of(kind), set()).add(kind)
    kinds.setdefault(500, set())
    envelope = schemas[ErrorEnvelope, "serialization"]
    return responses | {str(status): _error(status, kinds[status], envelope) for status in kinds}


def _success(success: Success, schemas: dict[tuple[type[BaseModel], Mode], Json]) -> Json:
    response: Json = {"description": success.description, "headers": _headers(success.headers)}
    if success.model is not None:
        response["content"] = {JSON: {"schema": schemas[success.model, "serialization"]}}
    elif success.media_type is not None:
        response["content"] = {success.media_type: {"schema": {}}}
    return response


def _error(status: int, kinds: Iterable[type[CoreMachineError]], envelope: Json) -> Json:
    codes = sorted({kind.code for kind in kinds} | ({INTERNAL_ERROR} if status == 500 else set()))
    waits = status == 503 or any(retry_seconds(kind) for kind in kinds)
    only = {"properties": {"error": {"properties": {"code": {"enum": codes}}}}}
    return {
        "description": ", ".join(codes),
        "headers": _headers(("Retry-After",) if waits else ()),
        "content": {JSON: {"schema": {"allOf": [envelope, only]}}},
    }


def _headers(names: Sequence[str]) -> Json:
    return {name: _HEADERS[name] for name in (*names, "x-request-id")}


def _schemas(routes: Sequence[AnyRoute]) -> tuple[dict[tuple[type[BaseModel], Mode], Json], Json]:
    """The reference to each model, and the definitions."""
    wanted: dict[tuple[type[BaseModel], Mode], None] = {(ErrorEnvelope, "serialization"): None}
    for route in routes:
        if route.body_kind is BodyKind.JSON:
            wanted[route.body, "validation"] = None
        for success in route.successes:
            if success.model is not None:
                wanted[success.model, "serialization"] = None
    references, schema = models_json_schema(list(wanted), ref_template=REFERENCE)
    return {key: references[key] for key in wanted}, schema["$defs"]
