"""A job has the schema that was the newest when it was submitted, whatever becomes of schemas while it waits."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest

from core.context import TaskContext
from core.errors import InvalidParameters
from core.handlers import task_handler
from core.model import Submitted
from handlers.portal.answer import Success
from handlers.portal.envelope import Envelope
from handlers.portal.errors import PortalError, PortalSchemaDeprecated, PortalSchemaNotFound
from handlers.portal.job import PROCESS_DOCUMENT
from handlers.portal.memory_schemas import MemoryPortalSchemas
from handlers.portal.registration import portal_jobs
from handlers.portal.schema import canonical_json
from handlers.portal.schema_store import NewSchema
from handlers.portal.seed import JEE_MAIN, NEET, SEED
from testing.factories import Registries, create_test_harness
from tests.support.portal import payload

NEXT = NewSchema(UUID("5d2f6e0c-54a1-4a1a-9a70-0d5b1f8f7c11"), "NEET 2026", NEET.model_copy(update={"target_dpi": 300}))


class Desk:
    """Jobs on mocks, whose task keeps what it was given and makes nothing of it."""

    def __init__(self) -> None:
        self.schemas = MemoryPortalSchemas()
        self.given: list[Envelope] = []

        def process_document(params: Envelope, context: TaskContext) -> Success:
            self.given.append(params)
            raise PortalError("nothing is made here")

        handler = task_handler(PROCESS_DOCUMENT, process_document)
        self.harness, _ = create_test_harness(Registries.of(portal_jobs(lambda: self.schemas), [handler]))

    def submit(self, **schema: Any) -> Submitted:
        return self.harness.machine.submit(PROCESS_DOCUMENT, payload(portal_schema=schema))

    def run(self) -> Envelope:
        with pytest.raises(PortalError, match="nothing is made here"):
            self.harness.drain()
        (given,) = self.given
        return given


@pytest.fixture
def desk() -> Desk:
    return Desk()


def kept(submitted: Submitted) -> Any:
    return json.loads(submitted.run.parameters_json)["portal_schema"]


def test_a_name_becomes_the_newest_version_whole(desk: Desk) -> None:
    desk.schemas.create(NEXT)

    schema = kept(desk.submit(name="NEET 2026"))

    assert (schema["id"], schema["name"], schema["version"]) == (str(NEXT.id), "NEET 2026", 2)
    assert schema["schema_definition"] == json.loads(canonical_json(NEXT.schema_definition))


def test_a_version_that_is_named_is_that_one(desk: Desk) -> None:
    desk.schemas.create(NEXT)

    assert kept(desk.submit(name="NEET 2026", version=1))["id"] == str(SEED[0].id)


def test_a_job_that_waits_keeps_its_version(desk: Desk) -> None:
    desk.submit(name="NEET 2026")
    desk.schemas.create(NEXT)
    desk.schemas.deprecate("NEET 2026", 1)

    given = desk.run()

    assert (given.portal_schema.id, given.portal_schema.version, given.definition) == (SEED[0].id, 1, NEET)


def test_the_same_name_is_the_same_job_until_there_is_another_version(desk: Desk) -> None:
    first, again = desk.submit(name="NEET 2026"), desk.submit(name="NEET 2026", version=1)
    desk.schemas.create(NEXT)
    other = desk.submit(name="NEET 2026")

    assert (first.created, again.created, other.created) == (True, False, True)
    assert first.run.job_id == again.run.job_id != other.run.job_id


def test_a_name_and_its_version_whole_are_the_same_job(desk: Desk) -> None:
    whole = {"id": str(SEED[1].id), "name": "JEE Main 2026", "version": 1}
    definition = json.loads(canonical_json(JEE_MAIN))

    named = desk.submit(name="JEE Main 2026")

    assert desk.submit(**whole, schema_definition=definition).run.job_id == named.run.job_id


def test_a_schema_that_is_given_whole_is_taken_without_asking(desk: Desk) -> None:
    given = payload()["portal_schema"]

    assert kept(desk.submit(**given))["schema_definition"]["target_width"] == 60
    assert desk.run().portal_schema.id == UUID(given["id"])


@pytest.mark.parametrize(
    "schema",
    [{"name": "NEET 2027"}, {"name": "NEET 2026", "version": 2}, {"name": "neet 2026"}],
    ids=str,
)
def test_one_that_is_unknown_is_refused(desk: Desk, schema: dict[str, Any]) -> None:
    with pytest.raises(PortalSchemaNotFound):
        desk.submit(**schema)

    assert desk.harness.state.get_state_snapshot()["jobs"] == {}


@pytest.mark.parametrize("version", [None, 1])
def test_one_that_is_deprecated_is_refused(desk: Desk, version: int | None) -> None:
    desk.schemas.deprecate("NEET 2026", None)

    with pytest.raises(PortalSchemaDeprecated):
        desk.submit(name="NEET 2026", version=version)


def test_a_name_goes_back_to_the_version_before_a_deprecated_one(desk: Desk) -> None:
    desk.schemas.create(NEXT)
    desk.schemas.deprecate("NEET 2026", 2)

    assert kept(desk.submit(name="NEET 2026"))["version"] == 1


@pytest.mark.parametrize(
    ("schema", "field"),
    [
        ({}, "name"),
        ({"name": "NEET 2026", "version": 0}, "version"),
        ({"name": "NEET 2026", "version": True}, "version"),
        ({"name": "../NEET"}, "name"),
        ({"name": "NEET 2026", "colour": "any"}, "colour"),
        ({"name": "NEET 2026", "schema_definition": {}}, "id"),
        ({**payload()["portal_schema"], "schema_definition": {}}, "target_width"),
        ({**payload(definition={"target_width": 0})["portal_schema"]}, "target_width"),
        ({**payload(definition={"surprise": 1})["portal_schema"]}, "surprise"),
    ],
)
def test_one_that_is_no_schema_is_refused_by_its_field(desk: Desk, schema: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidParameters) as caught:
        desk.submit(**schema)

    problems: Any = caught.value.details["problems"]
    assert field in {problem["field"].rpartition(".")[2] for problem in problems}
