"""The facts of an installation that nothing is wrong with, and ways to spoil it."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

from infrastructure.settings import Settings
from local.doctor.checks.host import BUNDLE
from local.doctor.facts import (
    BusTold,
    DatabaseTold,
    Facts,
    HandlerFact,
    HostFact,
    MachineFact,
    NamedFact,
    Offset,
    QueueTold,
    SchemaCurrent,
    SettingsFact,
    StorageTold,
)

EXACT = Offset(0.0, 0.0)
GIVEN = frozenset({"SERVICE_BUS_CONNECTION", "DATABASE_URL", "AZURE_STORAGE_CONNECTION_STRING"})


KEY = base64.b64encode(bytes(range(32))).decode("ascii")
KEYS = {"PORTAL_KEYS": f"2026={KEY}", "DOCUMENT_PASSWORD_KEYS": KEY}


def queue(name: str, **changes: Any) -> QueueTold:
    sound = QueueTold(
        queue=name,
        lock=60.0,
        deliveries=10,
        duplicate_window=600.0,
        time_to_live=None,
        max_message_bytes=262_144,
        sessions=False,
        status="Active",
        dead_letters=0,
    )
    return replace(sound, **changes)


QUEUES = (queue("jobs"), queue("tasks"), queue("long-running-tasks"))


def sound() -> Facts:
    return Facts(
        settings=SettingsFact(
            settings=settings(DOCKER_DB_POOL_MAX="16"),
            file_names=("DATABASE_URL", "AzureWebJobsStorage", "PYTHON_THREADPOOL_THREAD_COUNT"),
            environment_names=("PATH", "HOME", "PGHOST", "POSTGRES_INITDB_ARGS"),
            named=NamedFact(GIVEN, bus_host="one.servicebus.windows.net"),
            threads="20",
            processes="1",
            init_indexing="1",
        ),
        host=HostFact(
            function_timeout=600.0,
            bundle_id=BUNDLE,
            bundle_version="[4.*, 5.0.0)",
            calls=8,
            renewal=900.0,
        ),
        handlers=(
            HandlerFact("quick", 10.0, long_running=False),
            HandlerFact("slow", 300.0, long_running=False),
            HandlerFact("long", 86_400.0, long_running=True),
        ),
        machine=MachineFact(python=(3, 11), cores=2, free_bytes=(("/", 10**11),)),
        database=DatabaseTold(18, "UTF8", 97, EXACT, SchemaCurrent()),
        bus=BusTold("one.servicebus.windows.net", QUEUES, EXACT),
        storage=StorageTold("https://one.blob.core.windows.net/coremachine", EXACT, frozenset({"2026"})),
    )


def settings(**given: str) -> Settings:
    return Settings.from_environment(KEYS | given)


def with_settings(**changes: Any) -> Facts:
    facts = sound()
    return replace(facts, settings=replace(facts.settings, **changes))


def with_named(**changes: Any) -> Facts:
    return with_settings(named=replace(sound().settings.named, **changes))


def with_host(**changes: Any) -> Facts:
    facts = sound()
    return replace(facts, host=replace(facts.host, **changes))


def with_machine(**changes: Any) -> Facts:
    facts = sound()
    return replace(facts, machine=replace(facts.machine, **changes))


def with_queue(name: str = "tasks", **changes: Any) -> Facts:
    """One of the queues changed, or replaced by the ``fact`` among the changes."""
    facts = sound()
    fact = changes.pop("fact", None) or queue(name, **changes)
    queues = tuple(fact if found.queue == name else found for found in QUEUES)
    return replace(facts, bus=BusTold("one.servicebus.windows.net", queues, EXACT))


def with_database(**changes: Any) -> Facts:
    facts = sound()
    assert isinstance(facts.database, DatabaseTold)
    return replace(facts, database=replace(facts.database, **changes))
