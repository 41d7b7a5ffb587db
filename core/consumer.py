"""From a message under peek-lock to its settlement: the rule, and the loop body that applies it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import assert_never

from core.attempts import Processed
from core.context import StopSignal
from core.errors import CoreMachineError, LockLost, TransientError
from core.machine import CoreMachine
from core.messages import JobQueueMessage, StageCompleteMessage, TaskQueueMessage, decode
from core.ports import MessageBus, ReceivedMessage

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AbandonMessage:
    """The same message may succeed later."""

    error: TransientError


@dataclass(frozen=True, slots=True)
class DeadLetterMessage:
    """The message can never succeed here."""

    error: CoreMachineError


Settlement = Processed | AbandonMessage | DeadLetterMessage
"""A message that was processed, whatever came of it, is completed."""


def dispatch(machine: CoreMachine, body: bytes, stop: StopSignal | None = None) -> Settlement:
    """Decode a message, let the machine process it, and say how to settle it."""
    try:
        message = decode(body)
        match message:
            case TaskQueueMessage():
                return machine.process_task_message(message, stop)
            case StageCompleteMessage():
                return machine.process_stage_complete_message(message)
            case JobQueueMessage():
                return machine.process_job_message(message)
        assert_never(message)
    except CoreMachineError as error:
        return settlement_of(error)


def settlement_of(found: Processed | CoreMachineError) -> Settlement:
    """How a message ends whose processing came to ``found``, or raised it."""
    if isinstance(found, Processed):
        return found
    return AbandonMessage(found) if isinstance(found, TransientError) else DeadLetterMessage(found)


def task_in(message: ReceivedMessage) -> TaskQueueMessage | None:
    """The task message that ``message`` is, or ``None`` for one that is something else, or nothing."""
    try:
        decoded = decode(message.body)
    except CoreMachineError:
        return None
    return decoded if isinstance(decoded, TaskQueueMessage) else None


def settle(bus: MessageBus, message: ReceivedMessage, settlement: Settlement) -> LockLost | TransientError | None:
    """Settle ``message``. What cannot be settled, for the reason given, is left to the next delivery, which is then a
    no-op.
    """
    try:
        match settlement:
            case Processed():
                bus.complete(message)
            case AbandonMessage():
                bus.abandon(message)
            case DeadLetterMessage(error):
                bus.dead_letter(message, error.code, error.message)
                extra = {"queue": message.queue, "message_id": message.message_id, "code": error.code}
                _log.error("message_dead_lettered", extra=extra)
            case _:
                assert_never(settlement)
    except (LockLost, TransientError) as error:
        extra = {"queue": message.queue, "message_id": message.message_id, "code": error.code}
        _log.warning("message_not_settled", extra=extra)
        return error
    return None
