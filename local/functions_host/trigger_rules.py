"""Service Bus and timer triggers that the real host refuses, or that this host does not run.

Sources: the references of both triggers; `azure_functions_runtime.functions` (a function without a ``$return`` binding
returns nothing).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from local.functions_host.functions import Binding, IndexedFunction
from local.functions_host.problem import Problem
from local.functions_host.schedule import ScheduleInvalid, parse_schedule
from local.functions_host.trigger_kinds import SERVICE_BUS_TRIGGER, TIMER_TRIGGER, SettingMissing, resolved


def trigger_problems(function: IndexedFunction, environment: Mapping[str, str]) -> Iterator[Problem]:
    """``environment`` is for ``%NAME%``; a schedule whose setting is missing is not judged."""
    for trigger in function.triggers:
        if trigger.type == SERVICE_BUS_TRIGGER:
            yield from _entity(function, trigger)
            yield from _cardinality(function, trigger)
            yield from _sessions(function, trigger)
        elif trigger.type == TIMER_TRIGGER:
            yield from _schedule(function, trigger, environment)


def _entity(function: IndexedFunction, trigger: Binding) -> Iterator[Problem]:
    properties = trigger.properties
    if not properties.get("queueName") and not (properties.get("topicName") and properties.get("subscriptionName")):
        yield Problem(
            "SERVICE_BUS_ENTITY_MISSING",
            function.name,
            trigger.name,
            "the trigger names neither a queue nor a topic with a subscription",
            "Give it a queue_name.",
        )


def _cardinality(function: IndexedFunction, trigger: Binding) -> Iterator[Problem]:
    if str(trigger.properties.get("cardinality", "one")).lower() == "many":
        yield Problem(
            "SERVICE_BUS_BATCH_NOT_RUN",
            function.name,
            trigger.name,
            "the trigger takes batches, whose locks the real host does not renew and which this host does not run",
            "Leave the cardinality out: one message a call.",
        )


def _sessions(function: IndexedFunction, trigger: Binding) -> Iterator[Problem]:
    if trigger.properties.get("isSessionsEnabled") is True:
        yield Problem(
            "SERVICE_BUS_SESSIONS_NOT_RUN",
            function.name,
            trigger.name,
            "the trigger takes sessions, which this host does not run",
            "Leave is_sessions_enabled out, or run the app in the real host.",
        )


def _schedule(function: IndexedFunction, trigger: Binding, environment: Mapping[str, str]) -> Iterator[Problem]:
    text = str(trigger.properties.get("schedule", ""))
    try:
        parse_schedule(resolved(text, environment))
    except SettingMissing:
        return
    except ScheduleInvalid as error:
        yield Problem("SCHEDULE_INVALID", function.name, text, str(error), "Correct the NCRONTAB expression.")
