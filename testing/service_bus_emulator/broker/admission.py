"""What a queue refuses before it takes anything."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from testing.service_bus_emulator.broker.errors import (
    ArgumentInvalid,
    ArgumentOutOfRange,
    EntityDisabled,
    EntityQuotaExceeded,
    MessageSizeExceeded,
    OperationNotAllowed,
)
from testing.service_bus_emulator.broker.message import Message
from testing.service_bus_emulator.broker.rules import EntityStatus, QueueRules

MAX_ID = 128
"""Characters of a message id, a session id, a partition key. Source: the quotas page of Service Bus."""


def check_sends(path: str, status: EntityStatus) -> None:
    if not status.sends:
        raise EntityDisabled(f"{path} takes no messages: {status.value}")


def check_receives(path: str, status: EntityStatus) -> None:
    if not status.receives:
        raise EntityDisabled(f"{path} gives no messages: {status.value}")


def check_scheduled(messages: Sequence[Message]) -> None:
    if any(message.scheduled_at is None for message in messages):
        raise ArgumentInvalid("a message without a scheduled enqueue time was to be scheduled")


def check_messages(rules: QueueRules, messages: Sequence[Message], batch_bytes: int | None) -> None:
    for message in messages:
        _check_message(rules, message)
    total = sum(message.size for message in messages) if batch_bytes is None else batch_bytes
    if (batch_bytes is not None or len(messages) > 1) and total > rules.batch_bytes:
        raise MessageSizeExceeded(f"a batch of {total} bytes, at most {rules.batch_bytes}")


def check_quota(rules: QueueRules, messages: Sequence[Message], held_bytes: int) -> None:
    check_room(rules, sum(message.size for message in messages), held_bytes)


def check_room(rules: QueueRules, more_bytes: int, held_bytes: int) -> None:
    if more_bytes > 0 and held_bytes + more_bytes > rules.max_size_bytes:
        raise EntityQuotaExceeded(
            f"no room for {more_bytes} bytes: the queue holds {held_bytes} of at most {rules.max_size_bytes}"
        )


def _check_message(rules: QueueRules, message: Message) -> None:
    if message.size > rules.message_bytes:
        raise MessageSizeExceeded(f"a message of {message.size} bytes, at most {rules.message_bytes}")
    for name in ("message_id", "session_id", "partition_key"):
        value = getattr(message, name)
        if value is not None and len(value) > MAX_ID:
            raise ArgumentOutOfRange(f"a {name} of {len(value)} characters, at most {MAX_ID}")
    if message.time_to_live is not None and message.time_to_live < timedelta(0):
        raise ArgumentOutOfRange("a negative time to live")
    if rules.requires_session and message.session_id is None:
        raise OperationNotAllowed("a message without a session id for a queue that requires sessions")
