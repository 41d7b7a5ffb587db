"""The state store's contract: dead letters that are written down, listed and sent again."""

from __future__ import annotations

from core.listing import NewDeadLetter
from core.model import RunStatus
from core.ports import StateStore
from testing.contracts.scenario import BROKEN, FOREVER, Scenario, at


def letter(message_id: str = "job:1:2:x:1", queue: str = "tasks", body: bytes = b'{"a": "\xc3\xa4"}') -> NewDeadLetter:
    return NewDeadLetter(queue, message_id, "task", body, "MaxDeliveryCountExceeded", "tried 10 times")


class DeadLetterContract:
    def test_a_letter_is_written_down_once(self, store: StateStore) -> None:
        assert store.record_dead_letters([letter(), letter("b")], at(1)) == 2
        assert store.record_dead_letters([letter(), letter("c"), letter("c")], at(2)) == 1
        assert store.record_dead_letters([], at(3)) == 0

        found = store.list_dead_letters(0, 10)

        assert [record.letter for record in found] == [letter(), letter("b"), letter("c")]
        assert [record.recorded_at for record in found] == [at(1), at(1), at(2)]
        assert [(record.replays, record.replayed_at, record.replayed_by) for record in found] == [(0, None, "")] * 3

    def test_queues_do_not_share_message_ids(self, store: StateStore) -> None:
        assert store.record_dead_letters([letter(queue="tasks"), letter(queue="jobs")], at(1)) == 2

    def test_letters_of_one_id_are_told_apart_by_their_bodies(self, store: StateStore) -> None:
        assert store.record_dead_letters([letter(body=b"one"), letter(body=b"two")], at(1)) == 2
        assert store.record_dead_letters([letter(body=b"two"), letter(body=b""), letter(body=b"one")], at(2)) == 1

        assert [record.letter.body for record in store.list_dead_letters(0, 10)] == [b"one", b"two", b""]

    def test_pages_hold_every_letter_once_in_the_order_of_writing(self, store: StateStore) -> None:
        for number in range(7):
            store.record_dead_letters([letter(f"m{number}")], at(number))

        for limit in (1, 3, 7, 8):
            seen, after = [], 0
            while page := store.list_dead_letters(after, limit):
                assert len(page) <= limit
                seen += [record.letter.message_id for record in page]
                after = page[-1].record_id
            assert seen == [f"m{number}" for number in range(7)]

    def test_a_letter_is_sent_again_under_a_new_id(self, store: StateStore) -> None:
        store.record_dead_letters([letter()], at(1))
        (record,) = store.list_dead_letters(0, 10)

        row = store.replay_dead_letter(record.record_id, 0, "job:1:2:x:1:r1", "alice", at(5))

        assert row is not None
        assert list(store.unpublished(10, at(6))) == [row]
        message = row.message
        assert (message.queue, message.message_id, message.message_type) == ("tasks", "job:1:2:x:1:r1", "task")
        assert (message.body, message.not_before) == (letter().body, None)
        (after,) = store.list_dead_letters(0, 10)
        assert (after.replays, after.replayed_at, after.replayed_by) == (1, at(5), "alice")
        assert (after.letter, after.recorded_at) == (record.letter, record.recorded_at)

    def test_of_two_replays_at_once_one_is_refused(self, store: StateStore) -> None:
        store.record_dead_letters([letter()], at(1))
        (record,) = store.list_dead_letters(0, 10)
        store.replay_dead_letter(record.record_id, 0, "r1", "alice", at(5))

        assert store.replay_dead_letter(record.record_id, 0, "r1", "bob", at(6)) is None
        assert store.replay_dead_letter(record.record_id, 2, "r3", "bob", at(6)) is None
        assert store.replay_dead_letter(record.record_id + 1, 0, "r1", "bob", at(6)) is None
        assert len(store.unpublished(10, at(FOREVER))) == 1
        assert store.replay_dead_letter(record.record_id, 1, "r2", "bob", at(7)) is not None
        assert store.list_dead_letters(0, 10)[0].replayed_by == "bob"

    def test_a_letter_that_was_published_leaves_the_outbox(self, store: StateStore) -> None:
        store.record_dead_letters([letter()], at(1))
        (record,) = store.list_dead_letters(0, 10)
        row = store.replay_dead_letter(record.record_id, 0, "r1", "alice", at(5))
        assert row is not None

        store.mark_published([row.row_id], at(6))

        assert list(store.unpublished(10, at(FOREVER))) == []
        assert list(store.reissue_stale(at(FOREVER), at(FOREVER), 10)) == []

    def test_a_letter_does_not_depend_on_the_run_that_it_is_about(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        scenario.publish_all()
        store.record_dead_letters([letter(f"{scenario.task_id('x')}:1")], at(1))
        (record,) = store.list_dead_letters(0, 10)
        scenario.pause()

        store.replay_dead_letter(record.record_id, 0, f"{scenario.task_id('x')}:1:r1", "alice", at(5))

        assert scenario.waiting() == [f"{scenario.task_id('x')}:1:r1"]
        store.finish_run(scenario.job_id, 1, RunStatus.FAILED, None, BROKEN, at(6))
        assert scenario.waiting() == [f"{scenario.task_id('x')}:1:r1"]

    def test_old_letters_are_deleted_the_longest_ago_first_up_to_the_limit(self, store: StateStore) -> None:
        for number, second in enumerate((30, 10, 20, 40)):
            store.record_dead_letters([letter(f"m{number}")], at(second))

        assert store.delete_dead_letters(at(10), 10) == 0
        assert store.delete_dead_letters(at(40), 2) == 2
        assert left(store) == ["m0", "m3"]
        assert store.delete_dead_letters(at(40), 2) == 1
        assert store.delete_dead_letters(at(40), 2) == 0
        assert left(store) == ["m3"]

    def test_letters_of_one_moment_go_in_the_order_of_writing(self, store: StateStore) -> None:
        store.record_dead_letters([letter(f"m{number}") for number in range(4)], at(1))

        assert [store.delete_dead_letters(at(2), 1) for _ in range(2)] == [1, 1]
        assert left(store) == ["m2", "m3"]

    def test_a_letter_that_is_in_the_outbox_stays_and_holds_up_no_other(self, store: StateStore) -> None:
        store.record_dead_letters([letter("a"), letter("b")], at(1))
        first = store.list_dead_letters(0, 10)[0]
        row = store.replay_dead_letter(first.record_id, 0, "a:r1", "alice", at(2))
        assert row is not None

        assert store.delete_dead_letters(at(50), 1) == 1
        assert store.delete_dead_letters(at(50), 1) == 0
        assert left(store) == ["a"]
        assert list(store.unpublished(10, at(FOREVER))) == [row]
        store.mark_published([row.row_id], at(3))
        assert store.delete_dead_letters(at(50), 1) == 1

    def test_a_letter_that_was_sent_again_lately_stays(self, store: StateStore) -> None:
        store.record_dead_letters([letter()], at(1))
        (record,) = store.list_dead_letters(0, 10)
        row = store.replay_dead_letter(record.record_id, 0, "r1", "alice", at(50))
        assert row is not None
        store.mark_published([row.row_id], at(50))

        assert store.delete_dead_letters(at(50), 10) == 0
        assert store.delete_dead_letters(at(51), 10) == 1

    def test_a_deleted_letter_is_not_replayed_and_can_be_written_down_anew(self, store: StateStore) -> None:
        store.record_dead_letters([letter("a"), letter("b")], at(1))
        first, second = store.list_dead_letters(0, 10)
        store.delete_dead_letters(at(2), 2)

        assert store.replay_dead_letter(first.record_id, 0, "r1", "alice", at(3)) is None
        assert store.record_dead_letters([letter("a")], at(4)) == 1
        (found,) = store.list_dead_letters(second.record_id, 10)
        assert (found.letter, found.recorded_at) == (letter("a"), at(4))


def left(store: StateStore) -> list[str]:
    return [record.letter.message_id for record in store.list_dead_letters(0, 10)]
