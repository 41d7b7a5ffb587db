"""Facts from files and variables, and that no secret is among them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.doctor.facts import HostFact, SecretPlace
from local.doctor.reading import host_fact, overridden, read_files, read_host, read_settings, secrets_in

KEY = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldC1zZWNyZXQ="
BLOCK = {
    "prefetchCount": 3,
    "autoCompleteMessages": False,
    "maxAutoLockRenewalDuration": "00:15:00",
    "maxConcurrentCalls": 8,
}

RELATED = ["RETENTION_DAYS", "OCR_ENGINE", "DOCKER_DB_POOL_MAX", "DOCKER_DB_POOL_MIN"]


def host(**service_bus: Any) -> dict[str, Any]:
    return {
        "version": "2.0",
        "functionTimeout": "00:10:00",
        "extensionBundle": {"id": "B", "version": "[4.*, 5.0.0)"},
        "extensions": {"serviceBus": service_bus},
    }


def settings_file(folder: Path, **values: str) -> Path:
    path = folder / "local.settings.json"
    path.write_text(json.dumps({"IsEncrypted": False, "Values": values}), "utf-8")
    path.chmod(0o600)
    return path


def test_the_stack_goes_before_the_environment_and_that_before_the_file(tmp_path: Path) -> None:
    path = settings_file(tmp_path, JOBS_QUEUE="file", TASKS_QUEUE="file", LONG_RUNNING_QUEUE="file")

    fact, merged = read_settings(
        path, {"TASKS_QUEUE": "env", "LONG_RUNNING_QUEUE": "env"}, {"LONG_RUNNING_QUEUE": "stack"}
    )

    found = fact.settings
    assert (found.jobs_queue, found.tasks_queue, found.long_running_queue) == ("file", "env", "stack")
    assert merged["LONG_RUNNING_QUEUE"] == "stack"


def test_each_value_that_cannot_be_is_named_and_the_others_hold(tmp_path: Path) -> None:
    variables = {"RETENTION_DAYS": "s3cr3t", "OCR_ENGINE": "magic", "JOBS_QUEUE": "mine", "DOCKER_DB_POOL_MIN": "20"}

    fact, _ = read_settings(tmp_path / "none", variables, {})

    assert [line.partition(":")[0] for line in sorted(fact.invalid)] == [
        "DOCKER_DB_POOL_MAX",
        "OCR_ENGINE",
        "RETENTION_DAYS",
    ]
    assert fact.settings.retention_days == 30
    assert fact.settings.jobs_queue == "mine"
    assert "s3cr3t" not in str(fact.invalid)


@given(st.dictionaries(st.sampled_from(RELATED), st.text() | st.integers(0, 2_000).map(str)))
def test_whatever_the_values_are_there_are_settings(variables: dict[str, str]) -> None:
    fact, _ = read_settings(Path("/nonexistent/none"), variables, {})

    assert fact.settings.database_pool_max >= fact.settings.database_pool_min


def test_hosts_are_facts_and_keys_are_not(tmp_path: Path) -> None:
    variables = {
        "SERVICE_BUS_CONNECTION": f"Endpoint=sb://one.net/;SharedAccessKeyName=n;SharedAccessKey={KEY}",
        "SERVICE_BUS_CONNECTION__fullyQualifiedNamespace": "two.net",
        "SERVICE_BUS_FQDN": " ",
        "DATABASE_URL": f"postgresql://u:{KEY}@h/d",
    }
    fact, _ = read_settings(settings_file(tmp_path, **variables), {}, {})

    assert fact.named.given == set(variables) - {"SERVICE_BUS_FQDN"}
    assert (fact.named.bus_host, fact.named.bus_fqdn, fact.named.trigger_fqdn) == ("one.net", "", "two.net")
    assert KEY not in repr(fact)


@pytest.mark.parametrize("text", ["", "rubbish", "Endpoint", "Endpoint=sb://[", "=;=;", "Endpoint=sb://u:p@h:1/"])
def test_a_connection_string_that_is_none_has_no_host_or_that_alone(tmp_path: Path, text: str) -> None:
    fact, _ = read_settings(tmp_path / "none", {"SERVICE_BUS_CONNECTION": text}, {})

    assert fact.named.bus_host in {"", "h:1"}


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "local.settings.json").write_text('{"Values": {"A": 1}}', "utf-8")

    fact, _ = read_settings(tmp_path / "local.settings.json", {}, {})

    assert fact.file_problem is not None
    assert "Values.A" in fact.file_problem


def test_host_json_is_read_as_the_host_reads_it() -> None:
    assert host_fact(host(**BLOCK), {}) == HostFact(
        function_timeout=600.0,
        bundle_id="B",
        bundle_version="[4.*, 5.0.0)",
        calls=8,
        prefetch=3,
        completes=False,
        renewal=900.0,
    )


def test_what_is_not_set_has_the_hosts_default() -> None:
    fact = host_fact({"version": "2.0"}, {})

    assert (fact.problem, fact.calls, fact.prefetch, fact.completes, fact.renewal) == (None, None, 0, True, 300.0)
    assert fact.function_timeout == 1_800.0


def test_no_limit_is_none() -> None:
    assert host_fact({**host(), "functionTimeout": "-1"}, {}).function_timeout is None


def test_options_of_older_versions_are_told_and_the_rest_is_read() -> None:
    fact = host_fact(host(messageHandlerOptions={"maxConcurrentCalls": 3}, maxConcurrentCalls=5), {})

    assert (fact.outdated, fact.problem, fact.calls) == (("messageHandlerOptions",), None, 5)


@pytest.mark.parametrize(
    "document", [[], "x", {}, {"version": "1.0"}, host(maxConcurrentCalls="8"), host(maxConcurentCalls=8), host(x=1)]
)
def test_what_the_host_would_refuse_is_a_problem(document: object) -> None:
    assert host_fact(document, {}).problem is not None


def test_variables_override_the_file_in_any_case_of_letters() -> None:
    variables = {
        "AzureFunctionsJobHost__extensions__serviceBus__maxConcurrentCalls": "3",
        "AZUREFUNCTIONSJOBHOST__EXTENSIONS__SERVICEBUS__AUTOCOMPLETEMESSAGES": "true",
        "AzureFunctionsJobHost__functionTimeout": "00:05:00",
    }
    fact = host_fact(host(**BLOCK), variables)

    assert (fact.calls, fact.completes, fact.function_timeout) == (3, True, 300.0)


def test_an_override_leaves_the_document_as_it_was() -> None:
    document = host(**BLOCK)

    overridden(document, {"AzureFunctionsJobHost__extensions__serviceBus__maxConcurrentCalls": "3"})

    assert document == host(**BLOCK)


@pytest.mark.parametrize("text", [None, "{", "\xff", "[" * 100_000])
def test_a_host_file_that_is_none_is_a_problem(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "host.json").write_bytes(text.encode("latin-1"))

    assert read_host(tmp_path / "host.json", {}).problem is not None


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (f"DefaultEndpointsProtocol=https;AccountName=real;AccountKey={KEY}", "a storage account's key"),
        (f"Endpoint=sb://a.servicebus.windows.net/;SharedAccessKeyName=n;SharedAccessKey={KEY}", "a Service Bus key"),
        (f"https://a.blob.core.windows.net/c?sv=1&sig={KEY[:40]}", "a signature"),
        ("postgresql://app:hunter2222@db.example.com/x", "a database's password"),
        (f'"master": "{KEY}"', "a function key"),
        ('"POSTGRES_PASSWORD": "hunter2222"', "a password"),
    ],
)
def test_a_real_secret_is_seen(line: str, kind: str) -> None:
    assert list(secrets_in(f"first\n{line}\n")) == [(2, kind)]


@pytest.mark.parametrize(
    "line",
    [
        "UseDevelopmentStorage=true",
        f"AccountName=devstoreaccount1;AccountKey={KEY}",
        f"Endpoint=sb://127.0.0.1:5672;SharedAccessKeyName=n;SharedAccessKey={KEY};UseDevelopmentEmulator=true",
        "SharedAccessKey=...",
        "AccountKey=<key>",
        "postgresql://user:password@host/database",
        "postgresql://user:<password>@db.example.com/x",
        "postgresql://app:hunter2222@localhost/x",
        '"master": "..."',
        '"default": "Information"',
        '"POSTGRES_PASSWORD": "<yours>"',
    ],
)
def test_a_placeholder_and_a_key_that_all_know_are_none(line: str) -> None:
    assert list(secrets_in(line)) == []


def test_secrets_are_looked_for_in_what_is_published(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text(f'{{\n"x": "SharedAccessKey={KEY}"}}', "utf-8")
    settings_file(tmp_path, AZURE_STORAGE_CONNECTION_STRING=f"AccountKey={KEY}")

    files = read_files(tmp_path)

    assert files.secrets == (SecretPlace("host.json", 2, "a Service Bus key"),)
    assert KEY not in repr(files)


def test_a_settings_file_in_git_or_open_to_others_is_told(tmp_path: Path) -> None:
    path = settings_file(tmp_path)
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    before = read_files(tmp_path)
    subprocess.run(["git", "-C", tmp_path, "add", "-f", path.name], check=True)
    path.chmod(0o644)
    after = read_files(tmp_path)

    assert (before.settings_tracked, before.settings_readable) == (False, False)
    assert (after.settings_tracked, after.settings_readable) == (True, True)


def test_our_own_files_have_no_secret() -> None:
    root = Path(__file__).resolve().parents[4]

    assert read_files(root).secrets == ()
    assert read_host(root / "host.json", {}).problem is None
