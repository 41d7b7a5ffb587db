"""The real language worker's logic takes the app: it indexes it, and invokes it trigger by trigger.

What a trigger is given is what the local host makes of the same message or time, so that both agree on it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from azure.functions.meta import Datum
from azure.servicebus import ServiceBusClient, ServiceBusMessage, ServiceBusReceivedMessage

from local.functions_host.app import FunctionsApplication, endpoint_routes
from local.functions_host.invocation import Invoker
from local.functions_host.routes import RouteTable
from local.functions_host.rules import validate
from local.functions_host.schedule import parse_schedule
from local.functions_host.server import serving
from local.functions_host.service_bus_message import function_message, trigger_data, trigger_metadata
from local.functions_host.timers import first_state, timer_info
from testing.service_bus_emulator.broker.rules import QueueRules
from testing.service_bus_emulator.running import run_emulator
from tests.support.fixture_apps import BASIC, ROOT, STREAMS, TRIGGERS, indexed_app
from tests.support.functions_runtime import FIRST_PYTHON, NOT_APPLICABLE, RuntimeRefused, loaded_runtime

pytestmark = pytest.mark.skipif(sys.version_info < FIRST_PYTHON, reason=NOT_APPLICABLE)


def test_the_worker_and_the_local_host_index_the_same_functions() -> None:
    local = {
        function.name: [dict(binding.properties) for binding in function.bindings] for function in indexed_app(BASIC)
    }
    with loaded_runtime(BASIC) as runtime:
        worker = {function.name: [json.loads(text) for text in function.raw_bindings] for function in runtime.functions}
    assert worker == local


def test_the_worker_invokes_a_sync_function() -> None:
    with loaded_runtime(BASIC) as runtime:
        answer = runtime.invoke_http(
            "echo", method="POST", route_params={"id": "7"}, query={"x": "1"}, headers={"X-A": "b"}, body=b"body"
        )
    seen = json.loads(answer.body)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert (seen["method"], seen["route_params"], seen["params"]) == ("POST", {"id": "7"}, {"x": "1"})
    assert (seen["headers"], seen["body"], seen["context"]["function_name"]) == ({"x-a": "b"}, "body", "echo")


def test_the_worker_invokes_an_async_function() -> None:
    with loaded_runtime(BASIC) as runtime:
        answer = runtime.invoke_http("awaited", route_params={"name": "ada"})
    assert (answer.status, answer.body) == (201, b"ada MainThread")


def test_the_worker_takes_a_text_and_refuses_a_function_that_returns_nothing_or_raises() -> None:
    with loaded_runtime(BASIC) as runtime:
        assert runtime.invoke_http("text").body == "plain é".encode()
        with pytest.raises(RuntimeRefused, match="NoneType"):
            runtime.invoke_http("nothing")
        with pytest.raises(RuntimeRefused, match="RuntimeError: a secret"):
            runtime.invoke_http("raises")


def test_the_worker_indexes_and_invokes_the_app_of_this_repository() -> None:
    with loaded_runtime(ROOT, {"ENABLE_TEST_ENDPOINTS": "true"}) as runtime:
        answer = runtime.invoke_http(
            "test_execute",
            method="POST",
            route_params={"task_type": "hello_world_greeting"},
            body=b'{"params": {"index": 0, "message": "Hello!"}}',
        )
    assert answer.status == 200
    assert json.loads(answer.body)["success"] is True


def test_the_worker_finds_no_test_endpoints_where_they_are_off() -> None:
    with loaded_runtime(ROOT, {"ENABLE_TEST_ENDPOINTS": "false"}) as runtime:
        assert not [function.name for function in runtime.functions if function.name.startswith("test_")]


@pytest.mark.parametrize("folder", [STREAMS, TRIGGERS], ids=lambda folder: folder.name)
def test_the_worker_indexes_streams_and_triggers_as_the_local_host_does(folder: Path) -> None:
    local = {
        function.name: [dict(binding.properties) for binding in function.bindings] for function in indexed_app(folder)
    }
    with loaded_runtime(folder) as runtime:
        worker = {function.name: [json.loads(text) for text in function.raw_bindings] for function in runtime.functions}
        assert runtime.http_uri is not None
    assert worker == local


def test_the_worker_gives_a_stream_function_the_request_and_passes_its_response_on() -> None:
    with loaded_runtime(STREAMS) as runtime:
        answer = runtime.invoke_http(
            "seen",
            method="PUT",
            url="http://localhost/api/seen/7/a",
            route_params={"id": "7", "rest": "a"},
            query={"x": "1"},
            headers={"X-One": "1"},
            body=b"body",
        )
    assert (answer.status, answer.headers["x-two"]) == (200, "2")
    assert json.loads(answer.body) == {
        "method": "PUT",
        "path": "/api/seen/7/a",
        "query": {"x": "1"},
        "path_params": {"id": "7", "rest": "a"},
        "header": "1",
        "own_id": True,
        "body": "body",
    }


@pytest.fixture
def local_streams() -> Iterator[httpx.Client]:
    with closing(Invoker(None)) as invoker:
        table = RouteTable(endpoint_routes(indexed_app(STREAMS), "api"))
        with (
            serving(FunctionsApplication(table, invoker)) as url,
            httpx.Client(base_url=f"{url}/api", timeout=20, trust_env=False) as client,
        ):
            yield client


def test_the_worker_and_the_local_host_answer_alike(local_streams: httpx.Client) -> None:
    with loaded_runtime(STREAMS) as runtime:
        for name in ("sync", "unannotated", "model", "text"):
            local, worker = local_streams.get(f"/{name}"), runtime.invoke_http(name)
            assert (worker.status, worker.body) == (local.status_code, local.content)
            assert worker.headers.get("content-type") == local.headers.get("content-type")
        with pytest.raises(RuntimeRefused, match="short and stout"):
            runtime.invoke_http("teapot")
        with pytest.raises(RuntimeRefused, match="a secret of the implementation"):
            runtime.invoke_http("raises")


MIXED = """
import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response
app = func.FunctionApp()

@app.route("a")
async def a(req: Request) -> Response: ...

@app.route("b")
def b(req: func.HttpRequest) -> func.HttpResponse: ...
"""
WITHOUT_EXTENSION = """
import azure.functions as func
from fastapi import Request, Response
app = func.FunctionApp()

@app.route("a")
async def a(req: Request) -> Response: ...
"""


@pytest.mark.parametrize(
    ("source", "imported", "code"),
    [(MIXED, True, "HTTP_KINDS_MIXED"), (WITHOUT_EXTENSION, False, "HTTP_STREAMS_OFF")],
)
def test_the_worker_refuses_what_the_rules_refuse(tmp_path: Path, source: str, imported: bool, code: str) -> None:
    (tmp_path / "function_app.py").write_text(source)
    with pytest.raises(RuntimeRefused, match="not match"), loaded_runtime(tmp_path):
        pass
    assert [problem.code for problem in validate(indexed_app(tmp_path), imported)] == [code]


def test_the_worker_gives_a_queue_function_what_the_local_host_does() -> None:
    with run_emulator({"q": QueueRules()}) as emulator, message_of(emulator.connection_string) as message:
        data, metadata = trigger_data(message), trigger_metadata(message)
        local = function_message(message)
    with loaded_runtime(TRIGGERS) as runtime:
        runtime.invoke("consume", data, metadata)
        (seen,) = json.loads(runtime.invoke_http("tell").body)
    assert seen == {
        "body": '{"a": "b"}',
        "id": "id-1",
        "label": "task",
        "count": 1,
        "sequence": local.sequence_number,
        "enqueued": str(local.enqueued_time_utc),
        "locked_until": str(local.locked_until),
        "properties": {"number": 7},
    }


@contextmanager
def message_of(connection: str) -> Iterator[ServiceBusReceivedMessage]:
    with ServiceBusClient.from_connection_string(connection) as client:
        with client.get_queue_sender("q") as sender:
            sender.send_messages(
                ServiceBusMessage('{"a": "b"}', message_id="id-1", subject="task", application_properties={"number": 7})
            )
        with client.get_queue_receiver("q") as receiver:
            (message,) = receiver.receive_messages(1, max_wait_time=20)
            yield message


def test_the_worker_tells_the_host_of_a_queue_function_that_raises() -> None:
    metadata = {"MessageId": Datum(type="string", value="m"), "UserProperties": Datum(type="json", value="{}")}
    with loaded_runtime(TRIGGERS) as runtime, pytest.raises(RuntimeRefused, match="it breaks"):
        runtime.invoke("consume", Datum(type="string", value="raise"), metadata)


def test_the_worker_gives_a_timer_what_the_local_host_does() -> None:
    state = first_state(parse_schedule("0 0 3 * * *"), datetime(2026, 1, 1, tzinfo=UTC))
    with loaded_runtime(TRIGGERS) as runtime:
        runtime.invoke("tick", Datum(type="json", value=timer_info(state, past_due=True)))
        (seen,) = json.loads(runtime.invoke_http("tell").body)
    assert seen["past_due"] is True
    assert seen["status"]["Next"] == "2026-01-01T03:00:00+00:00"
    assert seen["schedule"] == {"AdjustForDST": True}


def test_the_worker_refuses_an_argument_that_no_binding_fills(tmp_path: Path) -> None:
    (tmp_path / "function_app.py").write_text(
        "import azure.functions as func\n"
        "app = func.FunctionApp()\n"
        "@app.route('x')\n"
        "def x(request: func.HttpRequest) -> func.HttpResponse: ...\n"
    )
    with pytest.raises(RuntimeRefused, match="declared in Python"), loaded_runtime(tmp_path):
        pass
