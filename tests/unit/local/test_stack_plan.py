from __future__ import annotations

import itertools

import pytest

from local.errors import SettingsInvalid
from local.stack_plan import (
    NAMED_BY,
    PARTS,
    SERVICES,
    PartName,
    order_of_end,
    parse_parts,
    plan,
    restart_delay,
)


def test_everything_runs_where_nothing_is_named() -> None:
    found = plan({"DATABASE_URL": "", "AZURE_STORAGE_ACCOUNT_URL": " "})
    assert found.parts == PARTS
    assert found.outside == {}


@pytest.mark.parametrize(("part", "setting"), [(part, name) for part, names in NAMED_BY.items() for name in names])
def test_a_service_that_is_named_is_used_and_not_started(part: PartName, setting: str) -> None:
    found = plan({setting: "somewhere"})
    assert found.outside == {part: setting}
    assert found.parts == tuple(name for name in PARTS if name != part)


def test_parts_are_chosen_by_name() -> None:
    assert plan({}, only=["storage", "database"]).parts == ("database", "storage")
    assert plan({}, without=["worker"]).parts == tuple(name for name in PARTS if name != "worker")
    assert plan({"DATABASE_URL": "x"}, without=["worker"]).parts == ("service_bus", "storage", "host")


def test_a_service_cannot_be_asked_for_and_named() -> None:
    with pytest.raises(SettingsInvalid, match="database is asked for, and DATABASE_URL names one"):
        plan({"DATABASE_URL": "x"}, only=["database"])


def test_nothing_to_run_is_refused() -> None:
    with pytest.raises(SettingsInvalid, match="no part is left"):
        plan({}, only=["worker"], without=["worker"])


def test_intake_ends_first_and_the_database_last() -> None:
    assert order_of_end(PARTS) == [["host", "worker"], ["service_bus"], ["storage"], ["database"]]
    assert order_of_end(["database", "worker"]) == [["worker"], ["database"]]
    assert sorted(itertools.chain(*order_of_end(PARTS))) == sorted(PARTS)
    assert order_of_end(SERVICES)[-1] == ["database"]


@pytest.mark.parametrize(("text", "parts"), [("host", ("host",)), (" service-bus, worker", ("service_bus", "worker"))])
def test_parts_are_read(text: str, parts: tuple[PartName, ...]) -> None:
    assert parse_parts(text) == parts


@pytest.mark.parametrize("text", ["", "queue", "host,", "Host"])
def test_a_part_that_does_not_exist_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="is not one of database, service_bus, storage, host, worker"):
        parse_parts(text)


def test_the_delay_grows_to_ten_seconds() -> None:
    delays = [restart_delay(failures) for failures in range(1, 2_000)]
    assert delays[:4] == [0.1, 0.2, 0.4, 0.8]
    assert delays == sorted(delays)
    assert delays[-1] == 10.0
