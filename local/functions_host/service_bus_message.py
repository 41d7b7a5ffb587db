"""What a function gets for a message: made by the library's own converter from what the real host sends it.

Source: `azure.functions.servicebus.ServiceBusMessageInConverter` (the fields that it reads), the reference of the
trigger ("Message metadata"). A body that is UTF-8 goes as a text and any other as bytes, which ends in the same bytes.
The time to live is left out: the library cannot read one of a day or more.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from azure.functions import ServiceBusMessage
from azure.functions.meta import Datum
from azure.functions.servicebus import ServiceBusMessageInConverter
from azure.servicebus import ServiceBusReceivedMessage
from azure.servicebus.amqp import AmqpMessageBodyType


def function_message(message: ServiceBusReceivedMessage) -> ServiceBusMessage:
    made = ServiceBusMessageInConverter.decode(trigger_data(message), trigger_metadata=trigger_metadata(message))
    if isinstance(made, list):
        raise TypeError("the library took one message for several")
    return made


def trigger_data(message: ServiceBusReceivedMessage) -> Datum:
    """The body as the host sends it to its worker."""
    return _body(body_bytes(message))


def trigger_metadata(message: ServiceBusReceivedMessage) -> dict[str, Datum]:
    """What the host sends beside the body; what the message has not is left out."""
    return {name: datum for name, value in _metadata(message).items() if (datum := _datum(value)) is not None}


def body_bytes(message: ServiceBusReceivedMessage) -> bytes:
    """The body as bytes; of a value that is neither bytes nor text, its JSON."""
    if message.body_type is AmqpMessageBodyType.DATA:
        return b"".join(message.body)
    value = message.body if message.body_type is AmqpMessageBodyType.VALUE else list(message.body)
    if isinstance(value, bytes):
        return value
    return value.encode() if isinstance(value, str) else _json(value).encode()


def application_properties(message: ServiceBusReceivedMessage) -> dict[str, Any]:
    """By name; values that JSON does not have are texts."""
    properties: Mapping[Any, Any] = message.application_properties or {}
    if not properties:
        return {}
    plain: dict[str, Any] = json.loads(_json(properties))
    return plain


def _metadata(message: ServiceBusReceivedMessage) -> dict[str, object]:
    properties = application_properties(message)
    return {
        "ApplicationProperties": properties,
        "UserProperties": properties,
        "ContentType": message.content_type,
        "CorrelationId": message.correlation_id,
        "DeadLetterErrorDescription": message.dead_letter_error_description,
        "DeadLetterReason": message.dead_letter_reason,
        "DeadLetterSource": message.dead_letter_source,
        # The host counts this delivery too; the SDK counts the ones before.
        "DeliveryCount": (message.delivery_count or 0) + 1,
        "EnqueuedSequenceNumber": message.enqueued_sequence_number,
        "EnqueuedTimeUtc": message.enqueued_time_utc,
        "ExpiresAtUtc": message.expires_at_utc,
        "Label": message.subject,
        "Subject": message.subject,
        "LockedUntil": message.locked_until_utc,
        "LockToken": str(message.lock_token) if message.lock_token else None,
        "MessageId": message.message_id,
        "PartitionKey": message.partition_key,
        "ReplyTo": message.reply_to,
        "ReplyToSessionId": message.reply_to_session_id,
        "ScheduledEnqueueTimeUtc": message.scheduled_enqueue_time_utc,
        "SequenceNumber": message.sequence_number,
        "SessionId": message.session_id,
        "State": message.state.value,
        "To": message.to,
    }


def _datum(value: object) -> Datum | None:
    match value:
        case None:
            return None
        case str() | bytes():
            return Datum(type="string", value=_plain(value))
        case datetime():
            return Datum(type="string", value=value.astimezone(UTC).isoformat())
        case _:
            return Datum(type="json", value=_json(value))


def _body(body: bytes) -> Datum:
    try:
        return Datum(type="string", value=body.decode())
    except UnicodeDecodeError:
        return Datum(type="bytes", value=body)


def _plain(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _json(value: object) -> str:
    return json.dumps(_with_text_keys(value), default=_plain)


def _with_text_keys(value: object) -> object:
    """AMQP's maps have keys of any kind, which the SDK gives as they came: texts as bytes."""
    match value:
        case Mapping():
            return {_plain(key): _with_text_keys(one) for key, one in value.items()}
        case list() | tuple():
            return [_with_text_keys(one) for one in value]
        case _:
            return value
