"""The real language worker's logic takes the app: it indexes it, and invokes sync and async functions."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.support.fixture_apps import BASIC, ROOT, indexed_app
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


def test_the_worker_refuses_an_argument_that_no_binding_fills(tmp_path: Path) -> None:
    (tmp_path / "function_app.py").write_text(
        "import azure.functions as func\n"
        "app = func.FunctionApp()\n"
        "@app.route('x')\n"
        "def x(request: func.HttpRequest) -> func.HttpResponse: ...\n"
    )
    with pytest.raises(RuntimeRefused, match="declared in Python"), loaded_runtime(tmp_path):
        pass
