"""Runs one Service Bus function: takes messages with the SDK, calls the function, settles.

There are ``maxConcurrentCalls`` lanes, each with a receiver of its own that takes one message, waits for its call and
settles it before it takes the next. So a slow call holds up no other, and no receiver settles while it receives, which
makes the SDK a hundred times slower. A message waits in no buffer here unless ``prefetchCount`` asks for one, which is
shared out among the lanes.

Source of what is settled and when: `ServiceBusListener.ProcessMessageAsync` of the extension and
`ReceiverManager.ProcessOneMessage` of the .NET SDK (success completes where ``autoCompleteMessages`` is on, an
exception abandons whether it is or not).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from azure.servicebus import ServiceBusReceivedMessage
from azure.servicebus.aio import ServiceBusClient, ServiceBusReceiver
from azure.servicebus.exceptions import (
    MessageAlreadySettled,
    MessageLockLostError,
    MessageNotFoundError,
    ServiceBusError,
)

from local.functions_host.calls import Calls
from local.functions_host.context import InvocationContext, InvocationTrace, new_context
from local.functions_host.executions import Execution
from local.functions_host.host_service_bus import ServiceBusSettings
from local.functions_host.invocation import InvocableFunction, Invoker
from local.functions_host.lock_renewal import keep_locked, utc_now
from local.functions_host.outage import Outage
from local.functions_host.service_bus_message import application_properties, function_message
from local.functions_host.trigger_kinds import Queue, ServiceBusTrigger

RECEIVE_SECONDS = 0.5
"""How long one call waits for a message, which is how late a lane may notice that the host stops."""

OPEN_SECONDS, SETTLE_SECONDS, CLOSE_SECONDS = 30, 20, 3
GONE = (MessageAlreadySettled, MessageLockLostError, MessageNotFoundError)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LanePlan:
    """``prefetch`` is each lane's."""

    lanes: int
    prefetch: int
    auto_complete: bool
    max_lock_renewal: timedelta


def lane_plan(trigger: ServiceBusTrigger, settings: ServiceBusSettings) -> LanePlan:
    """The trigger's own ``autoCompleteMessages`` goes before host.json's."""
    return LanePlan(
        lanes=settings.max_concurrent_calls,
        prefetch=settings.prefetch_count // settings.max_concurrent_calls,
        auto_complete=settings.auto_complete if trigger.auto_complete is None else trigger.auto_complete,
        max_lock_renewal=settings.max_lock_renewal,
    )


class ServiceBusListener:
    """Starts and stops on one event loop; ``client`` opens a connection and is called anew only after a stop."""

    def __init__(
        self,
        function: InvocableFunction,
        trigger: ServiceBusTrigger,
        plan: LanePlan,
        invoker: Invoker,
        client: Callable[[], ServiceBusClient],
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._function = function
        self._trigger = trigger
        self._plan = plan
        self._invoker = invoker
        self._open_client = client
        self._now = now
        self._calls = Calls()
        self._lanes: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._stopping = asyncio.Event()
        self._client = self._open_client()
        self._outage = Outage(f"{self._function.name} ({self._trigger.entity})")
        self._lanes = [asyncio.create_task(self._lane()) for _ in range(self._plan.lanes)]

    async def stop(self, grace_seconds: float) -> None:
        """Takes no more messages, waits for the calls in progress, abandons the messages of those that are left."""
        if not self._lanes:
            return
        self._stopping.set()
        await asyncio.wait(self._lanes, timeout=max(grace_seconds, RECEIVE_SECONDS * 2))
        self._calls.cut_off()
        await asyncio.wait(self._lanes, timeout=CLOSE_SECONDS)
        for lane in self._lanes:
            lane.cancel()
        await asyncio.gather(*self._lanes, return_exceptions=True)
        await self._client.close()

    async def _lane(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            receiver = self._receiver()
            try:
                async with asyncio.timeout(OPEN_SECONDS):
                    await receiver.__aenter__()
                while not self._stopping.is_set():
                    messages = await receiver.receive_messages(1, max_wait_time=RECEIVE_SECONDS)
                    failures = 0
                    self._outage.worked()
                    for message in messages:
                        await self._process(receiver, message)
            except Exception as error:  # noqa: BLE001 - the top of a loop that has to outlive every broker
                failures += 1
                await self._outage.wait(self._outage.failed(error, failures), self._stopping)
            finally:
                await _close(receiver)

    def _receiver(self) -> ServiceBusReceiver:
        entity, prefetch = self._trigger.entity, self._plan.prefetch
        if isinstance(entity, Queue):
            return self._client.get_queue_receiver(entity.name, prefetch_count=prefetch)
        return self._client.get_subscription_receiver(entity.topic, entity.name, prefetch_count=prefetch)

    async def _process(self, receiver: ServiceBusReceiver, message: ServiceBusReceivedMessage) -> None:
        if message.locked_until_utc is not None and message.locked_until_utc <= self._now():
            return  # its lock ran out while it waited in the buffer of prefetched ones: it comes again
        over = asyncio.Event()
        renewing = asyncio.create_task(self._renew(receiver, message, over))
        try:
            succeeded = await self._call(message)
        finally:
            over.set()
            await renewing
        await self._settle(receiver, message, succeeded)

    async def _renew(
        self, receiver: ServiceBusReceiver, message: ServiceBusReceivedMessage, over: asyncio.Event
    ) -> None:
        async def ended(wait: timedelta) -> bool:
            try:
                await asyncio.wait_for(over.wait(), wait.total_seconds())
            except TimeoutError:
                return False
            return True

        async def renew() -> object:
            return await receiver.renew_message_lock(message, timeout=SETTLE_SECONDS)

        await keep_locked(message, renew, ended, self._plan.max_lock_renewal, self._now)

    async def _call(self, message: ServiceBusReceivedMessage) -> bool:
        """Whether the function succeeded."""
        context = new_context(self._function.name, self._function.directory, _trace(message))
        execution = Execution(self._function.name, _reason(message), context.invocation_id)
        return await self._calls.run(execution, self._invoke(message, context))

    async def _invoke(self, message: ServiceBusReceivedMessage, context: InvocationContext) -> object:
        return await self._invoker.invoke(self._function, function_message(message), context)

    async def _settle(self, receiver: ServiceBusReceiver, message: ServiceBusReceivedMessage, succeeded: bool) -> None:
        if succeeded and not self._plan.auto_complete:
            return
        settle, done = (
            (receiver.complete_message, "completed") if succeeded else (receiver.abandon_message, "abandoned")
        )
        try:
            async with asyncio.timeout(SETTLE_SECONDS):
                await settle(message)
        except GONE as error:
            _log.warning("Message %s was not %s and comes again: %s", message.message_id, done, type(error).__name__)
        except (ServiceBusError, OSError):
            _log.warning("Message %s was not %s and comes again", message.message_id, done)
            raise


async def _close(receiver: ServiceBusReceiver) -> None:
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await receiver.close()
    except Exception as error:  # noqa: BLE001 - the SDK raises what it likes for a connection that is not there
        _log.debug("A receiver was not closed in order: %s", error)


def _reason(message: ServiceBusReceivedMessage) -> str:
    return f"message {message.message_id}, delivery {(message.delivery_count or 0) + 1}"


def _trace(message: ServiceBusReceivedMessage) -> InvocationTrace:
    """Source: the SDKs put the W3C trace parent into ``Diagnostic-Id``, or ``traceparent``."""
    properties = application_properties(message)
    return InvocationTrace(str(properties.get("traceparent") or properties.get("Diagnostic-Id") or ""))
