"""openapi.json says what the API does: calls made from it, good and bad, get only answers that it names."""

from __future__ import annotations

import base64
import json
from collections import Counter
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import sampled_from
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from core.listing import NewDeadLetter
from core.ports import StateStore
from handlers.portal.paths import build, check_raw_path, incoming_of, output_path, raw_path
from handlers.portal.schema import canonical_json
from handlers.portal.seed import SEED
from infrastructure.postgres.store import PostgresStateStore
from infrastructure.web.openapi import document
from infrastructure.web.routes import AnyRoute, BodyKind
from infrastructure.web.table import ROUTES
from testing.documents import sample_page
from tests.support.postgres import Database
from tests.support.postgres_store import pool_to
from tests.support.sealed import JOB, OWNER, USER, sealed_store
from tests.support.web import World, web_world

EXAMPLES = 20
"""So many that the success of each route is among them: two of the six jobs can be paused."""
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]

PNG = sample_page(seed=1).png
RAWS = [raw_path(USER, JOB, number, "photo.png") for number in range(2 * EXAMPLES)]
OUTPUTS = [output_path(USER, JOB, number) for number in range(2 * EXAMPLES)]

schemathesis.openapi.media_type("application/octet-stream", sampled_from([PNG, PNG[:100], b"", b"%PDF-1.7 and more"]))


def busy_world(store: StateStore | None = None) -> World:
    """Jobs in every state, a paused one among them, files of one, dead letters, uploads, and portals' packages."""
    world = web_world(store=store, HTTP_MAX_BODY_BYTES=20_000)
    world.machine.submit("hello_world", {"n": 2})
    world.machine.submit("hello_world", {"n": 3, "failure_rate": 1.0})
    source = {"content_base64": base64.b64encode(PNG).decode()}
    world.machine.submit("ocr_document", {"source": source, "preview": False})
    world.drain()
    cancelled = world.machine.submit("hello_world", {"n": 4}).run
    world.parts.operations.cancel(cancelled.job_id, "test")
    world.machine.submit("hello_world", {"n": 5})
    world.step(1)
    paused = world.machine.submit("hello_world", {"n": 6}).run
    world.parts.operations.pause(paused.job_id, "test")
    letters = [NewDeadLetter("jobs", f"m{n}", "job", b"\xff{}", "Reason", "") for n in range(3)]
    world.machine.store.record_dead_letters(letters, world.clock.now())
    for raw, output in zip(RAWS, OUTPUTS, strict=True):
        world.blobs.put(build(incoming_of(check_raw_path(raw))), PNG, "image/png")
        sealed_store(world.blobs).put(output, [b"a package"], OWNER, 100)
    return world


def contract_of(world: World) -> dict[str, Any]:
    """The contract, with what exists as the values in paths, and without keys, which are the host's matter."""
    contract: dict[str, Any] = json.loads(json.dumps(document(ROUTES)))
    contract["security"] = []
    known = {
        "job_id": [run.job_id for run in world.parts.operations.list_runs().items],
        "job_type": ["hello_world", "ocr_document"],
        "name": ["text.txt", "document.json"],
        "schema_name": [schema.name for schema in SEED],
    }
    definitions = [json.loads(canonical_json(schema.schema_definition)) for schema in SEED]
    contract["components"]["schemas"]["CreateSchemaRequest"]["properties"]["schema_definition"] = {"enum": definitions}
    for request, path in (("ConfirmRequest", {"raw_path": RAWS}), ("DownloadRequest", {"path": OUTPUTS})):
        for name, values in {"user_id": [USER], **path}.items():
            contract["components"]["schemas"][request]["properties"][name] = {"enum": values}
    for operations in contract["paths"].values():
        for operation in operations.values():
            operation.pop("security", None)
            for parameter in operation["parameters"]:
                if parameter["in"] == "path":
                    parameter["schema"] = {"enum": known[parameter["name"]]}
    return contract


def answers(world: World, contract: dict[str, Any], route: AnyRoute) -> Counter[int]:
    """Calls a route as the contract has it, and as it has it not; how often each status came."""
    schema = schemathesis.openapi.from_dict(contract)
    schema.app = world.app()
    operation = schema.find_operation_by_id(route.name)
    seen: Counter[int] = Counter()
    for mode in (
        (GenerationMode.POSITIVE, GenerationMode.NEGATIVE) if can_be_wrong(route) else (GenerationMode.POSITIVE,)
    ):

        @seed(1)
        @settings(max_examples=EXAMPLES, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy(generation_mode=mode))
        def call(case: Case[Any]) -> None:
            response = case.call()
            seen[response.status_code] += 1
            case.validate_response(response, checks=CHECKS)

        call()
    return seen


def can_be_wrong(route: AnyRoute) -> bool:
    """Whether a call has anything that could not fit."""
    return "{" in route.path or bool(route.query.model_fields) or route.body_kind is not BodyKind.NONE


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_no_call_gets_an_answer_that_the_contract_does_not_name(route: AnyRoute) -> None:
    world = busy_world()

    seen = answers(world, contract_of(world), route)

    assert seen.total() >= (2 * EXAMPLES if can_be_wrong(route) else 1)
    assert any(success.status in seen for success in route.successes), seen


STORED = [route for route in ROUTES if route.path.startswith(("jobs", "deadletters"))]


@pytest.mark.parametrize("route", STORED, ids=lambda route: route.name)
def test_nor_does_one_on_postgresql(route: AnyRoute, postgres_database: Database) -> None:
    with pool_to(postgres_database.url) as pool:
        world = busy_world(PostgresStateStore(pool))

        seen = answers(world, contract_of(world), route)

    assert any(success.status in seen for success in route.successes), seen


def test_an_answer_that_the_contract_does_not_name_is_found() -> None:
    world = busy_world()
    contract = contract_of(world)
    del contract["paths"]["/jobs/{job_id}/result"]["get"]["responses"]["409"]
    route = next(route for route in ROUTES if route.name == "run_result")

    with pytest.raises(FailureGroup, match="Undocumented"):
        answers(world, contract, route)
