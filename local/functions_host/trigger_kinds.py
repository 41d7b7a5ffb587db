"""What starts a function: a closed union, read from the properties of its trigger.

Sources: the references of the Service Bus trigger and of the timer trigger; ``%NAME%`` is an application setting
(`DefaultNameResolver` and `BindingTemplate` of the WebJobs SDK).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from local.functions_host.functions import HTTP_OUTPUT, HTTP_TRIGGER, Binding, IndexedFunction

SERVICE_BUS_TRIGGER, TIMER_TRIGGER = "serviceBusTrigger", "timerTrigger"
DEFAULT_CONNECTION = "AzureWebJobsServiceBus"

_SETTING = re.compile(r"%([^%]*)%")


class SettingMissing(Exception):
    """A ``%NAME%`` that has no setting; the text names it."""


@dataclass(frozen=True, slots=True)
class HttpTrigger:
    """Routes, methods and the level are read from the function itself."""


@dataclass(frozen=True, slots=True)
class Queue:
    name: str

    def __str__(self) -> str:
        return f"queue {self.name}"


@dataclass(frozen=True, slots=True)
class Subscription:
    topic: str
    name: str

    def __str__(self) -> str:
        return f"subscription {self.topic}/{self.name}"


@dataclass(frozen=True, slots=True)
class ServiceBusTrigger:
    """``connection`` is the name of an application setting; ``auto_complete`` ``None`` is as host.json says."""

    entity: Queue | Subscription
    connection: str
    auto_complete: bool | None


@dataclass(frozen=True, slots=True)
class TimerTrigger:
    schedule: str
    run_on_startup: bool


@dataclass(frozen=True, slots=True)
class OtherTrigger:
    """This host does not run it; ``types`` are those of its bindings."""

    types: str


Trigger = HttpTrigger | ServiceBusTrigger | TimerTrigger | OtherTrigger


def trigger_of(function: IndexedFunction, environment: Mapping[str, str]) -> Trigger:
    """For a function that has passed the rules. Raises :class:`SettingMissing`."""
    if is_http(function):
        return HttpTrigger()
    kinds = {binding.type for binding in function.bindings}
    trigger = function.triggers[0]
    if kinds == {SERVICE_BUS_TRIGGER}:
        return _service_bus(trigger, environment)
    if kinds == {TIMER_TRIGGER}:
        schedule = resolved(str(trigger.properties.get("schedule", "")), environment)
        return TimerTrigger(schedule, trigger.properties.get("runOnStartup") is True)
    return OtherTrigger(", ".join(sorted(kinds)))


def is_http(function: IndexedFunction) -> bool:
    """Whether all its bindings are those of HTTP."""
    return function.http_trigger is not None and all(
        binding.type in (HTTP_TRIGGER, HTTP_OUTPUT) for binding in function.bindings
    )


def resolved(text: str, environment: Mapping[str, str]) -> str:
    """``text`` with each ``%NAME%`` replaced by that setting. Raises :class:`SettingMissing`."""

    def value(found: re.Match[str]) -> str:
        if found[1] not in environment:
            raise SettingMissing(f"there is no setting {found[1]!r} for {text!r}")
        return environment[found[1]]

    return _SETTING.sub(value, text)


def _service_bus(trigger: Binding, environment: Mapping[str, str]) -> ServiceBusTrigger:
    properties = trigger.properties
    own = properties.get("autoCompleteMessages", properties.get("autoComplete"))
    return ServiceBusTrigger(
        entity=_entity(properties, environment),
        connection=resolved(str(properties.get("connection") or DEFAULT_CONNECTION), environment),
        auto_complete=own if isinstance(own, bool) else None,
    )


def _entity(properties: Mapping[str, object], environment: Mapping[str, str]) -> Queue | Subscription:
    if properties.get("queueName"):
        return Queue(resolved(str(properties["queueName"]), environment))
    return Subscription(
        resolved(str(properties.get("topicName", "")), environment),
        resolved(str(properties.get("subscriptionName", "")), environment),
    )
