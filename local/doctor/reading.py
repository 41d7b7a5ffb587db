"""Facts that are files and variables: settings, host.json, where secrets lie. Nothing is connected to."""

from __future__ import annotations

import json
import re
import stat
import subprocess
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from infrastructure.settings import Settings, SettingsInvalid
from local.doctor.checks.settings import BUS, BUS_HOST, NAMING, TRIGGER_HOST
from local.doctor.facts import FilesFact, HostFact, NamedFact, SecretPlace, SettingsFact
from local.errors import HostFileInvalid
from local.errors import SettingsInvalid as FileInvalid
from local.functions_host.host_file import parse_host_settings
from local.functions_host.host_service_bus import OLD_BLOCKS
from local.settings_file import EXAMPLE_NAME, FILE_NAME, LocalSettings, read_settings_file

OVERRIDE = "AzureFunctionsJobHost__"
PUBLISHED = ("host.json", EXAMPLE_NAME, ".env.example")
GIT_SECONDS = 5.0

_WELL_KNOWN = re.compile(
    r"AccountName=devstoreaccount1|UseDevelopmentEmulator=true|UseDevelopmentStorage=true", re.IGNORECASE
)
_SECRETS = (
    ("a storage account's key", re.compile(r"AccountKey=[A-Za-z0-9+/]{40,}")),
    ("a Service Bus key", re.compile(r"SharedAccessKey=[A-Za-z0-9+/]{20,}")),
    ("a signature", re.compile(r"\bsig=[A-Za-z0-9%+/]{20,}")),
    ("a function key", re.compile(r'"(?:master|default)"\s*:\s*"[A-Za-z0-9_=/+-]{20,}"')),
    ("a password", re.compile(r'"[A-Z_]*(?:PASSWORD|SECRET|TOKEN)"\s*:\s*"(?![<$%{.])[^"]{4,}"')),
)
_URL = re.compile(r"postgres(?:ql)?://[^\s:/@\"]*:([^\s@\"]+)@([^\s:/\"]+)")
_PLACEHOLDER = re.compile(r"[<$%{*.].*|pass(word|wd)?|postgres|secret|user|x+", re.IGNORECASE)


def read_settings(
    file: Path, environment: Mapping[str, str], stack: Mapping[str, str]
) -> tuple[SettingsFact, dict[str, str]]:
    """The facts, and the variables as the processes have them: a running stack's first, then the environment's."""
    found, problem = _file(file)
    merged = {**found.values, **environment, **stack}
    settings, invalid = _lenient(merged)
    fact = SettingsFact(
        settings=settings,
        invalid=invalid,
        file_problem=problem,
        file_names=tuple(sorted(found.values)),
        environment_names=tuple(sorted(environment)),
        named=_named(merged),
        threads=merged.get("PYTHON_THREADPOOL_THREAD_COUNT"),
        processes=merged.get("FUNCTIONS_WORKER_PROCESS_COUNT"),
        init_indexing=merged.get("PYTHON_ENABLE_INIT_INDEXING"),
    )
    return fact, merged


def _file(path: Path) -> tuple[LocalSettings, str | None]:
    try:
        return read_settings_file(path), None
    except FileInvalid as error:
        return LocalSettings(), str(error)


def _lenient(environment: Mapping[str, str]) -> tuple[Settings, tuple[str, ...]]:
    """The settings without the values that cannot be, and a line for each of those."""
    given = {name: value for name, value in environment.items() if name in Settings.names()}
    lines: dict[str, str] = {}
    while True:
        try:
            return Settings.from_environment(given), tuple(lines.values())
        except SettingsInvalid as error:
            bad = dict(_problems(error))
            lines |= {name: f"{name}: {problem}" for name, problem in bad.items()}
            given = _without(given, bad)


def _without(given: Mapping[str, str], bad: Collection[str]) -> dict[str, str]:
    """Less than ``given``: a default that is bad is so because of a setting beside it, as a minimum is above it."""
    left = {name: value for name, value in given.items() if name not in bad}
    if len(left) == len(given):
        families = {name.rpartition("_")[0] for name in bad}
        left = {name: value for name, value in given.items() if name.rpartition("_")[0] not in families}
    return left if len(left) < len(given) else {}


def _problems(error: SettingsInvalid) -> Iterator[tuple[str, str]]:
    """Name and problem, without the value."""
    if isinstance(error.__cause__, ValidationError):
        for found in error.__cause__.errors(include_url=False, include_context=False, include_input=False):
            name = str(found["loc"][0] if found["loc"] else "")
            field = Settings.model_fields.get(name)
            yield (name if field is None else str(field.alias)), found["msg"]


def _named(merged: Mapping[str, str]) -> NamedFact:
    given = frozenset(name for name in NAMING if merged.get(name, "").strip())
    return NamedFact(
        given,
        bus_host=_endpoint(merged.get(BUS, "")),
        bus_fqdn=merged.get(BUS_HOST, "").strip(),
        trigger_fqdn=merged.get(TRIGGER_HOST, "").strip(),
    )


def _endpoint(connection: str) -> str:
    """Host, and port where there is one, of a connection string; empty where it has none."""
    parts = (piece.partition("=") for piece in connection.split(";"))
    endpoint = next((value for name, _, value in parts if name.strip().lower() == "endpoint"), "")
    with suppress(ValueError):
        return urlsplit(endpoint).netloc.rpartition("@")[2]
    return ""


def read_host(path: Path, environment: Mapping[str, str]) -> HostFact:
    try:
        document = json.loads(path.read_text("utf-8-sig"))
    except FileNotFoundError:
        return HostFact("there is none; a function app needs its host.json")
    except OSError as error:
        return HostFact(f"it cannot be read: {error.strerror}")
    except (ValueError, RecursionError) as error:
        return HostFact(f"this is not JSON: {error}")
    return host_fact(document, environment)


def host_fact(document: object, environment: Mapping[str, str]) -> HostFact:
    """What the host makes of its file and of the variables that override it."""
    if not isinstance(document, dict):
        return HostFact("it must be a JSON object")
    whole = overridden(document, environment)
    block = _object(_object(whole.get("extensions")).get("serviceBus"))
    outdated = tuple(name for name in block if name in OLD_BLOCKS)
    for name in outdated:
        del block[name]
    bundle = _object(whole.get("extensionBundle"))
    try:
        settings = parse_host_settings(whole)
    except HostFileInvalid as error:
        return HostFact(str(error).removeprefix("host.json: "), outdated=outdated)
    bus, timeout = settings.service_bus, settings.function_timeout
    return HostFact(
        function_timeout=None if timeout is None else timeout.total_seconds(),
        bundle_id=str(bundle.get("id", "")),
        bundle_version=str(bundle.get("version", "")),
        calls=bus.max_concurrent_calls if "maxConcurrentCalls" in block else None,
        prefetch=bus.prefetch_count,
        completes=bus.auto_complete,
        renewal=bus.max_lock_renewal.total_seconds(),
        outdated=outdated,
    )


def overridden(document: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """A copy with what ``AzureFunctionsJobHost__a__b`` says in the place of ``a.b`` (the reference of host.json)."""
    copy: dict[str, Any] = json.loads(json.dumps(document))
    for name, value in environment.items():
        if name.lower().startswith(OVERRIDE.lower()):
            _set(copy, name[len(OVERRIDE) :].split("__"), value)
    return copy


def _set(target: dict[str, Any], path: list[str], value: str) -> None:
    key = next((known for known in target if known.lower() == path[0].lower()), path[0])
    if len(path) == 1:
        target[key] = _typed(value)
        return
    if not isinstance(target.get(key), dict):
        target[key] = {}
    _set(target[key], path[1:], value)


def _typed(value: str) -> object:
    if value.lower() in {"true", "false"}:
        return value.lower() == "true"
    return int(value) if re.fullmatch(r"\d{1,9}", value) else value


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def read_files(root: Path) -> FilesFact:
    secrets = tuple(place for name in PUBLISHED for place in _scan(root / name))
    return FilesFact(secrets, _is_tracked(root), _is_readable(root / FILE_NAME))


def secrets_in(text: str) -> Iterator[tuple[int, str]]:
    """Line and kind of what looks like a real secret: neither a placeholder, nor a key that all the world knows."""
    for number, line in enumerate(text.splitlines(), 1):
        if _WELL_KNOWN.search(line):
            continue
        yield from ((number, kind) for kind, pattern in _SECRETS if pattern.search(line))
        for password, host in _URL.findall(line):
            if not _PLACEHOLDER.fullmatch(password) and host not in {"localhost", "127.0.0.1"}:
                yield number, "a database's password"


def _scan(path: Path) -> Iterator[SecretPlace]:
    with suppress(OSError):
        text = path.read_text("utf-8", errors="replace")
        yield from (SecretPlace(path.name, line, kind) for line, kind in secrets_in(text))


def _is_tracked(root: Path) -> bool:
    command = ["git", "-C", str(root), "ls-files", "--error-unmatch", "--", FILE_NAME]
    try:
        done = subprocess.run(command, capture_output=True, timeout=GIT_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _is_readable(path: Path) -> bool:
    with suppress(OSError):
        return bool(path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))
    return False
