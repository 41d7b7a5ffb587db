"""Our messages as the SDK's, and back."""

from __future__ import annotations

from datetime import UTC, datetime

from azure.servicebus import ServiceBusMessage, ServiceBusReceivedMessage
from azure.servicebus.amqp import AmqpMessageBodyType

from core.errors import InvalidIdentifier
from core.ids import MAX_MESSAGE_ID
from core.model import OutboundMessage
from core.ports import DeadLetter, ReceivedMessage

MAX_REASON = 4096
"""Characters of a dead letter's reason, and of its description, that are sent; both are message properties, and those
may take 64 KB together (the quotas page of Service Bus).
"""


def checked(message: OutboundMessage) -> OutboundMessage:
    """Raises :class:`InvalidIdentifier` for an id or a type that the bus cannot take."""
    for what, text in (("message id", message.message_id), ("message type", message.message_type)):
        if len(text) > MAX_MESSAGE_ID:
            raise InvalidIdentifier(f"a {what} of {len(text)} characters, at most {MAX_MESSAGE_ID}")
        if not (text.isascii() or _is_utf8(text)):
            raise InvalidIdentifier(f"a {what} with half of a surrogate pair")
    return message


def outgoing(message: OutboundMessage, now: datetime) -> ServiceBusMessage:
    """For one sending: the SDK writes into it. What is due is sent without a time."""
    due = message.not_before
    return ServiceBusMessage(
        message.body,
        message_id=message.message_id,
        subject=message.message_type,
        scheduled_enqueue_time_utc=due if due is not None and due > now else None,
    )


def incoming(queue: str, found: ServiceBusReceivedMessage) -> ReceivedMessage:
    return ReceivedMessage(
        queue,
        _text(found.message_id),
        _text(found.subject),
        body_of(found),
        (found.delivery_count or 0) + 1,
        str(found.lock_token),
        found.locked_until_utc or datetime.max.replace(tzinfo=UTC),
    )


def dead(queue: str, found: ServiceBusReceivedMessage) -> DeadLetter:
    return DeadLetter(
        queue,
        _text(found.message_id),
        _text(found.subject),
        body_of(found),
        _text(found.dead_letter_reason),
        _text(found.dead_letter_error_description),
    )


def body_of(found: ServiceBusReceivedMessage) -> bytes:
    """The bytes of a message. One that was not sent as bytes is none of ours; it is given as a text that says so."""
    body = found.body
    if found.body_type == AmqpMessageBodyType.DATA:
        return b"".join(body)
    if found.body_type == AmqpMessageBodyType.SEQUENCE:
        body = list(body)
    return body if isinstance(body, bytes) else str(body).encode(errors="replace")


def _text(value: object) -> str:
    """What others send may have an id that is a number, a uuid or bytes."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return "" if value is None else str(value)


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
