"""Indexes and invokes an app with the real Python worker's logic, `azure-functions-runtime` (Python 3.13 and later).

The package is the worker without its gRPC shell: it takes requests and a module of protobuf classes, and gives
responses. Here those classes are stand-ins with the fields that it reads and writes.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from tests.support.fixture_apps import own_app_module

FIRST_PYTHON = (3, 13)
NOT_APPLICABLE = "azure-functions-runtime serves Python 3.13 and later; before it the worker is not a package"


class RuntimeRefused(AssertionError):
    """The worker refused the app or the invocation; the text is what it would send to the host."""


@dataclass(frozen=True, slots=True)
class RuntimeFunction:
    """One function as the worker describes it to the host; ``raw_bindings`` is the JSON that the host parses."""

    name: str
    function_id: str
    raw_bindings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RuntimeAnswer:
    status: int
    headers: Mapping[str, str]
    body: bytes


class FunctionsRuntime:
    """An app that the worker has loaded; made by :func:`loaded_runtime`."""

    def __init__(self, package: Any, runner: asyncio.Runner, functions: tuple[RuntimeFunction, ...]) -> None:
        self._package = package
        self._runner = runner
        self.functions = functions

    def invoke_http(
        self,
        name: str,
        *,
        method: str = "GET",
        url: str = "http://localhost/api",
        headers: Mapping[str, str] | None = None,
        route_params: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> RuntimeAnswer:
        """Raises :class:`RuntimeRefused` when the invocation failed."""
        function = next(function for function in self.functions if function.name == name)
        http = SimpleNamespace(
            method=method,
            url=url,
            headers=dict(headers or {}),
            params=dict(route_params or {}),
            query=dict(query or {}),
            body=TypedData(bytes=body),
        )
        answer = self._invoke(function, TypedData(http=http))
        return _answer(answer.return_value)

    def _invoke(self, function: RuntimeFunction, data: TypedData) -> Any:
        trigger = self._package.handle_event._functions.get_function(function.function_id).trigger_metadata
        invocation = SimpleNamespace(
            invocation_id=str(uuid.uuid4()),
            function_id=function.function_id,
            input_data=[_Message(name=trigger["param_name"], data=data, WhichOneof=lambda _: "data")],
            trigger_metadata={},
            trace_context=SimpleNamespace(trace_parent="", trace_state="", attributes={}),
            retry_context=SimpleNamespace(retry_count=0, max_retry_count=0, exception=None),
        )
        response = self._runner.run(self._package.invocation_request(_request("invocation_request", invocation)))
        _require_success(response)
        return response


@contextmanager
def loaded_runtime(script_root: Path, environment: Mapping[str, str] | None = None) -> Iterator[FunctionsRuntime]:
    """Loads ``function_app.py`` of the folder as the worker does at its start; unloads it at the end."""
    package = importlib.import_module("azure_functions_runtime")
    handle_event = importlib.import_module("azure_functions_runtime.handle_event")
    registry = importlib.import_module("azure_functions_runtime.functions").Registry()
    with (
        mock.patch.dict(os.environ, environment or {}),
        own_app_module(),
        mock.patch.object(handle_event, "_functions", registry),
        asyncio.Runner() as runner,
    ):
        sys.path.insert(0, str(script_root))
        package.start_threadpool_executor()
        try:
            yield FunctionsRuntime(package, runner, _load(package, runner, script_root))
        finally:
            package.stop_threadpool_executor()


def _load(package: Any, runner: asyncio.Runner, script_root: Path) -> tuple[RuntimeFunction, ...]:
    init = SimpleNamespace(capabilities={}, function_app_directory=str(script_root))
    _require_success(runner.run(package.worker_init_request(_request("worker_init_request", init))))
    metadata = runner.run(package.functions_metadata_request(_request("functions_metadata_request", None)))
    _require_success(metadata)
    for function in metadata.function_metadata_results or ():
        load = SimpleNamespace(function_id=function.function_id)
        _require_success(runner.run(package.function_load_request(_request("function_load_request", load))))
    return tuple(
        RuntimeFunction(function.name, function.function_id, tuple(function.raw_bindings))
        for function in metadata.function_metadata_results or ()
    )


def _request(name: str, content: object) -> SimpleNamespace:
    return SimpleNamespace(
        request=SimpleNamespace(**{name: content}), properties={"host": "127.0.0.1", "protos": PROTOS}
    )


def _require_success(response: Any) -> None:
    result = response.result
    if result.status != StatusResult.Success:
        raise RuntimeRefused(f"{result.exception.message}\n{result.exception.stack_trace}")


def _answer(value: TypedData) -> RuntimeAnswer:
    if value.kind == "string":
        return RuntimeAnswer(200, {"content-type": "text/plain; charset=utf-8"}, value.value.encode())
    http = value.value
    return RuntimeAnswer(int(http.status_code), dict(http.headers), bytes(http.body.value))


class _Message(SimpleNamespace):
    """A protobuf message as far as the worker looks at it."""


class TypedData:
    """The ``oneof`` of the worker's protocol: exactly one kind of value."""

    def __init__(self, **values: Any) -> None:
        ((self.kind, self.value),) = values.items()

    def WhichOneof(self, name: str) -> str:  # noqa: N802 - protobuf's name
        assert name == "data"
        return self.kind

    def __getattr__(self, name: str) -> Any:
        if name == self.kind:
            return self.value
        raise AttributeError(name)


class BindingInfo(_Message):
    # The numbers of `BindingInfo.Direction` and `DataType.undefined` in the worker's protocol.
    undefined, out, inout = 0, 1, 2


class StatusResult(_Message):
    class _Status(IntEnum):
        FAILURE = 0
        SUCCESS = 1

    Failure, Success = _Status.FAILURE, _Status.SUCCESS


PROTOS = SimpleNamespace(
    BindingInfo=BindingInfo,
    StatusResult=StatusResult,
    TypedData=TypedData,
    **{
        name: type(name, (_Message,), {})
        for name in (
            "FunctionLoadResponse",
            "FunctionMetadataResponse",
            "InvocationResponse",
            "ParameterBinding",
            "RpcException",
            "RpcFunctionMetadata",
            "RpcHttp",
            "RpcRetryOptions",
            "WorkerInitResponse",
            "WorkerMetadata",
        )
    },
)
