"""Settings: values that cannot be, names that do not exist, services named twice, secrets where they do not belong."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from infrastructure.fetch.hosts import FetchHosts
from infrastructure.settings import Settings, SettingsInvalid
from infrastructure.task_start.client import worker_url
from infrastructure.task_start.signature import SigningKeys
from local.doctor.facts import Facts
from local.doctor.findings import Code, Finding, Severity, error, note, warning

FILE = "local.settings.json"
CLOSE = 0.85
"""How alike two names are (difflib's ratio) for one to be a slip of the other."""

PLATFORM_PREFIXES = (
    "APPINSIGHTS_", "APPLICATIONINSIGHTS_", "AZURE_", "AzureFunctions", "AzureWebJobs", "COREMACHINE_", "FUNCTIONS_",
    "OTEL_", "PYTHON", "SCM_", "SERVICE_BUS_CONNECTION__", "WEBSITE_",
)  # fmt: skip
"""Of the Functions host, Azure's SDKs, and our own command line."""

BUS, BUS_HOST, TRIGGER_HOST = (
    "SERVICE_BUS_CONNECTION",
    "SERVICE_BUS_FQDN",
    "SERVICE_BUS_CONNECTION__fullyQualifiedNamespace",
)
DATABASE, DATABASE_HOST = "DATABASE_URL", "POSTGRES_HOST"
STORAGE, STORAGE_URL = "AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_ACCOUNT_URL"
NAMING = frozenset({BUS, BUS_HOST, TRIGGER_HOST, DATABASE, DATABASE_HOST, STORAGE, STORAGE_URL})


def invalid_values(facts: Facts) -> Iterator[Finding]:
    for line in (*facts.settings.invalid, *_refused(facts.settings.settings)):
        name, _, problem = line.partition(": ")
        yield error(
            Code.SETTING_INVALID,
            name,
            f"{problem or 'it cannot be'}: the processes do not start with it",
            f"give {name} another value, or leave it out for its default",
        )


def _refused(settings: Settings) -> Iterator[str]:
    """What a process says of settings when it makes something of them."""
    for make in (_fetch_hosts, *(_BY_CALL if settings.calls_worker else ())):
        try:
            make(settings)
        except SettingsInvalid as refused:
            yield refused.message


def _fetch_hosts(settings: Settings) -> None:
    FetchHosts.parsed(settings.fetch_hosts, settings.fetch_networks)


def _worker_url(settings: Settings) -> None:
    worker_url(settings.docker_worker_url)


def _trigger_keys(settings: Settings) -> None:
    SigningKeys.from_settings(settings)


_BY_CALL = (_worker_url, _trigger_keys)
"""Of the mode in which functions call the worker."""


def settings_file(facts: Facts) -> Iterator[Finding]:
    if facts.settings.file_problem is not None:
        yield error(
            Code.SETTINGS_FILE_INVALID,
            FILE,
            f"{facts.settings.file_problem}; what runs here has none of its values",
            f"mend {FILE}, or remove it: 'python -m local up' makes one from the example",
        )


def unknown_names(facts: Facts) -> Iterator[Finding]:
    """In the file every name that nobody reads; in the environment, which is others' too, those like one of ours."""
    known = set(Settings.names())
    for name in facts.settings.file_names:
        if (name not in known and not name.startswith(PLATFORM_PREFIXES)) or _is_slip(name, known):
            yield _unknown(name, FILE, _nearest(name, known))
    for name in facts.settings.environment_names:
        if name not in facts.settings.file_names and _is_slip(name, known):
            yield _unknown(name, "the environment", _nearest(name, known))


def _is_slip(name: str, known: set[str]) -> bool:
    return name not in known and _nearest(name, known) is not None and "__" not in name


def _nearest(name: str, known: set[str]) -> str | None:
    found = get_close_matches(name.upper(), sorted(known), n=1, cutoff=CLOSE)
    return found[0] if found else None


def _unknown(name: str, where: str, nearest: str | None) -> Finding:
    fix = f"rename it to {nearest}" if nearest else f"remove it from {where}"
    return warning(Code.SETTING_UNKNOWN, name, f"there is no such setting; {where} sets it, and nobody reads it", fix)


def services_named(facts: Facts) -> Iterator[Finding]:
    given = facts.settings.named.given
    if {BUS, BUS_HOST} <= given:
        yield error(
            Code.BUS_NAMED_TWICE,
            f"{BUS}, {BUS_HOST}",
            "both name a bus, and the processes refuse to choose",
            f"leave out {BUS} to sign in with an identity, or {BUS_HOST} to sign in with the key",
        )
    for code, first, second in (
        (Code.DATABASE_NAMED_TWICE, DATABASE, DATABASE_HOST),
        (Code.STORAGE_NAMED_TWICE, STORAGE, STORAGE_URL),
    ):
        if {first, second} <= given:
            problem = f"{first} is used and {second} ignored"
            yield warning(
                code, f"{first}, {second}", problem, f"leave out the one that is not meant, {second} or {first}"
            )
    for code, what, names in (
        (Code.BUS_NOT_NAMED, "bus", (BUS, BUS_HOST)),
        (Code.DATABASE_NOT_NAMED, "database", (DATABASE, DATABASE_HOST)),
        (Code.STORAGE_NOT_NAMED, "storage account", (STORAGE, STORAGE_URL)),
    ):
        if not given.intersection(names):
            yield _not_named(facts, code, what, names)


def _not_named(facts: Facts, code: Code, what: str, names: tuple[str, str]) -> Finding:
    fix = f"set {names[0]} or {names[1]}"
    if facts.machine.in_azure:
        return error(code, " or ".join(names), f"no {what} is named, and the app does not start without", fix)
    problem = f"no {what} is named: 'python -m local up' runs one of its own, and it was not looked at"
    return note(code, " or ".join(names), problem, f"start the stack, or {fix}")


def trigger_connection(facts: Facts) -> Iterator[Finding]:
    """The host's triggers read ``SERVICE_BUS_CONNECTION`` with or without ``__fullyQualifiedNamespace``."""
    named = facts.settings.named
    if BUS_HOST in named.given and not {BUS, TRIGGER_HOST} & named.given:
        yield error(
            Code.TRIGGER_CONNECTION_MISSING,
            TRIGGER_HOST,
            f"{BUS_HOST} names the bus to our code alone: the triggers of the queues do not start",
            f"set {TRIGGER_HOST} to {named.bus_fqdn}",
        )
    ours, triggers = named.bus_host or named.bus_fqdn, named.trigger_fqdn
    if ours and triggers and _host(ours) != _host(triggers):
        yield error(
            Code.TRIGGER_CONNECTION_DIFFERS,
            TRIGGER_HOST,
            f"the triggers listen at {triggers}, and our code sends to {ours}: messages are sent that nobody receives",
            f"set {TRIGGER_HOST} to {_host(ours)}",
        )


def _host(address: str) -> str:
    return address.rpartition(":")[0].lower() if ":" in address else address.lower()


def queue_names(facts: Facts) -> Iterator[Finding]:
    settings = facts.settings.settings
    names = {
        "JOBS_QUEUE": settings.jobs_queue,
        "TASKS_QUEUE": settings.tasks_queue,
        "LONG_RUNNING_QUEUE": settings.long_running_queue,
    }
    if len(set(names.values())) < len(names):
        shared = next(queue for queue in names.values() if list(names.values()).count(queue) > 1)
        about = ", ".join(name for name, queue in names.items() if queue == shared)
        problem = (
            f"all are {shared!r}: triggers and worker take each other's messages, so a long task ends at the timeout"
        )
        yield error(Code.QUEUES_SHARED, about, problem, "give each a queue of its own")


def secrets(facts: Facts) -> Iterator[Finding]:
    for place in facts.files.secrets:
        yield error(
            Code.SECRET_IN_WRONG_FILE,
            f"{place.file}, line {place.line}",
            f"{place.kind} is in a file that is committed and published: whoever reads the repository has it",
            f"move it to {FILE} or the app's settings, and have it replaced: history keeps what was committed",
        )
    if facts.files.settings_tracked:
        yield error(
            Code.SETTINGS_FILE_TRACKED,
            FILE,
            "git tracks it, so its keys are committed",
            f"git rm --cached {FILE}, and have the keys in it replaced where it was pushed",
        )
    if facts.files.settings_readable:
        yield Finding(
            Code.SETTINGS_FILE_READABLE,
            Severity.WARNING,
            FILE,
            "other users of this machine can read the keys in it",
            f"chmod 600 {FILE}",
        )


SETTINGS = (
    invalid_values,
    settings_file,
    unknown_names,
    services_named,
    trigger_connection,
    queue_names,
    secrets,
)
