"""The backend on real servers: PostgreSQL, the emulator over AMQP, Azurite over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

import pytest

from core.context import StopSignal
from core.errors import BusMisconfigured, BusUnavailable, StoreUnavailable, TransientError
from core.model import OutboundMessage, RunStatus
from core.operations import JobOperations
from core.ports import ReceivedMessage
from core.worker import Worker
from infrastructure.backend import Backend
from infrastructure.settings import Settings, SettingsInvalid
from infrastructure.wiring import build_backend
from local.azurite import Azurite
from testing.ocr_engines import ReadsText, always
from testing.service_bus_emulator.broker.rules import QueueRules
from testing.service_bus_emulator.running import RunningEmulator, run_emulator
from tests.support.postgres import Database

RULES = QueueRules(duplicate_window=timedelta(minutes=10))
QUEUES = {"jobs": RULES, "tasks": RULES, "long-running-tasks": RULES}
AWAY = "127.0.0.1:1"
BUS_AWAY = f"Endpoint=sb://{AWAY};SharedAccessKeyName=n;SharedAccessKey=Zm9v;UseDevelopmentEmulator=true"


@pytest.fixture(scope="module")
def emulator() -> Iterator[RunningEmulator]:
    with run_emulator(QUEUES) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def azurite() -> Iterator[Azurite]:
    with Azurite() as azurite:
        yield azurite


@pytest.fixture
def environment(postgres_database: Database, emulator: RunningEmulator, azurite: Azurite) -> dict[str, str]:
    return {
        "DATABASE_URL": postgres_database.url,
        "SERVICE_BUS_CONNECTION": emulator.connection_string,
        "AZURE_STORAGE_CONNECTION_STRING": azurite.connection_string,
    }


def backend_of(environment: dict[str, str]) -> Backend:
    return build_backend(Settings.from_environment(environment), always(ReadsText(["text"])))


@pytest.fixture
def backend(environment: dict[str, str]) -> Iterator[Backend]:
    with backend_of(environment) as backend:
        yield backend


def ended(backend: Backend, job: str) -> bool:
    return JobOperations(backend.request_machine()).status(job).run.ended


def work_off(backend: Backend, jobs: Iterable[str]) -> None:
    """Until they have ended."""
    with Worker(backend.worker_machine(), backend.bus, backend.queues.all(), lambda _: None) as worker:
        for job in jobs:
            while not ended(backend, job):
                worker.step(StopSignal())


def test_jobs_that_threads_submit_at_once_all_complete(backend: Backend) -> None:
    def submit(number: int) -> str:
        return backend.request_machine().submit("hello_world", {"n": 2, "message": f"m{number}"}).run.job_id

    with ThreadPoolExecutor(8) as pool:
        jobs = list(pool.map(submit, range(24)))
    work_off(backend, jobs)

    statuses = [JobOperations(backend.request_machine()).status(job).run.status for job in jobs]
    assert len(set(jobs)) == 24
    assert statuses == [RunStatus.COMPLETED] * 24


def test_messages_are_processed_through_the_triggers_by_many_threads(backend: Backend) -> None:
    job = backend.request_machine().submit("hello_world", {"n": 30, "message": "by triggers"}).run.job_id
    triggers = {queue: backend.queue_trigger(queue) for queue in backend.queues.all()}

    @dataclass
    class Message:
        message_id: str
        label: str
        body: bytes

        def get_body(self) -> bytes:
            return self.body

    with ThreadPoolExecutor(8) as pool:
        while not ended(backend, job):
            received = [one for queue in triggers for one in backend.bus.receive(queue, 50)]
            done = pool.map(
                lambda one: triggers[one.queue](Message(one.message_id, one.message_type, one.body)), received
            )
            assert all(one is None for one in done)
            for one in received:
                backend.bus.complete(one)

    result = JobOperations(backend.request_machine()).result(job)
    assert result.status is RunStatus.COMPLETED
    assert json.loads(result.result_json or "") == {"greetings": 30, "replies": 30, "failed": 0}


def test_a_body_over_the_tiers_limit_goes_by_a_blob_and_comes_back_whole(backend: Backend) -> None:
    body = b'{"stranger": "' + b"x" * backend.settings.service_bus_max_message_bytes + b'"}'
    backend.bus.send([OutboundMessage("tasks", "large", "task", body)])

    received: Sequence[ReceivedMessage] = ()
    while not received:
        received = backend.bus.receive("tasks", 10)
    for one in received:
        backend.bus.complete(one)

    assert [one.body for one in received] == [body]
    assert list(backend.blobs.names("claims/")) != []


def test_everything_answers_when_it_is_there(backend: Backend) -> None:
    for name, check in backend.checks().items():
        check()
        assert name in {"database", "service_bus", "storage"}


def test_providers_say_where_and_nothing_secret(backend: Backend, environment: dict[str, str]) -> None:
    shown = json.dumps(backend.providers())

    assert "PostgresStateStore" in shown
    assert "AzureServiceBus" in shown
    assert "AzureBlobStore" in shown
    for secret in ("SharedAccessKey", "AccountKey", environment["AZURE_STORAGE_CONNECTION_STRING"]):
        assert secret not in shown


@pytest.mark.parametrize(
    ("name", "value", "check", "error"),
    [
        ("DATABASE_URL", f"postgresql://u:p@{AWAY}/none", "database", StoreUnavailable),
        ("SERVICE_BUS_CONNECTION", BUS_AWAY, "service_bus", BusUnavailable),
    ],
)
def test_a_part_that_is_away_fails_its_own_check_alone(
    environment: dict[str, str], name: str, value: str, check: str, error: type[TransientError]
) -> None:
    away = {name: value, "DATABASE_POOL_TIMEOUT_SECONDS": "2", "DATABASE_CONNECT_TIMEOUT_SECONDS": "2"}
    with backend_of(environment | away) as backend:
        checks = dict(backend.checks())
        failing = checks.pop(check)
        for other in checks.values():
            other()
        with pytest.raises(error):
            failing()


@pytest.mark.parametrize("name", ["DATABASE_URL", "AZURE_STORAGE_CONNECTION_STRING", "SERVICE_BUS_CONNECTION"])
def test_settings_that_name_nothing_are_refused_before_anything_connects(
    environment: dict[str, str], name: str
) -> None:
    with pytest.raises((SettingsInvalid, BusMisconfigured), match=name.partition("_")[0]):
        backend_of(environment | {name: ""})


def test_timers_find_nothing_to_do_in_a_new_database(backend: Backend) -> None:
    backend.reconcile()
    backend.collect_dead_letters()
    backend.sweep()
    backend.retire()


def test_refreshing_the_tokens_replaces_the_connections_of_the_database(environment: dict[str, str]) -> None:
    def session(backend: Backend) -> object:
        with backend.pool.connection() as connection:
            return connection.execute("SELECT pg_backend_pid()").fetchall()

    with backend_of({**environment, "DOCKER_DB_POOL_MIN": "0", "DOCKER_DB_POOL_MAX": "1"}) as backend:
        before = session(backend)
        assert session(backend) == before
        backend.tokens.refresh()
        assert session(backend) != before


def test_all_clients_sign_in_with_the_one_credential_of_the_process() -> None:
    settings = Settings.from_environment(
        {
            "POSTGRES_HOST": "engine.postgres.database.azure.com",
            "DATABASE_AUTH": "entra",
            "SERVICE_BUS_FQDN": "engine.servicebus.windows.net",
            "AZURE_STORAGE_ACCOUNT_URL": "https://engine.blob.core.windows.net",
        }
    )
    with build_backend(settings, always(ReadsText(["text"]))) as backend:
        assert backend.pool.source.credential is backend.tokens
        assert backend.service_bus._connection._credential is backend.tokens
        assert backend.blobs._service.credential is backend.tokens
        assert backend.tokens.states() == []
