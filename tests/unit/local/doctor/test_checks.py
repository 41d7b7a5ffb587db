"""Each finding: what brings it, what does not, and that it names the fix."""

from __future__ import annotations

from dataclasses import replace

import azure.functions as func
import pytest

from infrastructure.functions.blueprint import create_trigger_blueprint
from local.doctor.checks import examine
from local.doctor.checks.concurrency import TIMERS, TRIGGERS
from local.doctor.checks.host import MARGIN
from local.doctor.checks.locks import SHORTEST_LOCK
from local.doctor.checks.machine import FEW_BYTES, TOO_FEW_BYTES
from local.doctor.checks.queues import LEAST_DELIVERIES, STALE_AFTER
from local.doctor.checks.services import SKEW_ERROR, SKEW_WARNING
from local.doctor.facts import (
    BusTold,
    Facts,
    FilesFact,
    NotNamed,
    Offset,
    QueueAbsent,
    QueueUnreachable,
    QueueUntold,
    SchemaOlder,
    SchemaOther,
    SchemaUnknown,
    SecretPlace,
    StorageTold,
    Unreachable,
)
from local.doctor.findings import ORDER, Code, Finding, Severity
from local.functions_host.functions import index_app
from tests.unit.local.doctor.sound import (
    GIVEN,
    KEY,
    QUEUES,
    settings,
    sound,
    with_database,
    with_host,
    with_machine,
    with_named,
    with_queue,
    with_settings,
)

IDENTITY = (GIVEN - {"SERVICE_BUS_CONNECTION"}) | {"SERVICE_BUS_FQDN"}
TRIGGER = "SERVICE_BUS_CONNECTION__fullyQualifiedNamespace"


POOL = {"DOCKER_DB_POOL_MAX": "16"}
WORKER = {"DOCKER_WORKER_URL": "https://worker.example", "DOCKER_TRIGGER_KEYS": "a key of sixteen letters"}
BY_CALL = POOL | WORKER | {"DOCKER_ORCHESTRATION_MODE": "http_trigger"}


def pool(size: int) -> Facts:
    return with_settings(settings=settings(DOCKER_DB_POOL_MAX=str(size)))


NO_PORTAL_KEYS = (KEY, "2026=short", f"={KEY}", f"a={KEY};a={KEY}", f"2026={KEY[:-4]}", f"a b={KEY}")


def keys(sealed_by: frozenset[str] = frozenset({"2026"}), **given: str) -> Facts:
    facts = with_settings(settings=settings(**POOL | given))
    return replace(facts, storage=StorageTold("x", Offset(0.0, 0.0), sealed_by))


SPOILT: list[tuple[Code, Severity, Facts]] = [
    (Code.SETTING_INVALID, Severity.ERROR, with_settings(invalid=("RETENTION_DAYS: Input should be greater than 0",))),
    (Code.SETTING_INVALID, Severity.ERROR, with_settings(settings=settings(**POOL, DOCUMENT_FETCH_HOSTS="*.com"))),
    (Code.SETTING_INVALID, Severity.ERROR, with_settings(settings=settings(**POOL, DOCUMENT_FETCH_NETWORKS="all"))),
    (Code.SETTING_INVALID, Severity.ERROR, with_settings(settings=settings(**BY_CALL | {"DOCKER_WORKER_URL": ""}))),
    (
        Code.SETTING_INVALID,
        Severity.ERROR,
        with_settings(settings=settings(**BY_CALL | {"DOCKER_TRIGGER_KEYS": "short"})),
    ),
    (Code.SETTING_UNKNOWN, Severity.WARNING, with_settings(file_names=("WHAT_IS_THIS",))),
    (Code.SETTING_UNKNOWN, Severity.WARNING, with_settings(file_names=("AZURE_STORAGE_CONECTION_STRING",))),
    (Code.SETTING_UNKNOWN, Severity.WARNING, with_settings(environment_names=("DOCKER_DB_POOLMAX",))),
    (Code.SETTING_UNKNOWN, Severity.WARNING, with_settings(environment_names=("database_url",))),
    (Code.SETTINGS_FILE_INVALID, Severity.ERROR, with_settings(file_problem="line 3: this is not JSON")),
    (Code.BUS_NAMED_TWICE, Severity.ERROR, with_named(given=GIVEN | {"SERVICE_BUS_FQDN"})),
    (Code.BUS_NOT_NAMED, Severity.NOTE, with_named(given=GIVEN - {"SERVICE_BUS_CONNECTION"})),
    (Code.DATABASE_NAMED_TWICE, Severity.WARNING, with_named(given=GIVEN | {"POSTGRES_HOST"})),
    (Code.DATABASE_NOT_NAMED, Severity.NOTE, with_named(given=GIVEN - {"DATABASE_URL"})),
    (Code.STORAGE_NAMED_TWICE, Severity.WARNING, with_named(given=GIVEN | {"AZURE_STORAGE_ACCOUNT_URL"})),
    (Code.STORAGE_NOT_NAMED, Severity.NOTE, with_named(given=GIVEN - {"AZURE_STORAGE_CONNECTION_STRING"})),
    (Code.TRIGGER_CONNECTION_MISSING, Severity.ERROR, with_named(given=IDENTITY, bus_host="", bus_fqdn="one.net")),
    (
        Code.TRIGGER_CONNECTION_DIFFERS,
        Severity.ERROR,
        with_named(given=IDENTITY | {TRIGGER}, bus_host="", bus_fqdn="one.net", trigger_fqdn="two.net"),
    ),
    (
        Code.TRIGGER_CONNECTION_DIFFERS,
        Severity.ERROR,
        with_named(given=GIVEN | {TRIGGER}, trigger_fqdn="two.servicebus.windows.net"),
    ),
    (Code.QUEUES_SHARED, Severity.ERROR, with_settings(settings=settings(DOCKER_DB_POOL_MAX="16", JOBS_QUEUE="tasks"))),
    (
        Code.SECRET_IN_WRONG_FILE,
        Severity.ERROR,
        replace(sound(), files=FilesFact((SecretPlace("host.json", 3, "a Service Bus key"),))),
    ),
    (Code.SETTINGS_FILE_TRACKED, Severity.ERROR, replace(sound(), files=FilesFact(settings_tracked=True))),
    (Code.SETTINGS_FILE_READABLE, Severity.WARNING, replace(sound(), files=FilesFact(settings_readable=True))),
    *((Code.KEYS_INVALID, Severity.ERROR, keys(PORTAL_KEYS=text)) for text in NO_PORTAL_KEYS),
    *((Code.KEYS_INVALID, Severity.ERROR, keys(DOCUMENT_PASSWORD_KEYS=text)) for text in ("short", f"{KEY};x", "AAAA")),
    (Code.KEYS_INVALID, Severity.ERROR, keys(PORTAL_KEY_VAULT_KEYS="http://one.vault.azure.net/keys/k")),
    (Code.KEYS_MISSING, Severity.NOTE, keys(PORTAL_KEYS="", sealed_by=frozenset())),
    (Code.KEYS_MISSING, Severity.NOTE, keys(DOCUMENT_PASSWORD_KEYS="")),
    (Code.KEY_REMOVED, Severity.ERROR, keys(sealed_by=frozenset({"2025", "2026"}))),
    (Code.KEY_REMOVED, Severity.ERROR, keys(sealed_by=frozenset({"vault:one.vault.azure.net/k/" + "0" * 32}))),
    (Code.HOST_FILE_INVALID, Severity.ERROR, with_host(problem='"version" must be "2.0"', calls=8)),
    (Code.HOST_OPTIONS_OUTDATED, Severity.ERROR, with_host(outdated=("messageHandlerOptions",))),
    (Code.HOST_BUNDLE_OUTDATED, Severity.ERROR, with_host(bundle_version="[3.3.0, 4.0.0)")),
    (Code.HOST_BUNDLE_OUTDATED, Severity.ERROR, with_host(bundle_id="", bundle_version="")),
    (Code.HOST_BUNDLE_OUTDATED, Severity.ERROR, with_host(bundle_id="Microsoft.Azure.Functions.ExtensionBundle.Other")),
    (
        Code.SCHEDULE_INVALID,
        Severity.ERROR,
        with_settings(settings=settings(DOCKER_DB_POOL_MAX="16", RETENTION_SCHEDULE="every night")),
    ),
    (Code.HOST_DOES_NOT_COMPLETE, Severity.ERROR, with_host(completes=False)),
    (Code.INIT_INDEXING_OFF, Severity.WARNING, with_settings(init_indexing=None)),
    (Code.FUNCTION_TIMEOUT_TOO_SHORT, Severity.ERROR, with_host(function_timeout=299.0)),
    (Code.FUNCTION_TIMEOUT_TIGHT, Severity.WARNING, with_host(function_timeout=300.0)),
    (Code.FUNCTION_TIMEOUT_TIGHT, Severity.WARNING, with_host(function_timeout=300.0 + MARGIN - 1)),
    (Code.CALLS_NOT_SET, Severity.WARNING, with_host(calls=None)),
    (Code.THREADS_FEWER_THAN_CALLS, Severity.ERROR, with_settings(threads="18")),
    (Code.THREADS_FEWER_THAN_CALLS, Severity.ERROR, with_settings(threads=None)),
    (Code.THREADS_FEWER_THAN_CALLS, Severity.ERROR, with_settings(threads="many")),
    (Code.POOL_SMALLER_THAN_CALLS, Severity.ERROR, pool(15)),
    (Code.DATABASE_CONNECTIONS_EXCEEDED, Severity.ERROR, with_database(connections=31)),
    (Code.DATABASE_CONNECTIONS_EXCEEDED, Severity.ERROR, with_machine(instances=6)),
    (Code.RENEWAL_SHORTER_THAN_HANDLER, Severity.ERROR, with_host(renewal=300.0)),
    (Code.RENEWAL_SHORTER_THAN_HANDLER, Severity.ERROR, with_host(renewal=0.0)),
    (Code.RENEWAL_SHORTER_THAN_LOCK, Severity.WARNING, with_queue("jobs", lock=1_000.0)),
    (Code.LOCK_TOO_SHORT, Severity.ERROR, with_queue(lock=SHORTEST_LOCK - 1)),
    (Code.LOCK_TOO_SHORT, Severity.ERROR, with_queue("long-running-tasks", lock=5.0)),
    (Code.PREFETCH_OUTLIVES_LOCK, Severity.WARNING, with_host(prefetch=1)),
    (Code.DELIVERY_COUNT_TOO_LOW, Severity.ERROR, with_queue(deliveries=LEAST_DELIVERIES - 1)),
    (Code.DUPLICATES_NOT_DETECTED, Severity.WARNING, with_queue(duplicate_window=0.0)),
    (Code.DUPLICATE_WINDOW_TOO_LONG, Severity.ERROR, with_queue(duplicate_window=STALE_AFTER)),
    (Code.QUEUE_MISSING, Severity.ERROR, with_queue("tasks", fact=QueueAbsent("tasks"))),
    (Code.QUEUE_DISABLED, Severity.ERROR, with_queue(status="SendDisabled")),
    (Code.QUEUE_NEEDS_SESSIONS, Severity.ERROR, with_queue(sessions=True)),
    (Code.QUEUE_PROPERTIES_UNKNOWN, Severity.NOTE, with_queue("tasks", fact=QueueUntold("tasks", "X: no"))),
    (Code.MESSAGES_EXPIRE_EARLY, Severity.WARNING, with_queue(time_to_live=STALE_AFTER - 1)),
    (Code.MESSAGE_LIMIT_OVER_QUEUE, Severity.ERROR, with_queue(max_message_bytes=262_143)),
    (Code.DEAD_LETTERS_WAITING, Severity.NOTE, with_queue(dead_letters=1)),
    (Code.DEAD_LETTERS_WAITING, Severity.NOTE, with_database(letters=1)),
    (Code.BUS_UNREACHABLE, Severity.ERROR, replace(sound(), bus=Unreachable("BUS_UNAVAILABLE: no"))),
    (Code.BUS_UNREACHABLE, Severity.ERROR, with_queue("tasks", fact=QueueUnreachable("tasks", "X: no"))),
    (Code.DATABASE_UNREACHABLE, Severity.ERROR, replace(sound(), database=Unreachable("STORE_UNAVAILABLE: no"))),
    (Code.DATABASE_UNREACHABLE, Severity.ERROR, with_database(schema=SchemaUnknown("X: no right"))),
    (Code.DATABASE_TOO_OLD, Severity.ERROR, with_database(major=14)),
    (Code.DATABASE_ENCODING, Severity.ERROR, with_database(encoding="LATIN1")),
    (Code.SCHEMA_OLDER, Severity.ERROR, with_database(schema=SchemaOlder(1))),
    (Code.SCHEMA_NEWER, Severity.ERROR, with_database(schema=SchemaOther("the schema is newer"))),
    (Code.STORAGE_UNREACHABLE, Severity.ERROR, replace(sound(), storage=Unreachable("X: no"))),
    (Code.CLOCK_SKEW, Severity.WARNING, with_database(offset=Offset(SKEW_WARNING + 1, 0.5))),
    (Code.CLOCK_SKEW, Severity.ERROR, with_database(offset=Offset(-SKEW_ERROR - 1, 0.5))),
    (Code.CLOCK_SKEW, Severity.WARNING, replace(sound(), storage=StorageTold("x", Offset(-20.0, 1.0)))),
    (Code.CLOCK_SKEW, Severity.WARNING, replace(sound(), bus=BusTold("x", QUEUES, Offset(20.0, 1.0)))),
    (Code.MODELS_UNUSABLE, Severity.ERROR, with_machine(models="det is missing")),
    (Code.PYTHON_UNSUPPORTED, Severity.ERROR, with_machine(python=(3, 10))),
    (Code.PYTHON_UNSUPPORTED, Severity.ERROR, with_machine(python=(3, 14))),
    (Code.DISK_NEARLY_FULL, Severity.WARNING, with_machine(free_bytes=(("/", FEW_BYTES - 1),))),
    (Code.DISK_NEARLY_FULL, Severity.ERROR, with_machine(free_bytes=(("/", 10**11), ("/tmp", TOO_FEW_BYTES - 1)))),
    (Code.TEMP_NOT_WRITABLE, Severity.ERROR, with_machine(temp_problem="Read-only file system")),
    (Code.REGISTRIES_BROKEN, Severity.ERROR, replace(sound(), handlers="DEFINITION_ERROR: twice")),
]

SOUND = [
    keys(PORTAL_KEYS=f"2027={KEY};2026={KEY}"),
    keys(
        PORTAL_KEY_VAULT_KEYS="https://one.vault.azure.net/keys/k",
        sealed_by=frozenset({"2026", "vault:one.vault.azure.net/k/" + "0" * 32}),
    ),
    with_settings(file_names=("SERVICE_BUS_CONNECTION__credential", "FUNCTIONS_WORKER_RUNTIME", "APPINSIGHTS_X")),
    with_settings(environment_names=("DATABASE", "POSTGRES_INITDB_ARGS", "LANG", "PGPASSWORD")),
    with_named(given=GIVEN | {TRIGGER}, trigger_fqdn="ONE.servicebus.windows.net"),
    with_named(given=IDENTITY | {TRIGGER}, bus_host="", bus_fqdn="one.net", trigger_fqdn="one.net"),
    with_named(bus_host="127.0.0.1:5672"),
    with_settings(settings=settings(**BY_CALL)),
    with_settings(settings=settings(**POOL, DOCKER_WORKER_URL="nowhere", DOCKER_TRIGGER_KEYS="short")),
    with_settings(settings=settings(**POOL, DOCUMENT_FETCH_HOSTS="a.example", DOCUMENT_FETCH_NETWORKS="10.0.0.0/8")),
    with_host(function_timeout=None),
    with_host(function_timeout=300.0 + MARGIN),
    with_host(bundle_version="[4.0.0, 5.0.0)"),
    with_host(renewal=300.0 + MARGIN),
    with_settings(threads="19"),
    with_settings(threads="11", processes="2"),
    with_database(connections=32),
    with_machine(python=(3, 13)),
    replace(with_machine(python=(3, 13)), settings=replace(sound().settings, init_indexing=None)),
    with_queue(lock=SHORTEST_LOCK),
    with_queue(deliveries=LEAST_DELIVERIES),
    with_queue(duplicate_window=STALE_AFTER - 1),
    with_queue(time_to_live=STALE_AFTER),
    with_queue(max_message_bytes=None),
    with_queue(status="active"),
    with_database(major=15),
    with_database(offset=Offset(SKEW_WARNING + 0.4, 0.5)),
    with_machine(free_bytes=(("/", FEW_BYTES),)),
    replace(sound(), handlers=()),
    replace(
        with_machine(models="det is missing"),
        settings=replace(sound().settings, settings=settings(DOCKER_DB_POOL_MAX="16", OCR_ENGINE="test")),
    ),
]


def in_azure(facts: Facts) -> Facts:
    return replace(facts, machine=replace(facts.machine, in_azure=True))


def ids(case: tuple[Code, Severity, Facts]) -> str:
    return case[0].value


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    assert examine(sound()) == []


@pytest.mark.parametrize("facts", SOUND)
def test_what_is_just_right_is_no_finding(facts: Facts) -> None:
    assert examine(facts) == []


@pytest.mark.parametrize(("code", "severity", "facts"), SPOILT, ids=map(ids, SPOILT))
def test_each_fault_is_found_by_its_code_and_alone(code: Code, severity: Severity, facts: Facts) -> None:
    found = {(finding.code, finding.severity) for finding in examine(facts)}

    assert (code, severity) in found
    assert {other for other, _ in found} <= {code} | ALONGSIDE.get(code, set())


ALONGSIDE = {
    Code.CALLS_NOT_SET: {Code.THREADS_FEWER_THAN_CALLS, Code.POOL_SMALLER_THAN_CALLS},
    Code.FUNCTION_TIMEOUT_TOO_SHORT: set[Code](),
    Code.TRIGGER_CONNECTION_DIFFERS: set[Code](),
}
"""What the same fault brings besides: the default of 16 calls for each core asks more of the pools."""


@pytest.mark.parametrize("code", Code)
def test_each_code_has_a_fault_that_brings_it(code: Code) -> None:
    assert code in {case[0] for case in SPOILT}


@pytest.mark.parametrize(("code", "severity", "facts"), SPOILT, ids=map(ids, SPOILT))
def test_each_finding_says_what_goes_wrong_where_and_how_to_mend_it(
    code: Code, severity: Severity, facts: Facts
) -> None:
    for finding in examine(facts):
        assert finding.about
        assert len(finding.problem) > 20
        assert len(finding.fix) > 5


def only(facts: Facts) -> Finding:
    (found,) = examine(facts)
    return found


def test_the_gravest_come_first() -> None:
    facts = replace(
        with_queue(deliveries=1, dead_letters=3, duplicate_window=0.0), files=FilesFact(settings_tracked=True)
    )
    severities = [finding.severity for finding in examine(facts)]

    assert severities == sorted(severities, key=ORDER.index)
    assert set(severities) == set(Severity)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("DOCKER_DB_POOLMAX", "DOCKER_DB_POOL_MAX"),
        ("SERVICEBUS_FQDN", "SERVICE_BUS_FQDN"),
        ("database_url", "DATABASE_URL"),
        ("AZURE_STORAGE_CONECTION_STRING", "AZURE_STORAGE_CONNECTION_STRING"),
    ],
)
def test_a_name_that_is_a_slip_has_the_one_that_is_meant(name: str, nearest: str) -> None:
    assert only(with_settings(file_names=(name,))).fix == f"rename it to {nearest}"


def test_a_fix_of_the_pools_is_one() -> None:
    """What the finding proposes makes it go away."""
    assert "to 19 or more, or maxConcurrentCalls to 2" in only(with_settings(threads="8")).fix
    assert examine(with_settings(threads="19")) == []
    assert examine(replace(with_host(calls=2), settings=replace(sound().settings, threads="8"))) == []
    assert "to 16 or more, or maxConcurrentCalls to 5" in only(pool(10)).fix
    assert examine(replace(with_host(calls=5), settings=pool(10).settings)) == []


def test_the_calls_that_are_counted_are_those_of_the_app() -> None:
    app = func.FunctionApp()
    app.register_functions(create_trigger_blueprint(settings(), lambda: pytest.fail("indexing connects to nothing")))
    kinds = [trigger.type for function in index_app(app) for trigger in function.triggers]

    assert (kinds.count("serviceBusTrigger"), kinds.count("timerTrigger"), len(kinds)) == (TRIGGERS, TIMERS, 5)


def test_more_instances_need_more_of_the_server() -> None:
    """16 connections for each of 5 function apps and a worker are 96 of 97."""
    assert examine(with_machine(instances=5)) == []
    assert "to 13," in only(with_machine(instances=6)).fix


def test_in_azure_a_service_that_is_not_named_is_an_error() -> None:
    facts = with_named(given=frozenset())

    assert [finding.severity for finding in examine(facts)] == [Severity.NOTE] * 3
    assert [finding.severity for finding in examine(in_azure(facts))] == [Severity.ERROR] * 3


def test_what_could_not_be_asked_hides_nothing_else() -> None:
    facts = replace(sound(), database=Unreachable("a"), bus=Unreachable("b"), storage=Unreachable("c"))

    assert {finding.code for finding in examine(facts)} == {
        Code.DATABASE_UNREACHABLE,
        Code.BUS_UNREACHABLE,
        Code.STORAGE_UNREACHABLE,
    }
    assert examine(replace(sound(), database=NotNamed(), bus=NotNamed(), storage=NotNamed())) == []


def test_the_side_on_which_the_clock_is_wrong_is_told() -> None:
    assert "30 s behind that of the database" in only(with_database(offset=Offset(30.0, 0.1))).problem
    assert "30 s ahead of that of the database" in only(with_database(offset=Offset(-30.0, 0.1))).problem
