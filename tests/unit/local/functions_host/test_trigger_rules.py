"""Service Bus and timer triggers that are refused at start."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import azure.functions as func
import pytest

from local.functions_host.functions import index_app
from local.functions_host.rules import validate


def on_message(message: func.ServiceBusMessage) -> None: ...


def on_timer(timer: func.TimerRequest) -> None: ...


def codes(trigger: Mapping[str, Any], environment: Mapping[str, str] | None = None) -> list[tuple[str, str]]:
    app = func.FunctionApp()
    kind = str(trigger["type"])
    call = on_timer if kind == "timerTrigger" else on_message
    properties = {name: value for name, value in trigger.items() if name != "type"}
    name = "timer" if call is on_timer else "message"
    app.function_name("it")(app.generic_trigger(name, kind, **properties)(call))
    return [(problem.code, problem.culprit) for problem in validate(index_app(app), environment=environment or {})]


@pytest.mark.parametrize(
    ("properties", "problems"),
    [
        ({"queue_name": "q"}, []),
        ({"queue_name": "%Q%"}, []),
        ({"queue_name": "q", "cardinality": "one", "is_sessions_enabled": False}, []),
        ({"topic_name": "t", "subscription_name": "s"}, []),
        ({"topic_name": "t"}, [("SERVICE_BUS_ENTITY_MISSING", "message")]),
        ({}, [("SERVICE_BUS_ENTITY_MISSING", "message")]),
        ({"queue_name": "q", "cardinality": "Many"}, [("SERVICE_BUS_BATCH_NOT_RUN", "message")]),
        ({"queue_name": "q", "is_sessions_enabled": True}, [("SERVICE_BUS_SESSIONS_NOT_RUN", "message")]),
    ],
)
def test_service_bus(properties: dict[str, object], problems: list[tuple[str, str]]) -> None:
    assert codes({"type": "serviceBusTrigger", "connection": "C", **properties}) == problems


@pytest.mark.parametrize(
    ("schedule", "environment", "problems"),
    [
        ("0 * * * * *", {}, []),
        ("%WHEN%", {}, []),
        ("%WHEN%", {"WHEN": "0 * * * * *"}, []),
        ("%WHEN%", {"WHEN": "daily"}, [("SCHEDULE_INVALID", "%WHEN%")]),
        ("0 99 * * * *", {}, [("SCHEDULE_INVALID", "0 99 * * * *")]),
        ("00:05:00", {}, [("SCHEDULE_INVALID", "00:05:00")]),
    ],
)
def test_timers(schedule: str, environment: dict[str, str], problems: list[tuple[str, str]]) -> None:
    assert codes({"type": "timerTrigger", "schedule": schedule}, environment) == problems


def test_a_wrong_schedule_is_told_with_the_function_s_name() -> None:
    app = func.FunctionApp()
    app.function_name("nightly")(app.timer_trigger("timer", "0 0 25 * * *")(on_timer))
    (problem,) = validate(index_app(app))
    assert str(problem).startswith("SCHEDULE_INVALID: function 'nightly': '25' is not a hour from 0 to 23")
