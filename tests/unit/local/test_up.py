"""What runs beside the host starts before it, in order, and stops after it, in reverse."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from unittest import mock

import pytest

from local import up as module
from local.functions_host.annotations import EXTENSION_BASE
from local.functions_host.app import FunctionsApplication
from local.functions_host.invocation import Invoker, thread_count
from local.functions_host.routes import RouteTable
from local.up import UpOptions, up
from tests.support.fixture_apps import BASIC, own_app_module


def test_the_values_of_the_settings_file_are_variables_where_there_are_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: list[str] = []

    def serve(*_: object) -> tuple[str, ...]:
        seen.extend(os.environ[name] for name in ("FROM_FILE", "FROM_BOTH"))
        return ("slow",)

    monkeypatch.setattr(module, "_serve", serve)
    monkeypatch.delitem(sys.modules, EXTENSION_BASE, raising=False)
    monkeypatch.chdir(Path.cwd())
    file = tmp_path / "settings.json"
    file.write_text('{"Values": {"FROM_FILE": "file", "FROM_BOTH": "file"}}', "utf-8")
    with mock.patch.dict(os.environ, {"FROM_BOTH": "environment"}), own_app_module():
        code = up(UpOptions(script_root=BASIC, port=0, settings_file=file))
    assert seen == ["file", "environment"]
    assert code == 1


@pytest.mark.parametrize(("text", "count"), [(None, None), ("4", 4), ("0", None), ("many", None), ("-1", None)])
def test_the_pool_has_the_threads_of_the_setting(text: str | None, count: int | None) -> None:
    environment = {} if text is None else {"PYTHON_THREADPOOL_THREAD_COUNT": text}
    assert thread_count(environment) == count


def test_only_http_is_served() -> None:
    application = FunctionsApplication(RouteTable(()), Invoker(None))
    coroutine = application({"type": "websocket"}, mock.Mock(), mock.Mock())
    with pytest.raises(NotImplementedError):
        coroutine.send(None)
