"""Portals' schemas over HTTP, and jobs that are submitted with them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from starlette.testclient import TestClient

from core.context import TaskContext
from core.errors import StoreUnavailable
from core.handlers import task_handler
from core.machine import CoreMachine
from core.operations import JobOperations
from core.ports import StateStore
from handlers.portal.answer import Success
from handlers.portal.envelope import Envelope
from handlers.portal.errors import PortalError
from handlers.portal.job import PROCESS_DOCUMENT
from handlers.portal.memory_schemas import MemoryPortalSchemas
from handlers.portal.registration import portal_jobs
from handlers.portal.schema import PortalSchema, canonical_json
from handlers.portal.schema_store import PortalSchemaStore
from handlers.portal.seed import NEET, SEED
from infrastructure.postgres.portal_schemas import PostgresPortalSchemas
from infrastructure.postgres.store import PostgresStateStore
from testing.clock import FakeClock, SeededIds
from testing.factories import Registries
from testing.mock_state import MockStateManager
from tests.support.portal import payload
from tests.support.postgres import Database
from tests.support.postgres_store import pool_to
from tests.support.web import World, web_world

RULES: dict[str, Any] = json.loads(canonical_json(NEET))
EIGHT = (
    "target_width",
    "target_height",
    "target_dpi",
    "min_kb",
    "max_kb",
    "filename_pattern",
    "output_format",
    "quality",
)


@pytest.fixture
def world() -> World:
    return web_world()


@pytest.fixture
def client(world: World) -> TestClient:
    return world.client()


def code(answer: Any) -> object:
    return answer.json()["error"]["code"]


def create(client: TestClient, name: str = "NEET 2026", **more: Any) -> Any:
    return client.post("/portal-schemas", json={"name": name, "schema_definition": RULES, **more})


@pytest.mark.parametrize("schema", SEED, ids=lambda schema: schema.name)
def test_each_of_the_five_is_there_under_its_encoded_name(client: TestClient, schema: PortalSchema) -> None:
    answer = client.get(f"/portal-schemas/{schema.name.replace(' ', '%20')}")

    assert answer.status_code == 200
    assert answer.json() == {
        "id": str(schema.id),
        "name": schema.name,
        "version": 1,
        "status": "active",
        "digest": schema.schema_definition.digest,
        "schema_definition": json.loads(canonical_json(schema.schema_definition)),
    }


def test_a_name_with_spaces_and_signs_over_tcp(world: World) -> None:
    with world.hosted() as hosted:
        made = hosted.post("/portal-schemas", json={"name": "JEE (Main) & B+ 2027", "schema_definition": RULES})
        found = hosted.get("/portal-schemas/JEE%20%28Main%29%20%26%20B%2B%202027")

    assert (made.status_code, found.status_code) == (201, 200)
    assert found.json() == made.json()


def test_a_version_that_was_made_is_the_newest_and_the_one_before_is_asked_for_by_number(client: TestClient) -> None:
    made = create(client, schema_definition={**RULES, "target_dpi": 300})

    assert (made.status_code, made.json()["version"]) == (201, 2)
    assert client.get("/portal-schemas/NEET 2026").json() == made.json()
    assert client.get("/portal-schemas/NEET 2026?version=2").json() == made.json()
    assert client.get("/portal-schemas/NEET 2026?version=1").json()["schema_definition"] == RULES


def test_the_eight_rules_of_a_payload_make_a_schema(client: TestClient) -> None:
    made = create(client, "Another", schema_definition={name: RULES[name] for name in EIGHT})

    assert (made.status_code, made.json()["version"], made.json()["schema_definition"]["fields"]) == (201, 1, [])


def test_who_knows_another_newest_version_makes_none(client: TestClient) -> None:
    first, second = create(client, follows=1), create(client, follows=1)

    assert (first.status_code, second.status_code, code(second)) == (201, 409, "PORTAL_SCHEMA_CONFLICT")
    assert second.json()["error"]["details"] == {"version": 2}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": "a/b"}, "name"),
        ({"name": "NEET 2026", "follows": -1}, "follows"),
        ({"name": "NEET 2026", "surprise": 1}, "surprise"),
        ({"schema_definition": {**RULES, "target_width": 0}}, "schema_definition.target_width"),
        ({"schema_definition": {**RULES, "target_width": True}}, "schema_definition.target_width"),
        ({"schema_definition": {**RULES, "target_width": "200"}}, "schema_definition.target_width"),
        ({"schema_definition": {**RULES, "surprise": 1}}, "schema_definition.surprise"),
        ({"schema_definition": {**RULES, "min_kb": 101}}, "schema_definition"),
        ({"schema_definition": {"target_width": 200}}, "schema_definition.target_height"),
    ],
)
def test_what_cannot_be_a_schema_is_refused_by_its_field(client: TestClient, body: Any, field: str) -> None:
    answer = client.post("/portal-schemas", json={"name": "New", "schema_definition": RULES, **body} if body else {})

    assert (answer.status_code, code(answer)) == (422, "INVALID_PARAMETERS")
    assert field in {problem["field"] for problem in answer.json()["error"]["details"]["problems"]}
    assert len(client.get("/portal-schemas").json()["items"]) == len(SEED)


def test_a_deprecated_version_makes_way_for_the_one_before(client: TestClient) -> None:
    create(client)

    answer = client.post("/portal-schemas/NEET%202026/deprecate", json={"version": 2})

    assert [(item["version"], item["status"]) for item in answer.json()["items"]] == [(2, "deprecated")]
    assert client.get("/portal-schemas/NEET 2026").json()["version"] == 1
    assert client.get("/portal-schemas/NEET 2026?version=2").json()["status"] == "deprecated"


def test_a_name_all_of_whose_versions_are_deprecated_says_so(client: TestClient) -> None:
    create(client)

    answer = client.post("/portal-schemas/NEET 2026/deprecate")
    found = client.get("/portal-schemas/NEET 2026")

    assert [(item["version"], item["status"]) for item in answer.json()["items"]] == [
        (1, "deprecated"),
        (2, "deprecated"),
    ]
    assert (found.status_code, code(found)) == (409, "PORTAL_SCHEMA_DEPRECATED")


@pytest.mark.parametrize(
    "address", ["NEET 2027", "neet 2026", "NEET 2026?version=2", "%00", "a%0Ab", "%E0%A4%A8", "x" * 500]
)
def test_what_is_not_there_is_404(client: TestClient, address: str) -> None:
    answer = client.get(f"/portal-schemas/{address}")

    assert answer.status_code == 404
    assert not answer.content or code(answer) == "PORTAL_SCHEMA_NOT_FOUND"


@pytest.mark.parametrize(("name", "body"), [("NEET 2027", {}), ("NEET 2026", {"version": 7})])
def test_what_is_not_there_cannot_be_deprecated(client: TestClient, name: str, body: Any) -> None:
    answer = client.post(f"/portal-schemas/{name}/deprecate", json=body)

    assert (answer.status_code, code(answer)) == (404, "PORTAL_SCHEMA_NOT_FOUND")


@pytest.mark.parametrize("version", ["0", "-1", "1.0", "x", "", "2147483648"])
def test_a_version_that_can_be_none_is_refused(client: TestClient, version: str) -> None:
    answer = client.get(f"/portal-schemas/NEET 2026?version={version}")

    assert (answer.status_code, code(answer)) == (400, "INVALID_QUERY")


def test_who_has_it_is_told_so(client: TestClient) -> None:
    first = client.get("/portal-schemas/NEET 2026")
    again = client.get("/portal-schemas/NEET 2026", headers={"If-None-Match": first.headers["etag"]})
    client.post("/portal-schemas/NEET 2026/deprecate")
    other = client.get("/portal-schemas/NEET 2026?version=1", headers={"If-None-Match": first.headers["etag"]})

    assert (again.status_code, again.content, other.status_code) == (304, b"", 200)


def test_a_list_comes_in_pages(client: TestClient) -> None:
    create(client)
    seen: list[tuple[str, int]] = []
    asked: dict[str, str] = {"limit": "2"}
    while True:
        page = client.get("/portal-schemas", params=asked).json()
        seen += [(item["name"], item["version"]) for item in page["items"]]
        if page["next"] is None:
            break
        asked["cursor"] = page["next"]

    assert seen == sorted([*((schema.name, 1) for schema in SEED), ("NEET 2026", 2)])


def test_a_list_of_deprecated_ones(client: TestClient) -> None:
    client.post("/portal-schemas/College Generic/deprecate")

    listed = client.get("/portal-schemas?status=deprecated").json()["items"]

    assert [item["name"] for item in listed] == ["College Generic"]
    assert len(client.get("/portal-schemas?status=active").json()["items"]) == len(SEED) - 1


@pytest.mark.parametrize("cursor", ["", "x", "0:NEET 2026", "1:", "1:a/b", "9999999999:NEET 2026"])
def test_a_cursor_of_nothing_is_refused(client: TestClient, cursor: str) -> None:
    answer = client.get("/portal-schemas", params={"cursor": cursor})

    assert (answer.status_code, code(answer)) == (400, "INVALID_CURSOR")


def not_run(params: Envelope, context: TaskContext) -> Success:
    raise PortalError("nothing is made here")


def portal_world(store: StateStore, schemas: PortalSchemaStore) -> World:
    """A world with the one job of portals, whose tasks nobody runs."""
    world = web_world(store=store, schemas=schemas)
    registries = Registries.of(portal_jobs(lambda: schemas), [task_handler(PROCESS_DOCUMENT, not_run)])
    before = world.machine
    machine = CoreMachine(
        registries.jobs,
        registries.handlers,
        store,
        world.bus,
        blobs=before.blobs,
        clock=before.clock,
        ids=SeededIds(),
    )
    world.parts = replace(world.parts, machine=machine, operations=JobOperations(machine))
    return world


@pytest.fixture(params=["in memory", "PostgreSQL"])
def portal(request: pytest.FixtureRequest) -> Iterator[World]:
    if request.param == "in memory":
        yield portal_world(MockStateManager(FakeClock()), MemoryPortalSchemas())
        return
    database: Database = request.getfixturevalue("own_postgres_database")
    with pool_to(database.url) as pool:
        yield portal_world(PostgresStateStore(pool), PostgresPortalSchemas(pool))


def test_jobs_are_pinned_to_what_the_schema_was_when_they_were_submitted(portal: World) -> None:
    client = portal.client()

    def submit(**schema: Any) -> Any:
        params = payload(portal_schema=schema)
        return client.post("/jobs/submit/process_document", json={"params": params})

    def pinned(answer: Any) -> Any:
        run = portal.machine.store.load_run(answer.json()["job_id"], 1)
        assert run is not None
        return json.loads(run.parameters_json)["portal_schema"]

    first = submit(name="NEET 2026")
    assert create(client, schema_definition={**RULES, "target_dpi": 300}).status_code == 201
    second, again = submit(name="NEET 2026"), submit(name="NEET 2026", version=1)
    assert client.post("/portal-schemas/NEET%202026/deprecate").status_code == 200
    refused, unknown, wrong = submit(name="NEET 2026"), submit(name="NEET"), submit(**bad_schema())

    assert [answer.status_code for answer in (first, second, again)] == [202, 202, 200]
    assert first.json()["job_id"] == again.json()["job_id"] != second.json()["job_id"]
    assert (pinned(first)["version"], pinned(first)["schema_definition"]) == (1, RULES)
    assert (pinned(second)["version"], pinned(second)["schema_definition"]["target_dpi"]) == (2, 300)
    assert (refused.status_code, code(refused)) == (409, "PORTAL_SCHEMA_DEPRECATED")
    assert (unknown.status_code, code(unknown)) == (404, "PORTAL_SCHEMA_NOT_FOUND")
    assert (wrong.status_code, code(wrong)) == (422, "INVALID_PARAMETERS")
    assert len(client.get("/jobs").json()["items"]) == 2


def bad_schema() -> dict[str, Any]:
    whole: dict[str, Any] = payload(definition={"target_width": 0})["portal_schema"]
    return whole


def test_a_store_that_is_away_is_503(world: World) -> None:
    class Away(MemoryPortalSchemas):
        def latest(self, name: str) -> PortalSchema | None:
            raise StoreUnavailable("the database does not answer")

    world.parts = replace(world.parts, schemas=Away())

    answer = world.client().get("/portal-schemas/NEET 2026")

    assert (answer.status_code, code(answer)) == (503, "STORE_UNAVAILABLE")
