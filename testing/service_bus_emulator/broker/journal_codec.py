"""Changes as JSON: one array of objects for the changes of one operation."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, assert_never
from uuid import UUID

from testing.service_bus_emulator.broker.changes import Amended, Change, Dropped, IdSeen, Numbered, Put, StateSet
from testing.service_bus_emulator.broker.message import (
    DeadLetterInfo,
    Message,
    MessageState,
    PropertyValue,
    Stored,
)

MICROSECOND = timedelta(microseconds=1)


def encode(changes: Sequence[Change]) -> bytes:
    return json.dumps([_encoded(change) for change in changes], separators=(",", ":")).encode()


def decode(record: bytes) -> list[Change]:
    """Raises ValueError, KeyError or TypeError for what :func:`encode` did not write."""
    return [_decoded(value) for value in json.loads(record)]


def _encoded(change: Change) -> dict[str, Any]:
    match change:
        case Put(path, stored):
            return {"do": "put", "queue": path, **_stored(stored)}
        case Amended(path, number, state, count, properties):
            what = {"state": int(state), "count": count, "properties": _properties(properties)}
            return {"do": "amend", "queue": path, "number": number, **what}
        case Dropped(path, number):
            return {"do": "drop", "queue": path, "number": number}
        case StateSet(path, session_id, state_bytes, at):
            return {"do": "state", "queue": path, "session": session_id, "state": _text(state_bytes), "at": _time(at)}
        case IdSeen(path, message_id, at, number):
            return {"do": "seen", "queue": path, "id": message_id, "at": _time(at), "number": number}
        case Numbered(path, last):
            return {"do": "number", "queue": path, "last": last}
        case _:
            assert_never(change)


def _decoded(value: dict[str, Any]) -> Change:
    path = value["queue"]
    match value["do"]:
        case "put":
            return Put(path, _read_stored(value))
        case "amend":
            state = MessageState(value["state"])
            return Amended(path, value["number"], state, value["count"], _read_properties(value["properties"]))
        case "drop":
            return Dropped(path, value["number"])
        case "state":
            return StateSet(path, value["session"], _bytes(value["state"]), datetime.fromisoformat(value["at"]))
        case "seen":
            return IdSeen(path, value["id"], datetime.fromisoformat(value["at"]), value["number"])
        case "number":
            return Numbered(path, value["last"])
        case other:
            raise ValueError(f"no change is called {other!r}")


def _stored(stored: Stored) -> dict[str, Any]:
    dead = stored.dead_letter
    return {
        "message": _message(stored.message),
        "number": stored.sequence_number,
        "enqueued": _time(stored.enqueued_at),
        "expires": _time(stored.expires_at),
        "state": int(stored.state),
        "count": stored.delivery_count,
        "dead": None if dead is None else [dead.reason, dead.description, dead.source],
        "properties": _properties(stored.properties_to_modify),
    }


def _read_stored(value: dict[str, Any]) -> Stored:
    return Stored(
        message=_read_message(value["message"]),
        sequence_number=value["number"],
        enqueued_at=datetime.fromisoformat(value["enqueued"]),
        expires_at=_read_time(value["expires"]),
        state=MessageState(value["state"]),
        delivery_count=value["count"],
        dead_letter=None if value["dead"] is None else DeadLetterInfo(*value["dead"]),
        properties_to_modify=_read_properties(value["properties"]),
    )


def _message(message: Message) -> dict[str, Any]:
    life = message.time_to_live
    return {
        "payload": _text(message.payload),
        "size": message.size,
        "id": message.message_id,
        "session": message.session_id,
        "partition": message.partition_key,
        "life": None if life is None else life // MICROSECOND,
        "due": _time(message.scheduled_at),
    }


def _read_message(value: dict[str, Any]) -> Message:
    life = value["life"]
    return Message(
        payload=b64decode(value["payload"], validate=True),
        size=value["size"],
        message_id=value["id"],
        session_id=value["session"],
        partition_key=value["partition"],
        time_to_live=None if life is None else timedelta(microseconds=life),
        scheduled_at=_read_time(value["due"]),
    )


def _properties(properties: Mapping[str, PropertyValue]) -> dict[str, Any]:
    return {name: _property(value) for name, value in properties.items()}


def _property(value: PropertyValue) -> Any:
    """What JSON has no word for is an array of a word and a text."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case bytes():
            return ["bytes", _text(value)]
        case datetime():
            return ["time", _time(value)]
        case UUID():
            return ["uuid", str(value)]
        case _:
            assert_never(value)


def _read_properties(values: dict[str, Any]) -> dict[str, PropertyValue]:
    return {name: _read_property(value) for name, value in values.items()}


def _read_property(value: Any) -> PropertyValue:
    match value:
        case ["bytes", str(text)]:
            return b64decode(text, validate=True)
        case ["time", str(text)]:
            return datetime.fromisoformat(text)
        case ["uuid", str(text)]:
            return UUID(text)
        case None | bool() | int() | float() | str():
            return value
        case _:
            raise ValueError(f"no property is written as {value!r}")


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _read_time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _text(data: bytes | None) -> str | None:
    return None if data is None else b64encode(data).decode()


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else b64decode(text, validate=True)
