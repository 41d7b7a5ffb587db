from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from core.errors import BlobNotFound, BusUnavailable, CoreMachineError, MessageTooLarge, StoreUnavailable
from core.model import OutboundMessage
from core.postponed import is_postponed
from infrastructure.functions.queue_trigger import QueueTrigger
from infrastructure.service_bus.messages import checked
from testing.factories import MachineOnMocks, create_test_core_machine


@dataclass
class Message:
    body: bytes
    message_id: str | None = "job:1:0:-job:1"
    label: str | None = "job"

    def get_body(self) -> bytes:
        return self.body


def as_it_is(body: bytes) -> bytes:
    return body


def trigger(on: MachineOnMocks, restore: object = as_it_is) -> QueueTrigger:
    return QueueTrigger("jobs", on.machine, on.bus, restore)  # type: ignore[arg-type]


@pytest.fixture
def on() -> MachineOnMocks:
    return create_test_core_machine()


def submitted(on: MachineOnMocks) -> Message:
    on.machine.submit("hello_world", {"n": 1})
    (sent,) = on.bus.receive("jobs", 1)
    on.bus.complete(sent)
    return Message(sent.body, sent.message_id, sent.message_type)


def test_a_message_that_is_processed_leaves_nothing_behind_but_its_work(on: MachineOnMocks) -> None:
    trigger(on)(submitted(on))

    assert [sent["message_type"] for sent in on.bus.get_messages_for_queue("tasks")] == ["task"]
    assert on.state.list_dead_letters(0, 10) == []


def test_a_message_whose_store_is_away_is_sent_again_for_later_and_then_processed(
    on: MachineOnMocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = submitted(on)

    def away(*_: object) -> None:
        raise StoreUnavailable("no answer")

    with monkeypatch.context() as patched:
        patched.setattr(on.state, "load_run", away)
        trigger(on)(message)
        assert on.bus.receive("jobs", 1) == []
    on.bus.clock.advance(2)
    (copy,) = on.bus.receive("jobs", 1)
    trigger(on)(Message(copy.body, copy.message_id, copy.message_type))

    assert (is_postponed(copy.message_id), copy.body) == (True, message.body)
    assert len(on.bus.get_messages_for_queue("tasks")) == 1


def test_where_the_bus_is_away_too_the_broker_keeps_the_message(
    on: MachineOnMocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = submitted(on)

    def store_away(*_: object) -> None:
        raise StoreUnavailable("no answer")

    def bus_away(*_: object) -> None:
        raise BusUnavailable("no answer")

    monkeypatch.setattr(on.state, "load_run", store_away)
    monkeypatch.setattr(on.bus, "send", bus_away)

    with pytest.raises(BusUnavailable):
        trigger(on)(message)


def test_poison_is_written_down_with_its_reason_and_done_with(on: MachineOnMocks) -> None:
    trigger(on)(Message(b"not json", "x-1", None))

    (record,) = on.state.list_dead_letters(0, 10)
    letter = record.letter
    assert (letter.queue, letter.message_id, letter.body, letter.reason) == (
        "jobs",
        "x-1",
        b"not json",
        "MESSAGE_INVALID",
    )
    assert on.bus.receive("jobs", 1) == []


def test_strangers_messages_without_an_id_are_told_apart_by_their_content(on: MachineOnMocks) -> None:
    for body in (b"one", b"two", b"one"):
        trigger(on)(Message(body, None, None))

    assert [record.letter.body for record in on.state.list_dead_letters(0, 10)] == [b"one", b"two"]


def test_poison_whose_id_was_seen_before_is_written_down_as_well(on: MachineOnMocks) -> None:
    for body in (b"one", b"two"):
        trigger(on)(Message(body, "x-1"))

    assert [record.letter.body for record in on.state.list_dead_letters(0, 10)] == [b"one", b"two"]


def test_strangers_ids_and_labels_are_sent_again_as_the_bus_takes_them(
    on: MachineOnMocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise StoreUnavailable("no answer")

    message = submitted(on)
    monkeypatch.setattr(on.state, "load_run", away)
    sent: list[OutboundMessage] = []
    monkeypatch.setattr(on.bus, "send", lambda messages: sent.extend(map(checked, messages)))

    for message_id, label in (("m", "l" * 500), ("i" * 500, "l"), ("half \ud800", "half \ud800"), (None, None)):
        trigger(on)(Message(message.body, message_id, label))

    assert len({one.message_id for one in sent}) == 4
    assert [one.body for one in sent] == [message.body] * 4
    assert on.state.list_dead_letters(0, 10) == []


def test_what_the_bus_refuses_for_good_is_written_down_with_that_reason(
    on: MachineOnMocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = submitted(on)

    def away(*_: object) -> None:
        raise StoreUnavailable("no answer")

    def refuses(*_: object) -> None:
        raise MessageTooLarge("over the limit")

    monkeypatch.setattr(on.state, "load_run", away)
    monkeypatch.setattr(on.bus, "send", refuses)
    trigger(on)(message)

    (record,) = on.state.list_dead_letters(0, 10)
    assert (record.letter.body, record.letter.reason) == (message.body, "MESSAGE_TOO_LARGE")

    monkeypatch.setattr(on.state, "record_dead_letters", away)
    with pytest.raises(StoreUnavailable):
        trigger(on)(message)


def test_poison_that_cannot_be_written_down_comes_again(on: MachineOnMocks, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise StoreUnavailable("no answer")

    monkeypatch.setattr(on.state, "record_dead_letters", away)

    trigger(on)(Message(b"not json", "x-1", None))

    assert [sent["message_id"] for sent in on.bus.get_messages_for_queue("jobs")] == [
        f"x-1:w0-{on.bus.clock.now().timestamp() + 1:.0f}"
    ]


def test_a_task_that_fails_is_the_engines_to_retry_and_its_message_is_done(on: MachineOnMocks) -> None:
    on.machine.submit("hello_world", {"n": 1, "failure_rate": 1.0})
    first = trigger(on)
    for queue in ("jobs", "tasks"):
        for sent in on.bus.receive(queue, 10):
            on.bus.complete(sent)
            first(Message(sent.body, sent.message_id, sent.message_type))

    assert not any(is_postponed(str(sent["message_id"])) for sent in on.bus.get_sent_messages())
    assert on.state.list_dead_letters(0, 10) == []


@pytest.mark.parametrize(
    ("error", "postponed", "buried"),
    [(BlobNotFound("gone"), 0, 1), (StoreUnavailable("away"), 1, 0)],
)
def test_a_body_that_cannot_be_fetched_is_settled_by_its_error(
    on: MachineOnMocks, error: CoreMachineError, postponed: int, buried: int
) -> None:
    def restore(body: bytes) -> bytes:
        raise error

    trigger(on, restore)(Message(json.dumps({"claim": 1}).encode(), "m"))

    assert len(on.bus.get_sent_messages()) == postponed
    assert [record.letter.reason for record in on.state.list_dead_letters(0, 10)] == ["BLOB_NOT_FOUND"] * buried
