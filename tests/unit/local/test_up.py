"""What runs beside the host starts before it, in order, and stops after it, in reverse."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import pytest

from local import up as module
from local.functions_host.annotations import EXTENSION_BASE
from local.functions_host.app import FunctionsApplication
from local.functions_host.invocation import Invoker, thread_count
from local.functions_host.routes import RouteTable
from local.up import Service, UpOptions, up
from tests.support.fixture_apps import BASIC, own_app_module


def service(name: str, trace: list[str]) -> Service:
    @contextmanager
    def run(environment: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
        trace.append(f"start {name} {environment.get('FOUND', '-')}")
        yield {"FOUND": name}
        trace.append(f"stop {name}")

    return run


def test_services_find_each_other_and_stop_in_reverse(monkeypatch: pytest.MonkeyPatch) -> None:
    trace: list[str] = []

    def serve(*_: object) -> int:
        trace.append(f"serve {os.environ['FOUND']}")
        return 0

    monkeypatch.setattr(module, "_serve", serve)
    monkeypatch.delitem(sys.modules, EXTENSION_BASE, raising=False)
    monkeypatch.chdir(Path.cwd())
    with mock.patch.dict(os.environ), own_app_module():
        code = up(UpOptions(script_root=BASIC, port=0), [service("database", trace), service("bus", trace)])
    assert code == 0
    assert trace == ["start database -", "start bus database", "serve bus", "stop bus", "stop database"]


@pytest.mark.parametrize(("text", "count"), [(None, None), ("4", 4), ("0", None), ("many", None), ("-1", None)])
def test_the_pool_has_the_threads_of_the_setting(text: str | None, count: int | None) -> None:
    environment = {} if text is None else {"PYTHON_THREADPOOL_THREAD_COUNT": text}
    assert thread_count(environment) == count


def test_only_http_is_served() -> None:
    application = FunctionsApplication(RouteTable(()), Invoker(None))
    coroutine = application({"type": "websocket"}, mock.Mock(), mock.Mock())
    with pytest.raises(NotImplementedError):
        coroutine.send(None)
