from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from local.errors import HostFileInvalid
from local.functions_host.host_file import HostSettings, parse_host_settings, read_host_file

ROOT = Path(__file__).parents[3]


def test_the_defaults_are_those_of_the_real_host() -> None:
    assert parse_host_settings({"version": "2.0"}) == HostSettings("api", timedelta(minutes=30))


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("00:05:00", timedelta(minutes=5)),
        ("1.02:03:04", timedelta(days=1, hours=2, minutes=3, seconds=4)),
        ("-1", None),
    ],
)
def test_time_spans(text: str, span: timedelta | None) -> None:
    assert parse_host_settings({"version": "2.0", "functionTimeout": text}).function_timeout == span


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "the whole must be a JSON object"),
        ({}, '"version" must be "2.0"'),
        ({"version": "1.0"}, '"version" must be "2.0"'),
        ({"version": "2.0", "extensions": []}, "extensions must be a JSON object"),
        ({"version": "2.0", "extensions": {"http": {"routePrefix": "/api"}}}, "routePrefix"),
        ({"version": "2.0", "extensions": {"http": {"routePrefix": 1}}}, "routePrefix"),
        ({"version": "2.0", "functionTimeout": 5}, "functionTimeout must be"),
        ({"version": "2.0", "functionTimeout": "25:00:00"}, "functionTimeout must be"),
        ({"version": "2.0", "functionTimeout": "00:00:00"}, "functionTimeout is not"),
    ],
)
def test_what_is_wrong_is_named(document: object, message: str) -> None:
    with pytest.raises(HostFileInvalid, match=message):
        parse_host_settings(document)


def test_a_file_that_is_not_there_or_not_json(tmp_path: Path) -> None:
    with pytest.raises(HostFileInvalid, match="needs its host"):
        read_host_file(tmp_path / "host.json")
    (tmp_path / "host.json").write_text("{,}")
    with pytest.raises(HostFileInvalid, match="line 1"):
        read_host_file(tmp_path / "host.json")


def test_a_file_that_is_not_text_or_no_file_is_a_line(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_bytes(b"\xff{}")
    with pytest.raises(HostFileInvalid, match=r"^host.json: byte 0 is not UTF-8$"):
        read_host_file(tmp_path / "host.json")
    with pytest.raises(HostFileInvalid, match="cannot be read: Is a directory"):
        read_host_file(tmp_path)
    (tmp_path / "host.json").write_text("[" * 200_000)
    with pytest.raises(HostFileInvalid, match="recursion"):
        read_host_file(tmp_path / "host.json")


CONSUMPTION_MAXIMUM = timedelta(minutes=10)
"""Source: the reference of host.json, functionTimeout: the host refuses more on the Consumption plan."""


def test_the_host_file_of_this_repository() -> None:
    settings = read_host_file(ROOT / "host.json")
    assert (settings.route_prefix, settings.function_timeout) == ("api", CONSUMPTION_MAXIMUM)
    document = json.loads((ROOT / "host.json").read_text())
    assert document["extensionBundle"]["version"] == "[4.*, 5.0.0)"
    assert set(document["extensions"]["serviceBus"]) == {
        "prefetchCount",
        "autoCompleteMessages",
        "maxAutoLockRenewalDuration",
        "maxConcurrentCalls",
    }
