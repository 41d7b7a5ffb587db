"""A job through this repository's app, trigger by trigger, as the real worker runs it.

The worker is given what a host would give it: requests over HTTP streams, the messages that the app itself put on the
emulator's queues, and timers that are due. The database, the broker and the storage are real servers.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.functions.meta import Datum
from azure.servicebus import ServiceBusClient, ServiceBusReceiver

from local.azurite import Azurite
from local.functions_host.schedule import parse_schedule
from local.functions_host.service_bus_message import trigger_data, trigger_metadata
from local.functions_host.timers import first_state, timer_info
from testing.service_bus_emulator.broker.rules import QueueRules
from testing.service_bus_emulator.running import run_emulator
from tests.support.fixture_apps import ROOT, indexed_app
from tests.support.functions_runtime import FIRST_PYTHON, NOT_APPLICABLE, FunctionsRuntime, loaded_runtime
from tests.support.postgres import Database

pytestmark = pytest.mark.skipif(sys.version_info < FIRST_PYTHON, reason=NOT_APPLICABLE)

TRIGGERS = {"jobs": "jobs_queue", "tasks": "tasks_queue"}
GOES_ON = ("queued", "processing")
API = "http://localhost/api"


@pytest.fixture
def environment(postgres_database: Database) -> Iterator[dict[str, str]]:
    rules = QueueRules(duplicate_window=timedelta(minutes=10))
    queues = dict.fromkeys([*TRIGGERS, "long-running-tasks"], rules)
    with run_emulator(queues) as emulator, Azurite() as azurite:
        yield {
            "DATABASE_URL": postgres_database.url,
            "SERVICE_BUS_CONNECTION": emulator.connection_string,
            "AZURE_STORAGE_CONNECTION_STRING": azurite.connection_string,
            "ENABLE_TEST_ENDPOINTS": "true",
        }


@pytest.fixture
def runtime(environment: dict[str, str]) -> Iterator[FunctionsRuntime]:
    with loaded_runtime(ROOT, environment) as runtime:
        yield runtime


@contextmanager
def receivers(connection: str) -> Iterator[dict[str, ServiceBusReceiver]]:
    with ServiceBusClient.from_connection_string(connection) as client, ExitStack() as stack:
        yield {name: stack.enter_context(client.get_queue_receiver(name)) for name in TRIGGERS}


def work_off(runtime: FunctionsRuntime, queues: dict[str, ServiceBusReceiver], job: str) -> int:
    """Until the job has ended; how many messages there were."""
    count = 0
    while status_of(runtime, job)["status"] in GOES_ON:
        for name, receiver in queues.items():
            for message in receiver.receive_messages(20, max_wait_time=0.5):
                runtime.invoke(TRIGGERS[name], trigger_data(message), trigger_metadata(message))
                receiver.complete_message(message)
                count += 1
    return count


def status_of(runtime: FunctionsRuntime, job: str) -> Any:
    answer = runtime.invoke_http("jobs_status", url=f"{API}/jobs/status/{job}", route_params={"job_id": job})
    assert answer.status == 200
    return json.loads(answer.body)


def test_the_worker_and_the_local_host_index_the_same(
    runtime: FunctionsRuntime, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    local = {
        function.name: [dict(binding.properties) for binding in function.bindings] for function in indexed_app(ROOT)
    }
    assert {one.name: [json.loads(text) for text in one.raw_bindings] for one in runtime.functions} == local
    assert runtime.http_uri is not None


def test_a_job_runs_from_its_request_to_its_end(runtime: FunctionsRuntime, environment: dict[str, str]) -> None:
    with receivers(environment["SERVICE_BUS_CONNECTION"]) as queues:
        submitted = runtime.invoke_http(
            "jobs_submit",
            method="POST",
            url=f"{API}/jobs/submit/hello_world",
            route_params={"job_type": "hello_world"},
            headers={"content-type": "application/json"},
            body=json.dumps({"params": {"n": 3, "message": "by the worker"}}).encode(),
        )
        assert submitted.status == 202
        job = json.loads(submitted.body)["job_id"]
        assert status_of(runtime, job)["status"] in GOES_ON
        assert work_off(runtime, queues, job) >= 7  # the job, three greetings, three replies
    ended = status_of(runtime, job)
    assert (ended["status"], ended["percent"]) == ("completed", 100)


@pytest.mark.parametrize("timer", ["reconcile", "collect_dead_letters", "retire"])
def test_the_timers_run(runtime: FunctionsRuntime, timer: str) -> None:
    state = first_state(parse_schedule("0 * * * * *"), datetime(2026, 1, 1, tzinfo=UTC))
    runtime.invoke(timer, Datum(type="json", value=timer_info(state, past_due=False)))


def test_it_is_alive_and_runs_the_harness(runtime: FunctionsRuntime) -> None:
    assert runtime.invoke_http("livez", url=f"{API}/livez").status == 200
    answer = runtime.invoke_http(
        "test_execute",
        method="POST",
        url=f"{API}/test/execute/hello_world_greeting",
        route_params={"task_type": "hello_world_greeting"},
        body=b'{"params": {"index": 0, "message": "Hello!"}}',
    )
    assert (answer.status, json.loads(answer.body)["success"]) == (200, True)
