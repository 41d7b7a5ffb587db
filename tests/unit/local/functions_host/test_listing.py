"""What the host says about an app when it starts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing

import azure.functions as func
import pytest

from local.functions_host.functions import index_app
from local.functions_host.host import build_host
from local.functions_host.host_file import HostSettings
from local.functions_host.host_service_bus import ServiceBusSettings
from local.functions_host.listing import listing
from tests.support.fixture_apps import BASIC, indexed_app

CONNECTION = "Endpoint=sb://127.0.0.1:1;SharedAccessKeyName=a;SharedAccessKey=c2VjcmV0;UseDevelopmentEmulator=true"


def lines(app: func.FunctionApp, environment: Mapping[str, str]) -> list[str]:
    settings = HostSettings(service_bus=ServiceBusSettings(max_concurrent_calls=3))
    host = build_host(index_app(app), settings, environment)
    with closing(host.invoker):
        return listing(host.functions, "http://h", "api", enforced=True).splitlines()[3:-2]


def on_queue(name: str, queue: str, connection: str) -> Callable[[func.FunctionApp], object]:
    def message(message: func.ServiceBusMessage) -> None: ...

    return lambda app: app.function_name(name)(app.service_bus_queue_trigger("message", connection, queue)(message))


def test_http_functions_have_methods_and_addresses() -> None:
    host = build_host(indexed_app(BASIC), HostSettings(), {})
    with closing(host.invoker):
        said = listing(host.functions, "http://127.0.0.1:7071", "api", enforced=True).splitlines()
    assert "\tawaited: [GET] http://127.0.0.1:7071/api/async/{name?}" in said
    assert "\tlocked: [ALL] http://127.0.0.1:7071/api/locked (function key)" in said
    assert said[-3].startswith("\tnightly: timer 0 0 * * * *, next 20")
    assert said[-3].endswith(":00:00Z")
    assert said[-1] == "Function keys are asked for."
    assert listing((), "http://x", "api", enforced=False) == "Functions: none"


def test_queues_are_named_as_their_settings_say() -> None:
    app = func.FunctionApp()
    on_queue("one", "%JOBS%", "BUS")(app)

    @app.service_bus_topic_trigger("message", "BUS", "events", "mine")
    def two(message: func.ServiceBusMessage) -> None: ...

    assert lines(app, {"JOBS": "jobs-of-mine", "BUS": CONNECTION}) == [
        "\tone: queue jobs-of-mine of BUS, 3 at a time",
        "\ttwo: subscription events/mine of BUS, 3 at a time",
    ]


def test_a_function_whose_settings_are_missing_says_so_and_the_others_run(caplog: pytest.LogCaptureFixture) -> None:
    app = func.FunctionApp()
    on_queue("connection", "q", "BUS")(app)
    on_queue("malformed", "q", "BAD")(app)
    on_queue("queue", "%JOBS%", "BUS")(app)

    @app.timer_trigger("timer", "%WHEN%")
    def timed(timer: func.TimerRequest) -> None: ...

    said = lines(app, {"BAD": "SharedAccessKey=geheim"})
    assert said == [
        "\tconnection: there is neither a setting BUS nor BUS__fullyQualifiedNamespace",
        "\tmalformed: the setting BAD is not a connection string: Connection string is either blank or malformed.",
        "\tqueue: there is no setting 'JOBS' for '%JOBS%'",
        "\ttimed: there is no setting 'WHEN' for '%WHEN%'",
    ]
    assert caplog.text.count("does not run: ") == 4
    assert "geheim" not in caplog.text


def test_what_this_host_does_not_run_is_listed() -> None:
    app = func.FunctionApp()

    @app.queue_trigger("message", "q", "C")
    def stored(message: func.QueueMessage) -> None: ...

    assert lines(app, {}) == ["\tstored: queueTrigger (not run by this host)"]
