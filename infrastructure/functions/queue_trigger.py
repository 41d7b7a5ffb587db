"""What a queue's trigger does with a message, where all that it can say to the host is "done" or "failed".

"Failed" gives the message back to the broker at once, with a count of ten before it is buried under a reason that says
nothing. So a message that cannot be processed now is sent again for later, and one that never can is written down with
its reason where the operators look for dead letters; both are "done" then. Only where neither is possible does the host
hear of a failure. The engine's own retries are new messages and are not touched by any of this.

A long task that waits for a worker is such a message: each of its copies is a new one to the broker, which counts no
deliveries of it, so no wait is too long. The reconciler wakes it again meanwhile, and what comes of that is soon one
with the copy that was there before.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol, assert_never

from core.attempts import Processed
from core.consumer import AbandonMessage, DeadLetterMessage, Settlement, dispatch, settlement_of
from core.deadletters import storable_letter
from core.errors import CoreMachineError, TransientError
from core.listing import NewDeadLetter
from core.machine import CoreMachine
from core.ports import DeadLetter, MessageBus
from core.postponed import LONGEST_SECONDS, postponed
from infrastructure.task_start.errors import WorkerBusy

_log = logging.getLogger(__name__)

BUSY_SECONDS = 128.0
"""What a message waits for at most, on average, before a busy worker is asked again: for a thousand that makes eight
calls a second, and where only one waits, the worker has it about a minute after it is free.
"""


class QueueMessage(Protocol):
    """The part of `azure.functions.ServiceBusMessage` that is read."""

    @property
    def message_id(self) -> str | None: ...

    @property
    def label(self) -> str | None: ...

    def get_body(self) -> bytes: ...


def _keep(body: bytes) -> None:
    """Everything is worked on here."""


class QueueTrigger:
    """For as many threads as ``machine`` is for. ``restore`` fetches a body sent by reference; ``hand_over`` says what
    a message came to that is not worked on here.
    """

    def __init__(
        self,
        queue: str,
        machine: CoreMachine,
        bus: MessageBus,
        restore: Callable[[bytes], bytes],
        hand_over: Callable[[bytes], Processed | None] = _keep,
    ) -> None:
        self._queue = queue
        self._machine = machine
        self._bus = bus
        self._restore = restore
        self._hand_over = hand_over

    def __call__(self, message: QueueMessage) -> None:
        """Raises :class:`core.errors.CoreMachineError` for a message that is to be given back to the broker."""
        body = message.get_body()
        settlement = self._settlement(body)
        try:
            self._settle(message, body, settlement)
        except TransientError as error:
            if isinstance(settlement, AbandonMessage):
                raise
            self._postpone(message, body, error)

    def _settlement(self, body: bytes) -> Settlement:
        try:
            whole = self._restore(body)
            handed_over = self._hand_over(whole)
        except CoreMachineError as error:
            return settlement_of(error)
        return handed_over or dispatch(self._machine, whole)

    def _settle(self, message: QueueMessage, body: bytes, settlement: Settlement) -> None:
        match settlement:
            case Processed():
                return
            case AbandonMessage(error):
                self._postpone(message, body, error)
            case DeadLetterMessage(error):
                self._bury(message, body, error)
            case _:
                assert_never(settlement)

    def _postpone(self, message: QueueMessage, body: bytes, error: TransientError) -> None:
        letter = self._letter(message, body, error)
        busy = isinstance(error, WorkerBusy)
        longest = BUSY_SECONDS if busy else LONGEST_SECONDS
        now = self._machine.clock.now()
        later = postponed(self._queue, letter.message_id, letter.message_type, body, now, longest)
        try:
            self._bus.send([later])
        except TransientError:
            raise
        except CoreMachineError as refused:
            self._bury(message, body, refused)
            return
        extra = {"queue": self._queue, "message_id": message.message_id, "code": error.code}
        level = logging.INFO if busy else logging.WARNING  # waiting for one's turn is healthy
        _log.log(level, "message_postponed", extra=extra)

    def _bury(self, message: QueueMessage, body: bytes, error: CoreMachineError) -> None:
        machine = self._machine
        machine.store.record_dead_letters([self._letter(message, body, error)], machine.clock.now())
        extra = {"queue": self._queue, "message_id": message.message_id, "code": error.code}
        _log.error("message_dead_lettered", extra=extra)

    def _letter(self, message: QueueMessage, body: bytes, error: CoreMachineError) -> NewDeadLetter:
        """The message with an id and a label that the bus and the store take, and why it is not processed."""
        found = DeadLetter(self._queue, message.message_id or "", message.label or "", body, error.code, error.message)
        return storable_letter(found)
