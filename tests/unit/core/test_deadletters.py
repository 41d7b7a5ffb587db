from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

import pytest

from core.consumer import dispatch, settle
from core.deadletters import DeadLetters, replay_message_id
from core.errors import DeadLetterNotFound, InvalidCursor, InvalidParameters, OperationConflict
from core.listing import DeadLetterRecord
from core.machine import CoreMachine
from core.model import OutboundMessage
from core.outcome import CUT
from core.ports import DeadLetter
from testing.factories import create_test_core_machine
from testing.mock_bus import MockServiceBusRepository


@pytest.fixture
def desk() -> tuple[DeadLetters, MockServiceBusRepository, CoreMachine]:
    machine, store, bus = create_test_core_machine()
    return DeadLetters(store, machine.relay, machine.clock), bus, machine


def dead_letter(bus: MockServiceBusRepository, machine: CoreMachine, message_id: str = "m1") -> None:
    """A message that nobody can read, and its settlement."""
    bus.send([OutboundMessage("tasks", message_id, "task", b"not json")])
    (message,) = bus.receive("tasks", 1)
    settle(bus, message, dispatch(machine, message.body))


def test_dead_letters_are_written_down_once(desk: tuple[DeadLetters, MockServiceBusRepository, CoreMachine]) -> None:
    letters, bus, machine = desk
    dead_letter(bus, machine)

    assert letters.record(bus.dead_letters("tasks", 10)) == 1
    assert letters.record(bus.dead_letters("tasks", 10)) == 0
    assert letters.record([]) == 0

    (found,) = letters.listed()
    assert (found.letter.message_id, found.letter.reason, found.letter.body) == ("m1", "MESSAGE_INVALID", b"not json")


def test_a_letter_is_sent_again_under_a_new_id_each_time(
    desk: tuple[DeadLetters, MockServiceBusRepository, CoreMachine],
) -> None:
    letters, bus, machine = desk
    dead_letter(bus, machine)
    letters.record(bus.dead_letters("tasks", 10))
    (found,) = letters.listed()

    replayed = [letters.replay(found.record_id, "alice"), letters.replay(found.record_id, "bob")]

    assert [(one.replays, one.replayed_by) for one in replayed] == [(1, "alice"), (2, "bob")]
    messages = bus.receive("tasks", 10)
    assert [(message.message_id, message.body) for message in messages] == [
        (f"m1:r{found.record_id}.1", b"not json"),
        (f"m1:r{found.record_id}.2", b"not json"),
    ]


def test_a_letter_that_is_not_there_is_told(desk: tuple[DeadLetters, MockServiceBusRepository, CoreMachine]) -> None:
    with pytest.raises(DeadLetterNotFound, match="no dead letter 7"):
        desk[0].replay(7, "alice")


def test_somebody_else_was_faster(desk: tuple[DeadLetters, MockServiceBusRepository, CoreMachine]) -> None:
    letters, bus, machine = desk
    dead_letter(bus, machine)
    letters.record(bus.dead_letters("tasks", 10))
    (found,) = letters.listed()

    class Slow(DeadLetters):
        def _find(self, record_id: int) -> DeadLetterRecord:
            return found

    slow = Slow(machine.store, machine.relay, machine.clock)
    letters.replay(found.record_id, "alice")

    with pytest.raises(OperationConflict):
        slow.replay(found.record_id, "bob")


def test_what_no_store_takes_as_text_is_written_down_all_the_same(
    desk: tuple[DeadLetters, MockServiceBusRepository, CoreMachine],
) -> None:
    letters, bus, machine = desk
    dead_letter(bus, machine, "a\0b")
    dead_letter(bus, machine, "c\ud800")

    assert letters.record(bus.dead_letters("tasks", 10)) == 2
    assert [found.letter.message_id for found in letters.listed()] == ["a\ufffdb", "c\ufffd"]


def test_letters_of_one_id_are_written_down_and_sent_again_each_with_its_body(
    desk: tuple[DeadLetters, MockServiceBusRepository, CoreMachine],
) -> None:
    letters, bus, _ = desk
    found = [DeadLetter("tasks", name, "t", body, "", "") for name, body in (("m", b"1"), ("m", b"2"), ("a\0", b"1"))]

    assert letters.record([*found, DeadLetter("tasks", "a\ufffd", "t", b"2", "", "")]) == 4
    for record in letters.listed():
        letters.replay(record.record_id, "alice")

    sent = bus.receive("tasks", 10)
    assert sorted(message.body for message in sent) == [b"1", b"1", b"2", b"2"]
    assert len({message.message_id for message in sent}) == 4


def test_letters_without_an_id_get_one_made_of_their_content(
    desk: tuple[DeadLetters, MockServiceBusRepository, CoreMachine],
) -> None:
    letters, _, _ = desk

    assert letters.record([DeadLetter("tasks", "", "", body, "", "") for body in (b"1", b"2", b"1")]) == 2
    assert [record.letter.message_id for record in letters.listed()] == [
        f"no-id:{hashlib.sha256(body).hexdigest()}" for body in (b"1", b"2")
    ]


def test_who_sends_a_letter_again_is_somebody(
    desk: tuple[DeadLetters, MockServiceBusRepository, CoreMachine],
) -> None:
    letters, bus, machine = desk
    dead_letter(bus, machine)
    letters.record(bus.dead_letters("tasks", 10))
    (found,) = letters.listed()

    for nobody in ("", " ", "x" * 201):
        with pytest.raises(InvalidParameters, match="actor"):
            letters.replay(found.record_id, nobody)

    assert letters.listed()[0].replays == 0


def test_new_ids_that_are_cut_stay_apart() -> None:
    long = "x" * 127
    ids = {replay_message_id(long + end, 1, 1) for end in "ab"}
    ids |= {replay_message_id(long + "a", *numbers) for numbers in ((1, 2), (2, 1), (11, 1), (1, 11))}

    assert len(ids) == 6
    assert all(len(found) == 128 for found in ids)


@pytest.mark.parametrize(("length", "expected"), [(3, 8), (123, 128), (128, 128)])
def test_a_new_id_is_never_too_long_for_the_bus(length: int, expected: int) -> None:
    found = replay_message_id("x" * length, 7, 1)

    assert len(found) == expected
    assert found.endswith(":r7.1")


def test_what_is_longer_than_a_store_takes_is_cut_and_its_ids_stay_apart(
    desk: tuple[DeadLetters, MockServiceBusRepository, CoreMachine],
) -> None:
    letters, _, _ = desk
    found = [DeadLetter("tasks", "i" * 500 + end, "t" * 500, b"{}", "r" * 9_000, "d" * 9_000) for end in "ab"]

    assert letters.record(found) == 2

    first, second = (record.letter for record in letters.listed())
    assert len(first.message_id) == len(second.message_id) == 128
    assert first.message_id != second.message_id
    assert len(first.message_type) == 128
    assert first.reason == "r" * (4_096 - len(CUT)) + CUT
    assert first.description == "d" * (4_096 - len(CUT)) + CUT


@pytest.mark.parametrize("number", [0, -1, 2**31, 2**63 - 1, 2**63, 2**70, -(2**70)])
def test_a_number_that_no_letter_has_is_told(
    desk: tuple[DeadLetters, MockServiceBusRepository, CoreMachine], number: int
) -> None:
    letters, bus, machine = desk
    dead_letter(bus, machine)
    letters.record(bus.dead_letters("tasks", 10))

    with pytest.raises(DeadLetterNotFound):
        letters.replay(number, "alice")


@pytest.mark.parametrize(("after", "limit"), [(-1, 5), (2**63, 5), (0, 0), (0, -1), (0, 1_001)])
def test_a_page_of_letters_that_can_be_none_is_refused(
    desk: tuple[DeadLetters, MockServiceBusRepository, CoreMachine], after: int, limit: int
) -> None:
    with pytest.raises((InvalidCursor, InvalidParameters), match=r"after|limit"):
        desk[0].listed(after, limit)


def test_a_letter_that_was_deleted_at_the_same_time_is_told(
    desk: tuple[DeadLetters, MockServiceBusRepository, CoreMachine], monkeypatch: pytest.MonkeyPatch
) -> None:
    letters, bus, machine = desk
    dead_letter(bus, machine)
    letters.record(bus.dead_letters("tasks", 10))
    (found,) = letters.listed()
    replay = machine.store.replay_dead_letter

    def late(*arguments: Any) -> object:
        machine.store.delete_dead_letters(machine.clock.now() + timedelta(days=1), 10)
        return replay(*arguments)

    monkeypatch.setattr(machine.store, "replay_dead_letter", late)

    with pytest.raises(DeadLetterNotFound):
        letters.replay(found.record_id, "alice")
