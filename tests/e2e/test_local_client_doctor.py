"""The doctor's looks at real services: PostgreSQL, the Service Bus emulator, Azurite, and what is none of them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from core.errors import BusMisconfigured
from infrastructure.service_bus.bus import AzureServiceBus
from infrastructure.service_bus.properties import PropertiesUnavailable, QueueMissing, QueueProperties
from infrastructure.settings import Settings
from local.azurite import Azurite
from local.doctor import probes
from local.doctor.facts import (
    BusTold,
    DatabaseTold,
    QueueAbsent,
    QueueTold,
    QueueUntold,
    SchemaCurrent,
    SchemaOlder,
    SchemaOther,
    SchemaUnknown,
    StorageTold,
    Unreachable,
)
from testing.service_bus_emulator.broker.rules import QueueRules
from testing.service_bus_emulator.running import RunningEmulator, run_emulator
from tests.support.postgres import Database

pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")

ROOT = Path(__file__).resolve().parents[2]
QUEUES = {name: QueueRules(lock_duration=timedelta(seconds=60)) for name in ("jobs", "tasks", "long-running-tasks")}


def settings(**given: str) -> Settings:
    return Settings.from_environment(given)


def execute(database: Database, statement: LiteralString) -> None:
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute(statement)


def asked(database: Database) -> DatabaseTold:
    found = probes.database(settings(DATABASE_URL=database.url))
    assert isinstance(found, DatabaseTold)
    return found


def test_a_database_that_is_as_it_should_be(postgres_database: Database) -> None:
    found = asked(postgres_database)

    assert (found.encoding, found.schema) == ("UTF8", SchemaCurrent())
    assert found.major >= 15
    assert found.connections > 0
    assert abs(found.offset.seconds) <= found.offset.within + 1


def test_a_database_without_our_tables_lacks_migrations(blank_postgres_database: Database) -> None:
    schema = asked(blank_postgres_database).schema

    assert isinstance(schema, SchemaOlder)
    assert schema.missing >= 1


def test_a_database_of_newer_code_is_told(own_postgres_database: Database) -> None:
    execute(
        own_postgres_database,
        "INSERT INTO coremachine.schema_migrations (version, name, sha256) VALUES (9999, '9999_later', '')",
    )
    schema = asked(own_postgres_database).schema

    assert isinstance(schema, SchemaOther)
    assert "9999_later" in schema.reason


def test_a_user_who_may_not_look_is_told(postgres_database: Database) -> None:
    url = make_conninfo(postgres_database.url, options="-c role=pg_monitor")
    found = probes.database(settings(DATABASE_URL=url))

    assert isinstance(found, DatabaseTold)
    assert isinstance(found.schema, SchemaUnknown)


@pytest.mark.parametrize(
    "url", ["postgresql://u:s3cret-word@127.0.0.1:1/x", "postgresql://u:s3cret-word@[", "nonsense"]
)
def test_a_database_that_is_not_there_is_unreachable_without_its_password(url: str) -> None:
    found = probes.database(settings(DATABASE_URL=url))

    assert isinstance(found, Unreachable)
    assert "s3cret-word" not in found.reason


@pytest.fixture(scope="module")
def emulator() -> Iterator[RunningEmulator]:
    with run_emulator(QUEUES) as running:
        yield running


def bus(emulator: RunningEmulator, **given: str) -> BusTold:
    found = probes.bus(settings(SERVICE_BUS_CONNECTION=emulator.connection_string, **given))
    assert isinstance(found, BusTold)
    return found


def test_letters_that_were_written_down_are_counted_until_they_are_sent_again(own_postgres_database: Database) -> None:
    execute(
        own_postgres_database,
        "INSERT INTO coremachine.dead_letters"
        " (queue, message_id, message_type, body, reason, description, recorded_at, replays)"
        " SELECT 'jobs', i::text, '', '', '', '', now(), (i = 3)::int FROM generate_series(1, 3) AS i",
    )

    assert asked(own_postgres_database).letters == 2


def test_where_no_letters_can_be_read_none_are_counted(blank_postgres_database: Database) -> None:
    assert asked(blank_postgres_database).letters == 0


def test_the_queues_of_an_emulator_are_told_by_it(emulator: RunningEmulator) -> None:
    found = bus(emulator)

    assert [queue.queue for queue in found.queues if isinstance(queue, QueueTold)] == list(QUEUES)
    assert found.offset is None


def test_a_queue_that_is_not_there_is_absent_and_hides_no_other(emulator: RunningEmulator) -> None:
    found = bus(emulator, TASKS_QUEUE="none-such")

    assert QueueAbsent("none-such") in found.queues
    assert sum(isinstance(queue, QueueTold) for queue in found.queues) == 2


def test_the_stack_tells_only_for_an_emulator_that_does_not(
    emulator: RunningEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = QueueTold("tasks", 60.0, 10, 300.0, None, None, sessions=False, status="Active", dead_letters=0)
    named = settings(SERVICE_BUS_CONNECTION=emulator.connection_string)
    asked = probes.bus(named, {"tasks": told})
    monkeypatch.setattr(
        AzureServiceBus, "queue_properties", lambda _, name: PropertiesUnavailable(name, BusMisconfigured("no"))
    )
    silent = probes.bus(named, {"tasks": told})

    assert isinstance(asked, BusTold)
    assert isinstance(silent, BusTold)
    assert told not in asked.queues
    assert told in silent.queues


def test_a_wrong_key_is_unreachable_without_the_key(emulator: RunningEmulator) -> None:
    parts = [part for part in emulator.connection_string.split(";") if not part.startswith("SharedAccessKey=")]
    wrong = ";".join([*parts, "SharedAccessKey=d3Jvbmcta2V5"])
    found = probes.bus(settings(SERVICE_BUS_CONNECTION=wrong))

    assert isinstance(found, Unreachable)
    assert "d3Jvbmcta2V5" not in found.reason


def test_a_bus_that_is_not_there_is_unreachable() -> None:
    text = "Endpoint=sb://127.0.0.1:1;SharedAccessKeyName=n;SharedAccessKey=azE=;UseDevelopmentEmulator=true"

    assert isinstance(probes.bus(settings(SERVICE_BUS_CONNECTION=text)), Unreachable)
    assert isinstance(probes.bus(settings(SERVICE_BUS_CONNECTION="rubbish")), Unreachable)


def test_what_the_management_side_says_is_taken_over() -> None:
    properties = QueueProperties(
        queue="tasks",
        lock_seconds=45.0,
        max_delivery_count=7,
        duplicate_window=600.0,
        time_to_live=None,
        max_message_bytes=262_144,
        dead_letters_expired=False,
        requires_session=True,
        status="Active",
        active=1,
        scheduled=2,
        dead_letters=3,
    )
    refused = PropertiesUnavailable("tasks", BusMisconfigured("no right"))

    assert probes._told(properties) == QueueTold("tasks", 45.0, 7, 600.0, None, 262_144, True, "Active", 3)
    assert probes._told(QueueMissing("tasks")) == QueueAbsent("tasks")
    assert probes._told(refused) == QueueUntold("tasks", "BUS_MISCONFIGURED: no right")


def test_a_storage_account_is_looked_at_with_its_clock() -> None:
    with Azurite() as azurite:
        found = probes.blobs(settings(AZURE_STORAGE_CONNECTION_STRING=azurite.connection_string))

    assert isinstance(found, StorageTold)
    assert found.offset is not None
    assert abs(found.offset.seconds) <= found.offset.within + 1


def test_a_storage_that_is_not_there_is_unreachable_without_its_key() -> None:
    text = "AccountName=a;AccountKey=c2VjcmV0LXdvcmQ=;BlobEndpoint=http://127.0.0.1:1/a"
    found = probes.blobs(settings(AZURE_STORAGE_CONNECTION_STRING=text))

    assert isinstance(found, Unreachable)
    assert "c2VjcmV0LXdvcmQ" not in found.reason


@contextmanager
def somebody_else() -> Iterator[int]:
    """Answers whatever comes with something that is no protocol of ours, and closes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ended = threading.Event()

        def serve() -> None:
            while not ended.is_set():
                connection, _ = listener.accept()
                with connection:
                    connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            ended.set()
            socket.create_connection(listener.getsockname()).close()
            thread.join()


def test_somebody_else_at_the_address_is_unreachable() -> None:
    with somebody_else() as port:
        bus_text = (
            f"Endpoint=sb://127.0.0.1:{port};SharedAccessKeyName=n;SharedAccessKey=azE=;UseDevelopmentEmulator=true"
        )
        account = f"AccountName=a;AccountKey=azE=;BlobEndpoint=http://127.0.0.1:{port}/a"
        found = [
            probes.database(settings(DATABASE_URL=f"postgresql://u@127.0.0.1:{port}/x")),
            probes.bus(settings(SERVICE_BUS_CONNECTION=bus_text)),
            probes.blobs(settings(AZURE_STORAGE_CONNECTION_STRING=account)),
        ]

    assert all(isinstance(one, Unreachable) for one in found), found


def test_what_an_sdk_logs_of_it_is_not_shown_besides() -> None:
    with somebody_else() as port:
        text = f"Endpoint=sb://127.0.0.1:{port};SharedAccessKeyName=n;SharedAccessKey=azE=;UseDevelopmentEmulator=true"
        done = subprocess.run(
            [sys.executable, "-m", "local", "doctor", "--json"],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={**os.environ, "SERVICE_BUS_CONNECTION": text},
            check=False,
        )

    assert (done.returncode, done.stderr) == (1, "")
    assert "BUS_UNREACHABLE" in done.stdout
