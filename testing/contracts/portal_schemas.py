"""The contract of :class:`handlers.portal.schema_store.PortalSchemaStore`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid5

import pytest

from handlers.portal.errors import PortalSchemaConflict
from handlers.portal.schema import PortalSchema, SchemaDefinition, SchemaStatus
from handlers.portal.schema_store import NewSchema, PortalSchemaStore, SchemaKey
from handlers.portal.seed import NEET, SEED

ALL = 1_000
CREATORS = 6
_IDS = UUID("3d2c8f32-3a02-4a5e-8d4f-52c8b0d2b6a1")


def definition(width: int) -> SchemaDefinition:
    return NEET.model_copy(update={"target_width": width})


def new(name: str, width: int, follows: int | None = None) -> NewSchema:
    return NewSchema(uuid5(_IDS, f"{name} {width}"), name, definition(width), follows)


class PortalSchemaStoreContract:
    """Override ``schemas`` to give a store with the five of the start and no others."""

    @pytest.fixture
    def schemas(self) -> PortalSchemaStore:
        raise NotImplementedError

    def test_the_five_of_the_start_are_there_as_they_were_written(self, schemas: PortalSchemaStore) -> None:
        assert list(schemas.list(None, None, ALL)) == sorted(SEED, key=lambda schema: schema.name)
        assert [schemas.latest(schema.name) for schema in SEED] == list(SEED)

    def test_what_is_not_there_is_not_found(self, schemas: PortalSchemaStore) -> None:
        assert schemas.latest("NEET 2027") is None
        assert schemas.get("NEET 2026", 2) is None
        assert schemas.get("neet 2026", 1) is None
        assert schemas.deprecate("NEET 2027", None) == []
        assert schemas.deprecate("NEET 2026", 2) == []

    def test_a_new_name_begins_with_its_first_version(self, schemas: PortalSchemaStore) -> None:
        created = schemas.create(new("Driving Licence", 300))

        assert (created.name, created.version, created.status) == ("Driving Licence", 1, SchemaStatus.ACTIVE)
        assert created.schema_definition == definition(300)
        assert schemas.get("Driving Licence", 1) == schemas.latest("Driving Licence") == created

    def test_another_version_leaves_the_one_before_as_it_was(self, schemas: PortalSchemaStore) -> None:
        created = schemas.create(new("NEET 2026", 250))

        assert created.version == 2
        assert schemas.latest("NEET 2026") == created
        assert schemas.get("NEET 2026", 1) == SEED[0]

    def test_a_version_may_be_asked_to_follow_the_newest(self, schemas: PortalSchemaStore) -> None:
        assert schemas.create(new("Driving Licence", 300, follows=0)).version == 1
        assert schemas.create(new("Driving Licence", 301, follows=1)).version == 2

    @pytest.mark.parametrize("follows", [0, 2])
    def test_a_version_that_follows_another_is_refused(self, schemas: PortalSchemaStore, follows: int) -> None:
        with pytest.raises(PortalSchemaConflict) as caught:
            schemas.create(new("NEET 2026", 250, follows))

        assert caught.value.details == {"version": 1}
        assert schemas.get("NEET 2026", 2) is None

    def test_creators_at_the_same_time_get_a_version_each_and_lose_none(self, schemas: PortalSchemaStore) -> None:
        with ThreadPoolExecutor(CREATORS) as threads:
            created = list(threads.map(schemas.create, [new("Driving Licence", 300 + n) for n in range(CREATORS)]))

        assert sorted(schema.version for schema in created) == list(range(1, CREATORS + 1))
        assert [schemas.get("Driving Licence", schema.version) for schema in created] == created

    def test_of_those_who_follow_the_same_version_one_wins(self, schemas: PortalSchemaStore) -> None:
        def create(width: int) -> int:
            try:
                return schemas.create(new("NEET 2026", width, follows=1)).version
            except PortalSchemaConflict:
                return 0

        with ThreadPoolExecutor(CREATORS) as threads:
            assert sorted(threads.map(create, range(300, 300 + CREATORS))) == [0] * (CREATORS - 1) + [2]

    def test_the_latest_is_the_newest_that_is_not_deprecated(self, schemas: PortalSchemaStore) -> None:
        for width in (300, 301):
            schemas.create(new("Driving Licence", width))

        (deprecated,) = schemas.deprecate("Driving Licence", 2)
        latest = schemas.latest("Driving Licence")

        assert (deprecated.version, deprecated.status) == (2, SchemaStatus.DEPRECATED)
        assert deprecated.schema_definition == definition(301)
        assert schemas.get("Driving Licence", 2) == deprecated
        assert latest == schemas.get("Driving Licence", 1)

    def test_a_whole_name_is_deprecated_and_stays_to_be_seen(self, schemas: PortalSchemaStore) -> None:
        schemas.create(new("NEET 2026", 250))

        deprecated = schemas.deprecate("NEET 2026", None)

        assert [(schema.version, schema.status) for schema in deprecated] == [(1, "deprecated"), (2, "deprecated")]
        assert schemas.latest("NEET 2026") is None
        assert list(schemas.list(SchemaStatus.DEPRECATED, None, ALL)) == list(deprecated)

    def test_deprecating_again_changes_nothing(self, schemas: PortalSchemaStore) -> None:
        first = schemas.deprecate("NEET 2026", 1)

        assert schemas.deprecate("NEET 2026", 1) == schemas.deprecate("NEET 2026", None) == first

    def test_a_name_that_was_deprecated_goes_on_with_its_next_version(self, schemas: PortalSchemaStore) -> None:
        schemas.deprecate("NEET 2026", None)

        created = schemas.create(new("NEET 2026", 250))

        assert (created.version, schemas.latest("NEET 2026")) == (2, created)

    def test_a_list_goes_on_after_the_last_that_was_seen(self, schemas: PortalSchemaStore) -> None:
        for name, width in (("NEET 2026", 250), ("a small one", 300), ("NEET", 301)):
            schemas.create(new(name, width))
        whole = schemas.list(None, None, ALL)

        seen: list[PortalSchema] = []
        after = None
        while page := schemas.list(None, after, 3):
            seen += page
            after = SchemaKey(page[-1].name, page[-1].version)

        assert seen == list(whole)
        assert [(schema.name, schema.version) for schema in whole] == sorted(
            (schema.name, schema.version) for schema in whole
        )
        assert len(whole) == 8

    def test_a_list_of_active_ones_has_no_others(self, schemas: PortalSchemaStore) -> None:
        schemas.deprecate("JEE Main 2026", None)

        listed = schemas.list(SchemaStatus.ACTIVE, None, ALL)

        assert [schema.name for schema in listed] == [
            "Aadhaar Update",
            "College Generic",
            "NEET 2026",
            "Passport India",
        ]
