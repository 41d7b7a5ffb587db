"""Indexes and invokes an app with the real Python worker's logic, `azure-functions-runtime` (Python 3.13 and later).

The package is the worker without its gRPC shell: it takes requests and a module of protobuf classes, and gives
responses. Here those classes are stand-ins with the fields that it reads and writes. For an app of HTTP streams the
worker starts a server of its own, to which a request goes as the real host forwards it: under the invocation's id.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import httpx
import uvicorn
from azure.functions.meta import Datum

from tests.support.fixture_apps import own_app_module

FIRST_PYTHON = (3, 13)
IMPORTED_ANEW = {"azurefunctions", "core", "handlers", "infrastructure", "testing", "docker_worker"}
END_SECONDS = 10
NOT_APPLICABLE = "azure-functions-runtime serves Python 3.13 and later; before it the worker is not a package"


class RuntimeRefused(AssertionError):
    """The worker refused the app or the invocation; the text is what it would send to the host."""


@dataclass(frozen=True, slots=True)
class RuntimeFunction:
    """One function as the worker describes it to the host; ``raw_bindings`` is the JSON that the host parses."""

    name: str
    function_id: str
    raw_bindings: tuple[str, ...]

    @property
    def trigger_argument(self) -> str:
        bindings = [json.loads(text) for text in self.raw_bindings]
        return next(str(one["name"]) for one in bindings if str(one["type"]).lower().endswith("trigger"))


@dataclass(frozen=True, slots=True)
class RuntimeAnswer:
    status: int
    headers: Mapping[str, str]
    body: bytes


class FunctionsRuntime:
    """An app that the worker has loaded; made by :func:`loaded_runtime`. ``http_uri`` is that of HTTP streams."""

    def __init__(
        self, package: Any, runner: asyncio.Runner, functions: tuple[RuntimeFunction, ...], http_uri: str | None
    ) -> None:
        self._package = package
        self._runner = runner
        self.functions = functions
        self.http_uri = http_uri

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
        http = SimpleNamespace(
            method=method,
            url=url,
            headers=dict(headers or {}),
            params=dict(route_params or {}),
            query=dict(query or {}),
            body=TypedData(bytes=body if self.http_uri is None else b""),
        )
        invocation = self._invocation(name, TypedData(http=http))
        if self.http_uri is not None:
            return self._runner.run(self._forward(invocation, http, body))
        return _answer(self._runner.run(self._run(invocation)).return_value)

    def invoke(self, name: str, data: Datum, metadata: Mapping[str, Datum] | None = None) -> None:
        """A trigger that is not HTTP, with what the host sends for it. Raises :class:`RuntimeRefused`."""
        typed = {key: _typed(one) for key, one in (metadata or {}).items()}
        self._runner.run(self._run(self._invocation(name, _typed(data), typed)))

    def _invocation(self, name: str, data: TypedData, metadata: Mapping[str, TypedData] | None = None) -> Any:
        function = next(function for function in self.functions if function.name == name)
        return SimpleNamespace(
            invocation_id=str(uuid.uuid4()),
            function_id=function.function_id,
            input_data=[_Message(name=function.trigger_argument, data=data, WhichOneof=lambda _: "data")],
            trigger_metadata=dict(metadata or {}),
            trace_context=SimpleNamespace(trace_parent="", trace_state="", attributes={}),
            retry_context=SimpleNamespace(retry_count=0, max_retry_count=0, exception=None),
        )

    async def _run(self, invocation: Any) -> Any:
        response = await self._package.invocation_request(_request("invocation_request", invocation))
        _require_success(response)
        return response

    async def _forward(self, invocation: Any, http: SimpleNamespace, body: bytes) -> RuntimeAnswer:
        """Both ways at once: the invocation waits for the request, and the request for what the function returned."""
        url = f"{self.http_uri}/{http.url.partition('://')[2].partition('/')[2]}"
        headers = {**http.headers, "x-ms-invocation-id": invocation.invocation_id}
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            request = client.request(http.method, url, params=http.query or None, headers=headers, content=body)
            sent, run = asyncio.ensure_future(request), asyncio.ensure_future(self._run(invocation))
            await asyncio.wait([sent, run], return_when=asyncio.FIRST_COMPLETED)
            if not run.done() and sent.result().status_code >= 300:
                run.cancel()
                raise RuntimeRefused(f"the worker's server answered by itself: {sent.result()}")
            try:
                await run
            finally:
                answer = await sent
        return RuntimeAnswer(answer.status_code, dict(answer.headers), answer.content)


@contextmanager
def loaded_runtime(script_root: Path, environment: Mapping[str, str] | None = None) -> Iterator[FunctionsRuntime]:
    """Loads ``function_app.py`` of the folder as the worker does at its start; unloads it at the end.

    The worker looks at what is imported by then, so everything that an app may import is imported anew for it.
    """
    package = importlib.import_module("azure_functions_runtime")
    handle_event = importlib.import_module("azure_functions_runtime.handle_event")
    streams = importlib.import_module("azure_functions_runtime.http_v2").HttpV2Registry
    meta = importlib.import_module("azure_functions_runtime.bindings.meta")
    registry = importlib.import_module("azure_functions_runtime.functions").Registry()
    with (
        mock.patch.dict(os.environ, environment or {}),
        own_app_module(IMPORTED_ANEW),
        mock.patch.object(handle_event, "_functions", registry),
        mock.patch.multiple(streams, _http_v2_enabled=False, _http_v2_enabled_checked=False, _ext_base=None),
        mock.patch.multiple(meta, DEFERRED_BINDING_REGISTRY=None, _DEFERRED_BINDING_REGISTRY_LOADED=False),
        asyncio.Runner() as runner,
        _ended_servers(runner),
    ):
        sys.path.insert(0, str(script_root))
        package.start_threadpool_executor()
        try:
            loaded = _loaded(package, runner, script_root)
            with _ended_backend(sys.modules["function_app"]):
                yield loaded
        finally:
            package.stop_threadpool_executor()


@contextmanager
def _ended_backend(app: Any) -> Iterator[None]:
    """An app's connections end with its process, which here goes on."""
    with ExitStack() as made:
        if hasattr(app, "build_backend"):
            build = app.build_backend
            app.build_backend = lambda *given: made.enter_context(build(*given))
        yield


@contextmanager
def _ended_servers(runner: asyncio.Runner) -> Iterator[None]:
    """The worker leaves its server to the end of the process; here it ends in order."""
    servers: list[uvicorn.Server] = []

    class Server(uvicorn.Server):
        def __init__(self, config: uvicorn.Config) -> None:
            super().__init__(config)
            servers.append(self)

    async def end() -> None:
        for server in servers:
            server.should_exit = True
        if left := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(left, timeout=END_SECONDS)

    with mock.patch.object(uvicorn, "Server", Server):
        try:
            yield
        finally:
            runner.run(end())


def _loaded(package: Any, runner: asyncio.Runner, script_root: Path) -> FunctionsRuntime:
    init = SimpleNamespace(capabilities={}, function_app_directory=str(script_root))
    begun = runner.run(package.worker_init_request(_request("worker_init_request", init)))
    _require_success(begun)
    uri = begun.capabilities.get("HttpUri")
    if uri is not None:
        runner.run(_until_it_listens(uri))
    return FunctionsRuntime(package, runner, _load(package, runner), uri)


async def _until_it_listens(uri: str) -> None:
    url = httpx.URL(uri)
    async with asyncio.timeout(30):
        while True:
            try:
                _, writer = await asyncio.open_connection(url.host, url.port)
            except ConnectionRefusedError:
                await asyncio.sleep(0)
            else:
                writer.close()
                return await writer.wait_closed()


def _load(package: Any, runner: asyncio.Runner) -> tuple[RuntimeFunction, ...]:
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


def _typed(datum: Datum) -> TypedData:
    return TypedData(**{str(datum.type): datum.value})


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
