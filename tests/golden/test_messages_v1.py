from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.messages import decode, task_message_encoder
from core.model import OutboundMessage
from testing.mock_bus import MockServiceBusRepository
from tests.golden.generate import JOB, MESSAGES, schemas

HERE = Path(__file__).parent

FIELDS: dict[str, dict[str, object]] = {
    "job": {"run": 1, "job_type": "hello_world"},
    "task": {
        "run": 3,
        "job_type": "hello_world",
        "stage": 2,
        "task_id": f"{JOB}:3:2:reply-7",
        "task_type": "hello_world_reply",
        "attempt": 4,
    },
    "stage_complete": {"run": 99_999, "job_type": "hello_world", "stage": 99},
}
IDS = {
    "job": f"{JOB}:1:0:-job:1",
    "task": f"{JOB}:3:2:reply-7:4",
    "stage_complete": f"{JOB}:99999:99:-stage_complete:1",
}


def golden(name: str) -> bytes:
    return (HERE / "v1" / f"{name}.json").read_bytes()


@pytest.mark.parametrize("name", MESSAGES)
def test_the_bytes_of_version_1_still_decode_to_what_they_said(name: str) -> None:
    message = decode(golden(name))

    common = {"message_type": name, "version": 1, "job_id": JOB}
    assert message.model_dump() == common | FIELDS[name]
    assert message == MESSAGES[name]
    assert message.message_id == IDS[name]


@pytest.mark.parametrize("name", MESSAGES)
def test_encoding_still_gives_the_bytes_of_version_1(name: str) -> None:
    assert MESSAGES[name].encode() == golden(name)
    assert decode(golden(name)).encode() == golden(name)


def test_the_fast_encoder_of_tasks_gives_the_bytes_of_version_1() -> None:
    first = json.loads(golden("task")) | {"attempt": 1}
    encode = task_message_encoder(JOB, 3, "hello_world", 2, "hello_world_reply")

    assert encode(first["task_id"]) == json.dumps(first, separators=(",", ":")).encode()


@pytest.mark.parametrize("name", MESSAGES)
def test_the_golden_bytes_pass_through_the_bus_unchanged(name: str) -> None:
    bus = MockServiceBusRepository()
    bus.send([OutboundMessage("jobs", IDS[name], name, golden(name))])

    (received,) = bus.receive("jobs", 1)

    assert received.body == golden(name)


def test_every_golden_file_is_tested() -> None:
    assert {path.stem for path in (HERE / "v1").iterdir()} == set(MESSAGES)


def test_the_schemas_of_hello_world_are_those_that_were_published() -> None:
    published = json.loads((HERE / "hello_world_schemas.json").read_text(encoding="utf-8"))

    assert json.loads(json.dumps(schemas())) == published
