"""An app and its settings made into what runs: the HTTP application, and a listener for each queue and timer."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, assert_never

from local.functions_host.app import FunctionsApplication, endpoint_routes
from local.functions_host.auth import Keys
from local.functions_host.functions import IndexedFunction
from local.functions_host.host_file import HostSettings
from local.functions_host.invocation import Invoker, invocable, thread_count
from local.functions_host.routes import RouteTable
from local.functions_host.schedule import parse_schedule
from local.functions_host.service_bus_connection import ConnectionMissing, connection_named, open_client
from local.functions_host.service_bus_listener import ServiceBusListener, lane_plan
from local.functions_host.timers import TimerListener
from local.functions_host.trigger_kinds import (
    HttpTrigger,
    OtherTrigger,
    ServiceBusTrigger,
    SettingMissing,
    TimerTrigger,
    trigger_of,
)

_log = logging.getLogger(__name__)


class Listener(Protocol):
    """What starts a function without HTTP. Both are called on the host's event loop."""

    def start(self) -> None: ...

    async def stop(self, grace_seconds: float) -> None:
        """Takes nothing more, gives what runs the grace, and cuts the rest off."""
        ...


@dataclass(frozen=True, slots=True)
class HttpFunction:
    function: IndexedFunction


@dataclass(frozen=True, slots=True)
class QueueFunction:
    function: IndexedFunction
    trigger: ServiceBusTrigger
    lanes: int
    listener: Listener


@dataclass(frozen=True, slots=True)
class TimerFunction:
    function: IndexedFunction
    trigger: TimerTrigger
    listener: TimerListener


@dataclass(frozen=True, slots=True)
class IdleFunction:
    """One that does not run; ``is_error`` says that it should."""

    function: IndexedFunction
    why: str
    is_error: bool


HostedFunction = HttpFunction | QueueFunction | TimerFunction | IdleFunction


@dataclass(frozen=True, slots=True)
class Host:
    """``application`` is ASGI. ``invoker`` is closed by whoever made the host."""

    application: FunctionsApplication
    invoker: Invoker
    functions: tuple[HostedFunction, ...]

    @property
    def listeners(self) -> tuple[Listener, ...]:
        return tuple(one.listener for one in self.functions if isinstance(one, QueueFunction | TimerFunction))


def build_host(
    functions: Sequence[IndexedFunction],
    settings: HostSettings,
    environment: Mapping[str, str],
    keys: Keys | None = None,
    extension_imported: bool = False,
) -> Host:
    """For functions that have passed the rules. One whose settings are missing does not run, as in the real host."""
    invoker = Invoker(settings.function_timeout, thread_count(environment))
    table = RouteTable(endpoint_routes(functions, settings.route_prefix, extension_imported))
    hosted = tuple(_hosted(functions, settings, environment, invoker))
    for one in hosted:
        if isinstance(one, IdleFunction) and one.is_error:
            _log.error("Function '%s' does not run: %s", one.function.name, one.why)
    return Host(FunctionsApplication(table, invoker, keys), invoker, hosted)


def _hosted(
    functions: Sequence[IndexedFunction], settings: HostSettings, environment: Mapping[str, str], invoker: Invoker
) -> Iterator[HostedFunction]:
    for function in functions:
        try:
            yield _one(function, settings, environment, invoker)
        except (ConnectionMissing, SettingMissing) as error:
            yield IdleFunction(function, str(error), is_error=True)


def _one(
    function: IndexedFunction, settings: HostSettings, environment: Mapping[str, str], invoker: Invoker
) -> HostedFunction:
    trigger = trigger_of(function, environment)
    match trigger:
        case HttpTrigger():
            return HttpFunction(function)
        case ServiceBusTrigger():
            return _queue(function, trigger, settings, environment, invoker)
        case TimerTrigger():
            schedule = parse_schedule(trigger.schedule)
            listener = TimerListener(invocable(function), schedule, trigger.run_on_startup, invoker)
            return TimerFunction(function, trigger, listener)
        case OtherTrigger(types):
            return IdleFunction(function, f"{types} (not run by this host)", is_error=False)
        case _:
            assert_never(trigger)


def _queue(
    function: IndexedFunction,
    trigger: ServiceBusTrigger,
    settings: HostSettings,
    environment: Mapping[str, str],
    invoker: Invoker,
) -> QueueFunction:
    connection = connection_named(trigger.connection, environment)
    plan = lane_plan(trigger, settings.service_bus)
    if not plan.auto_complete:
        _log.warning("Function '%s' completes no message: autoCompleteMessages is false for it", function.name)
    listener = ServiceBusListener(invocable(function), trigger, plan, invoker, partial(open_client, connection))
    return QueueFunction(function, trigger, plan.lanes, listener)
