"""The contract is that of the functions: same routes, methods and keys, every error with its status."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from core.errors import StoreUnavailable
from infrastructure.web.blueprint import create_api_blueprint
from infrastructure.web.openapi import contract, document, errors_of, openapi_path
from infrastructure.web.parts import WebParts
from infrastructure.web.refusals import status_of
from infrastructure.web.routes import AnyRoute, BodyKind
from infrastructure.web.table import ROUTES
from infrastructure.web.views import PREFIX
from local.functions_host.rules import validate
from tests.support.streamed_app import functions_of

ROOT = Path(__file__).parents[4]
AGREED = {
    "POST jobs/submit/{job_type}",
    "GET jobs/status/{job_id}",
    "GET jobs",
    "GET jobs/{job_id}/events",
    "GET jobs/{job_id}/tasks",
    "GET jobs/{job_id}/result",
    "POST jobs/{job_id}/cancel",
    "POST jobs/{job_id}/pause",
    "POST jobs/{job_id}/resume",
    "POST jobs/{job_id}/resubmit",
    "POST jobs/{job_id}/replay",
    "GET jobs/{job_id}/files/{*name}",
    "GET deadletters",
    "POST deadletters/replay",
    "POST documents",
    "GET portal-schemas",
    "GET portal-schemas/{schema_name}",
    "POST portal-schemas",
    "POST portal-schemas/{schema_name}/deprecate",
    "POST portal/downloads",
    "POST portal/uploads",
    "POST portal/uploads/confirm",
    "GET livez",
    "GET readyz",
    "GET health",
    "GET openapi.json",
    "GET status/providers",
}


def no_parts() -> WebParts:
    raise StoreUnavailable("nobody may ask while the app is made")


FUNCTIONS = functions_of(create_api_blueprint(no_parts))
DOCUMENT = document(ROUTES)


def operations() -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (path, method.upper()): operation
        for path, methods in DOCUMENT["paths"].items()
        for method, operation in methods.items()
    }


def references(value: object) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*map(references, value.values()))
    return set().union(*map(references, value)) if isinstance(value, list) else set()


def test_the_functions_are_the_agreed_routes() -> None:
    assert {f"{method} {function.route}" for function in FUNCTIONS for method in function.methods or ()} == AGREED


def test_the_contract_has_each_function_and_no_other() -> None:
    functions = {
        ("/" + function.route.replace("{*", "{"), method): (function.name, function.auth_level)
        for function in FUNCTIONS
        for method in function.methods or ()
    }
    levels = {"[]": "anonymous", '[{"masterKey": []}]': "admin", "null": "function"}
    described = {
        key: (operation["operationId"], levels[json.dumps(operation.get("security"))])
        for key, operation in operations().items()
    }

    assert described == functions


def test_only_the_master_key_changes_what_portals_want() -> None:
    assert {f"{route.method} {route.path}" for route in ROUTES if route.admin} == {
        "POST portal-schemas",
        "POST portal-schemas/{schema_name}/deprecate",
    }


def test_only_what_tells_nothing_is_anonymous() -> None:
    assert {route.path for route in ROUTES if route.anonymous} == {"livez", "readyz", "openapi.json"}


def test_the_host_takes_the_functions_and_gives_each_path_to_the_narrowest() -> None:
    assert validate(FUNCTIONS) == []


def test_the_contract_is_served_under_the_prefix_of_the_host() -> None:
    assert f"/{json.loads((ROOT / 'host.json').read_text())['extensions']['http']['routePrefix']}" == PREFIX
    assert DOCUMENT["servers"] == [{"url": PREFIX}]


def test_the_contract_is_the_same_bytes_each_time() -> None:
    assert contract(ROUTES) == contract(ROUTES)
    assert json.loads(contract(ROUTES)) == DOCUMENT


def test_every_reference_of_the_contract_leads_somewhere() -> None:
    schemas = DOCUMENT["components"]["schemas"]

    assert references(DOCUMENT) <= {f"#/components/schemas/{name}" for name in schemas}


def test_no_word_of_a_schema_is_pydantics_own() -> None:
    words = set(re.findall(r'"(ge|le|gt|lt|min_length|max_length)":', json.dumps(DOCUMENT)))

    assert words == set()


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_every_error_of_a_route_is_described_at_its_status(route: AnyRoute) -> None:
    responses = operations()[openapi_path(route), route.method]["responses"]

    for kind in errors_of(route):
        response = responses[str(status_of(kind))]
        _, only = response["content"]["application/json"]["schema"]["allOf"]
        assert kind.code in only["properties"]["error"]["properties"]["code"]["enum"]
        assert ("Retry-After" in response["headers"]) >= (status_of(kind) == 503)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_every_parameter_of_a_path_and_every_body_is_described(route: AnyRoute) -> None:
    operation = operations()[openapi_path(route), route.method]
    described = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "path"}

    assert described == set(re.findall(r"{\*?(\w+)}", route.path))
    assert ("requestBody" in operation) is (route.body_kind is not BodyKind.NONE)
