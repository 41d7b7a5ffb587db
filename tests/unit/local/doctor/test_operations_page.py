"""docs/operations.md says what the code and the files say."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.attempts import DEADLINE_EXCEEDED, LEASE_MARGIN
from core.errors import LeaseLost
from core.heartbeat import LEASE_SECONDS, RENEWALS_A_LEASE
from handlers.document.source import OWN_AREA, UPLOADS
from infrastructure.postgres.outage import LONGEST_PAUSE, SHORTEST_PAUSE, TOLD_EVERY
from infrastructure.settings import Settings
from local.client.errors import ALL_WELL, INTERRUPTED, NOT_REACHED, READER_GONE, SOME_FAILED, WRONG_USE
from local.doctor import command
from local.doctor.checks import examine
from local.doctor.checks.concurrency import TIMERS, TRIGGERS
from local.doctor.findings import Code
from tests.unit.local.doctor.sound import with_named
from tests.unit.local.doctor.test_checks import SPOILT, in_azure

ROOT = Path(__file__).resolve().parents[4]
PAGE = (ROOT / "docs" / "operations.md").read_text("utf-8")


def rows(head: str) -> list[list[str]]:
    """The cells of the table whose first line is ``head``."""
    lines = PAGE[PAGE.index(head) :].splitlines()[2:]
    table = lines[: next((number for number, line in enumerate(lines) if not line.startswith("|")), len(lines))]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def severities() -> Mapping[Code, set[str]]:
    """Those that each code was seen to have."""
    seen: dict[Code, set[str]] = defaultdict(set)
    unnamed = with_named(given=frozenset())
    for facts in [*(facts for _, _, facts in SPOILT), unnamed, in_azure(unnamed)]:
        for finding in examine(facts):
            seen[finding.code].add(finding.severity.value)
    return seen


def test_each_code_has_its_line_and_its_severities() -> None:
    told = {Code(cells[0].strip("`")): set(cells[1].split(", ")) for cells in rows("| code | severity |")}

    assert told == severities()
    assert list(told) == list(Code)


def test_each_line_says_something() -> None:
    assert all(len(cells[2]) > 15 for cells in rows("| code | severity |"))


def test_the_numbers_are_those_of_host_json_and_the_example() -> None:
    host: dict[str, Any] = json.loads((ROOT / "host.json").read_text("utf-8"))
    values: dict[str, str] = json.loads((ROOT / "local.settings.json.example").read_text("utf-8"))["Values"]
    known = {**host, **host["extensions"]["serviceBus"], **values}
    told = {re.findall(r"`(\w+)`", cells[1])[-1]: cells[2] for cells in rows("| what | where | value |")}

    assert len(told) == 6
    assert told == {name: str(known[name]) for name in told}


def test_the_sum_of_the_calls_is_right() -> None:
    calls = int(json.loads((ROOT / "host.json").read_text("utf-8"))["extensions"]["serviceBus"]["maxConcurrentCalls"])
    together = TRIGGERS * calls

    assert f"{TRIGGERS} times {calls} are {together} calls at once" in " ".join(PAGE.split())
    assert f"with the three timers {together + TIMERS}" in " ".join(PAGE.split())


def test_the_exit_codes_are_those_of_the_clients() -> None:
    told = [int(cells[0]) for cells in rows("| exit code | meaning |")]

    assert told == [ALL_WELL, SOME_FAILED, WRONG_USE, NOT_REACHED, INTERRUPTED, READER_GONE]


def test_the_exit_codes_of_the_doctor_are_those_that_its_help_tells() -> None:
    told = re.search(r"Exit codes: 0 no error, .*", PAGE)

    assert told is not None
    assert re.findall(r"\d+", told[0]) == re.findall(r"\d+", command.EXITS)
    assert str(READER_GONE) in told[0]


def section(head: str) -> str:
    """What the page says under a bold head, in one line."""
    return " ".join(PAGE[PAGE.index(f"**{head}") :].split("\n\n")[0].split())


def test_a_handler_s_timeout_is_what_it_is() -> None:
    told = section("A handler's timeout**")

    assert "ends that task alone" not in PAGE
    for named in ("`context.should_stop`", DEADLINE_EXCEEDED.code, f"{LEASE_MARGIN:.0f} s behind", LeaseLost.code):
        assert named in told


def test_pauses_of_an_outage_are_told_as_they_are() -> None:
    told = section("A database that is away**")

    for named in (f"after {SHORTEST_PAUSE} s", f"up to {LONGEST_PAUSE:.0f} s", f"every {TOLD_EVERY:.0f} s at most"):
        assert named in told


def test_leases_are_told_as_they_are() -> None:
    told = section("Leases.")

    assert f"a lease of {LEASE_SECONDS:.0f} s" in told
    assert f"renews it {RENEWALS_A_LEASE} times" in told
    assert f"less than {LEASE_SECONDS * (RENEWALS_A_LEASE - 1) / RENEWALS_A_LEASE:.0f} s" in told
    assert f"a heartbeat in {LEASE_SECONDS / RENEWALS_A_LEASE:.0f} s" in " ".join(PAGE.split())
    assert "core/heartbeat.py" in told


def test_the_storage_account_s_rule_is_for_our_areas_and_the_days_of_the_setting() -> None:
    settings = Settings.from_environment({})
    (policy,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    (rule,) = json.loads(policy)["rules"]
    areas = {f"{settings.storage_container}/{area}" for area in (UPLOADS, OWN_AREA)}

    assert set(rule["definition"]["filters"]["prefixMatch"]) == areas
    delete = rule["definition"]["actions"]["baseBlob"]["delete"]
    assert delete == {"daysAfterModificationGreaterThan": settings.retention_days}
