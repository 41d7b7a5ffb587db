from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import hypothesis.strategies as st
import pytest
from hypothesis import given

from core.errors import InvalidInput, StoreBusy, StoreInconsistent, StoreMisconfigured
from testing.service_bus_emulator.broker.changes import Amended, Change, Dropped, IdSeen, Numbered, Put, StateSet
from testing.service_bus_emulator.broker.errors import EntityNotFound, JournalFailed, MessageLockLost
from testing.service_bus_emulator.broker.journal import MAGIC, Journal
from testing.service_bus_emulator.broker.journal_codec import decode, encode
from testing.service_bus_emulator.broker.message import DeadLetterInfo, Message, MessageState, ReceiveMode, Stored
from testing.service_bus_emulator.broker.namespace import Namespace
from testing.service_bus_emulator.broker.queue import Queue
from testing.service_bus_emulator.broker.rules import QueueRules
from tests.unit.testing.service_bus_emulator.broker.bench import Bench, message, names

TIMES = st.datetimes(timezones=st.just(UTC))
TEXTS = st.text(st.characters(), max_size=5)
SOME_TEXT = st.one_of(st.none(), TEXTS)
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), TEXTS, st.binary(), TIMES, st.uuids()
)
PROPERTIES = st.dictionaries(TEXTS, VALUES, max_size=3)
MESSAGES = st.builds(
    Message,
    payload=st.binary(),
    size=st.integers(0),
    message_id=SOME_TEXT,
    session_id=SOME_TEXT,
    partition_key=SOME_TEXT,
    time_to_live=st.one_of(st.none(), st.timedeltas()),
    scheduled_at=st.one_of(st.none(), TIMES),
)
STORED = st.builds(
    Stored,
    MESSAGES,
    st.integers(1),
    TIMES,
    st.one_of(st.none(), TIMES),
    st.sampled_from(MessageState),
    st.integers(0),
    st.one_of(st.none(), st.builds(DeadLetterInfo, SOME_TEXT, SOME_TEXT, TEXTS)),
    PROPERTIES,
)
NUMBERS = st.integers(0)
CHANGES = st.lists(
    st.one_of(
        st.builds(Put, TEXTS, STORED),
        st.builds(Amended, TEXTS, NUMBERS, st.sampled_from(MessageState), NUMBERS, PROPERTIES),
        st.builds(Dropped, TEXTS, NUMBERS),
        st.builds(StateSet, TEXTS, TEXTS, st.one_of(st.none(), st.binary()), TIMES),
        st.builds(IdSeen, TEXTS, TEXTS, TIMES, NUMBERS),
        st.builds(Numbered, TEXTS, NUMBERS),
    )
)
RULES = QueueRules(
    lock_duration=timedelta(seconds=10), duplicate_window=timedelta(seconds=60), default_time_to_live=timedelta(60)
)


@given(CHANGES)
def test_what_is_encoded_is_decoded(changes: list[Change]) -> None:
    assert decode(encode(changes)) == changes


class Disk:
    """One journal file, and all who opened it, to be closed at the end of the test."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.opened: list[Journal] = []

    def journal(self) -> Journal:
        journal = Journal(self.path)
        self.opened.append(journal)
        return journal

    def process(self, at: datetime | None = None, **rules: QueueRules) -> Process:
        return Process(self, at, rules or {"q": RULES})


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    disk = Disk(tmp_path / "below" / "broker.journal")
    yield disk
    for journal in disk.opened:
        journal.close()


class Process:
    """A namespace on a journal, which ends as a process does: without a word."""

    def __init__(self, disk: Disk, at: datetime | None, rules: dict[str, QueueRules]) -> None:
        self.disk = disk
        self.journal = disk.journal()
        self.namespace = Namespace(rules, journal=self.journal)
        self.bench = Bench(queue=self.namespace.find("q"))
        if at is not None:
            self.bench.clock.advance((at - self.bench.now).total_seconds())

    def die(self) -> None:
        self.journal.close()

    def again(self, **rules: QueueRules) -> Process:
        self.die()
        return self.disk.process(self.bench.now, **rules)

    @property
    def queue(self) -> Queue:
        return self.bench.queue


class TestOutliving:
    def test_what_was_sent_is_there_and_what_was_completed_is_not(self, disk: Disk) -> None:
        first = disk.process()
        first.bench.send("1", "2", "3")
        one, two, _ = first.bench.receive()
        first.queue.complete(one.lock_token, first.bench.now)
        first.queue.abandon(two.lock_token, first.bench.now, properties_to_modify={"n": UUID(int=1)})

        second = first.again()

        found = second.bench.receive()
        assert names(found) == ["2", "3"]
        assert [one.stored.delivery_count for one in found] == [1, 0]
        assert found[0].stored.properties_to_modify == {"n": UUID(int=1)}

    def test_the_old_locks_are_worth_nothing(self, disk: Disk) -> None:
        first = disk.process()
        first.bench.send("1")
        token = first.bench.one().lock_token

        second = first.again()

        with pytest.raises(MessageLockLost):
            second.queue.complete(token, second.bench.now)
        assert second.bench.one().stored.delivery_count == 0

    def test_states_dead_letters_schedules_and_expiry_are_as_they_were(self, disk: Disk) -> None:
        first = disk.process()
        bench = first.bench
        bench.send("deferred", "dead", message("scheduled", due=bench.later(5)), message("short", life=3))
        deferred, dead, _ = bench.receive()
        first.queue.defer(deferred.lock_token, bench.now)
        first.queue.dead_letter(dead.lock_token, bench.now, reason="BAD")
        before = (first.queue.peek(0, 9, bench.now), first.queue.properties(bench.now), bench.dead())

        second = first.again()

        now = second.bench.now
        assert (second.queue.peek(0, 9, now), second.queue.properties(now), second.bench.dead()) == before
        second.bench.clock.advance(5)
        assert names(second.bench.receive()) == ["scheduled"]
        assert names(second.bench.deferred(1)) == ["deferred"]

    def test_numbers_are_not_given_again_and_ids_are_remembered(self, disk: Disk) -> None:
        first = disk.process()
        first.bench.send("1", "2")
        for _ in range(2):
            first.bench.one(mode=ReceiveMode.RECEIVE_AND_DELETE)

        second = first.again()

        assert second.bench.send("1", "3") == [1, 3]

    def test_a_queue_that_is_written_otherwise_is_the_same(self, disk: Disk) -> None:
        first = disk.process(q=RULES)
        first.bench.send("1", "2")

        second = first.again(Q=RULES)
        second.bench.one(mode=ReceiveMode.RECEIVE_AND_DELETE)
        third = second.again(q=RULES)

        assert names(third.bench.receive()) == ["2"]

    def test_session_states_stay(self, disk: Disk) -> None:
        rules = QueueRules(requires_session=True)
        first = disk.process(q=rules)
        first.queue.accept_session("a", "me", first.bench.now)
        first.queue.set_session_state("a", b"half", "me", first.bench.now)

        second = first.again(q=rules)

        second.queue.accept_session("a", "you", second.bench.now)
        assert second.queue.session_state("a", "you", second.bench.now) == b"half"
        assert second.queue.properties(second.bench.now).size_bytes == 4


class TestTornAndDamaged:
    def test_a_journal_cut_anywhere_holds_every_operation_before_the_cut_whole(self, disk: Disk) -> None:
        process = disk.process()
        sizes = [process.journal.size]
        for batch in (["1", "2"], ["3"], ["4", "5"]):
            process.bench.send(*batch)
            sizes.append(process.journal.size)
        process.die()
        whole = disk.path.read_bytes()
        assert len(whole) == sizes[-1]

        for cut in range(len(whole)):
            disk.path.write_bytes(whole[:cut])
            again = disk.process()
            operations = sum(size <= cut for size in sizes[1:])
            assert len(again.bench.receive()) == [0, 2, 3, 5][operations]
            again.bench.send("after")
            again = again.again()
            assert again.queue.peek(0, 99, again.bench.now)[-1].message.message_id == "after"
            again.die()

    def test_zeros_at_the_end_are_a_torn_write(self, disk: Disk) -> None:
        process = disk.process()
        process.bench.send("1")
        process.die()
        with disk.path.open("ab") as file:
            file.write(bytes(4096))

        assert names(disk.process().bench.receive()) == ["1"]

    @pytest.mark.parametrize("offset", [0, 5, 9, 13, 40])
    def test_damage_before_the_end_is_told(self, disk: Disk, offset: int) -> None:
        process = disk.process()
        process.bench.send("1")
        process.bench.send("2")
        process.die()
        data = bytearray(disk.path.read_bytes())
        data[offset] ^= 0xFF
        disk.path.write_bytes(bytes(data))

        with pytest.raises(StoreInconsistent):
            Namespace({"q": RULES}, journal=disk.journal())

    def test_changes_of_messages_that_never_were_are_told(self, disk: Disk) -> None:
        journal = disk.journal()
        assert list(journal.read()) == []
        journal.append([Dropped("q", 7)])
        journal.close()

        with pytest.raises(StoreInconsistent, match="7"):
            Namespace({"q": RULES}, journal=disk.journal())

    def test_a_record_of_another_version_is_told(self) -> None:
        with pytest.raises(ValueError, match="other"):
            decode(b'[{"do": "other", "queue": "q"}]')

    def test_two_processes_do_not_share_one(self, disk: Disk) -> None:
        process = disk.process()

        with pytest.raises(StoreBusy):
            disk.journal()

        process.die()
        disk.journal().close()

    def test_one_that_cannot_be_opened_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(StoreMisconfigured, match="cannot be opened"):
            Journal(tmp_path / "file" / "broker.journal")

    def test_a_directory_in_its_place_is_told(self, disk: Disk) -> None:
        disk.path.mkdir(parents=True)
        with pytest.raises(StoreMisconfigured, match="cannot be opened"):
            disk.process()

    def test_a_failed_write_fails_all_that_follow(self, disk: Disk) -> None:
        process = disk.process()
        process.bench.send("1")
        process.journal._file = Full(process.journal._file)  # type: ignore[assignment]

        for _ in range(2):
            with pytest.raises(JournalFailed):
                process.bench.send("2")

        assert names(process.again().bench.receive()) == ["1"]


class Full:
    """A file on a disk with no room left."""

    def __init__(self, file: object) -> None:
        self._file = file

    def write(self, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    def close(self) -> None:
        self._file.close()  # type: ignore[attr-defined]


class TestCompaction:
    def test_a_journal_stays_small_however_much_went_through(self, disk: Disk) -> None:
        journal = disk.journal()
        namespace = Namespace({"q": RULES}, journal=journal, min_compacted_bytes=20_000)
        bench = Bench(queue=namespace.find("q"))
        bench.send("stays")
        bench.queue.defer(bench.one().lock_token, bench.now)

        for number in range(500):
            bench.send(str(number))
            bench.one(mode=ReceiveMode.RECEIVE_AND_DELETE)
            bench.clock.advance(5)

        assert disk.path.stat().st_size == journal.size <= 20_000 + 1_000
        journal.close()
        again = disk.process(bench.now)
        assert names(again.bench.deferred(1)) == ["stays"]
        assert again.bench.send("new") == [502]

    def test_a_compacted_journal_says_the_same(self, disk: Disk) -> None:
        process = disk.process()
        bench = process.bench
        bench.send("1", "2", message("3", due=bench.later(5)), "4")
        first, second, _ = bench.receive()
        process.queue.dead_letter(first.lock_token, bench.now)
        process.queue.abandon(second.lock_token, bench.now)
        before = (process.queue.peek(0, 9, bench.now), bench.dead())

        process.journal.compact(process.queue.snapshot())
        assert list(disk.path.parent.glob("*.new")) == []
        bench.send("5")

        again = process.again()
        after = (again.queue.peek(0, 9, bench.now)[:-1], again.bench.dead())
        assert after == before
        assert again.bench.send("1", "6") == [1, 6]

    def test_a_compaction_that_a_crash_interrupted_left_the_old_one(self, disk: Disk) -> None:
        process = disk.process()
        process.bench.send("1")
        process.die()
        disk.path.with_name(disk.path.name + ".new").write_bytes(MAGIC + b"half of it")

        assert names(disk.process().bench.receive()) == ["1"]

    def test_numbers_are_not_given_again_after_a_compaction_of_nothing(self, disk: Disk) -> None:
        process = disk.process(q=QueueRules())
        process.bench.send("1", "2")
        for _ in range(2):
            process.bench.one(mode=ReceiveMode.RECEIVE_AND_DELETE)

        process.journal.compact(process.queue.snapshot())

        assert process.again(q=QueueRules()).bench.send("3") == [3]

    def test_without_room_for_a_compaction_it_goes_on_and_tries_again_later(self, disk: Disk) -> None:
        process = disk.process()
        process.bench.send("1")
        in_the_way = disk.path.with_name(disk.path.name + ".new")
        in_the_way.mkdir()

        assert not process.journal.compact(process.queue.snapshot())
        process.bench.send("2")
        in_the_way.rmdir()
        assert process.journal.compact(process.queue.snapshot())
        process.bench.send("3")

        assert names(process.again().bench.receive()) == ["1", "2", "3"]

    def test_a_namespace_compacts_what_it_grew_from_its_start_on(self, disk: Disk) -> None:
        process = disk.process()
        for number in range(100):
            process.bench.send(str(number))
            process.bench.one(mode=ReceiveMode.RECEIVE_AND_DELETE)
            process.bench.clock.advance(30)
        process.die()
        before = disk.path.stat().st_size

        namespace = Namespace({"q": RULES}, journal=disk.journal(), min_compacted_bytes=0)
        bench = Bench(queue=namespace.find("q"))
        bench.clock.advance(3600)
        for number in range(150):
            bench.send(f"more {number}")
            bench.one(mode=ReceiveMode.RECEIVE_AND_DELETE)
            bench.clock.advance(30)

        assert disk.path.stat().st_size < before


class TestNamespace:
    def test_queues_and_their_dead_letters_are_found_in_any_case(self) -> None:
        namespace = Namespace({"Jobs": RULES, "tasks": RULES})

        jobs = namespace.find("jobs")
        assert (jobs.path, namespace.find("/JOBS")) == ("Jobs", jobs)
        assert namespace.find("jobs/$DeadLetterQueue") is jobs.dead_letter_queue
        assert [queue.path for queue in namespace] == ["Jobs", "tasks"]
        for path in ("nobody", "jobs/$transfer/$deadletterqueue", "jobs/$management"):
            with pytest.raises(EntityNotFound):
                namespace.find(path)

    def test_the_next_event_is_the_next_of_any_queue(self) -> None:
        namespace = Namespace({"a": RULES, "b": RULES})
        a, b = Bench(queue=namespace.find("a")), Bench(queue=namespace.find("b"))
        a.send(message("1", due=a.later(5)))
        b.send("2")
        b.one()

        assert namespace.next_event(a.now) == a.later(5)
        namespace.advance(a.later(5))
        assert namespace.next_event(a.later(5)) == b.later(10)

    def test_what_has_no_queue_any_more_is_told_and_an_empty_one_forgotten(self, disk: Disk) -> None:
        process = disk.process(q=RULES, other=RULES)
        process.namespace.find("other").send([message("1")], process.bench.now)
        with pytest.raises(InvalidInput, match="other"):
            process.again(q=RULES)

    def test_what_a_queue_cannot_take_any_more_is_told(self, disk: Disk) -> None:
        process = disk.process()
        process.bench.send("1")

        with pytest.raises(InvalidInput, match="sessions"):
            process.again(q=QueueRules(requires_session=True))
