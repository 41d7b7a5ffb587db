"""Portals' schemas over HTTP: looked at by anyone with a key, made and deprecated by the master key alone."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from starlette.testclient import TestClient

from core.errors import StoreUnavailable
from handlers.portal.memory_schemas import MemoryPortalSchemas
from handlers.portal.schema import PortalSchema, canonical_json
from handlers.portal.seed import NEET, SEED
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


def test_a_store_that_is_away_is_503(world: World) -> None:
    class Away(MemoryPortalSchemas):
        def latest(self, name: str) -> PortalSchema | None:
            raise StoreUnavailable("the database does not answer")

    world.parts = replace(world.parts, schemas=Away())

    answer = world.client().get("/portal-schemas/NEET 2026")

    assert (answer.status_code, code(answer)) == (503, "STORE_UNAVAILABLE")
