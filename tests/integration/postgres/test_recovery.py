"""Relays and reconcilers, several at the same moment, and beside the work that they repair."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from hashlib import sha256

import pytest

from core.listing import NewDeadLetter
from core.model import OutboxRow, StageStatus
from core.ports import StateStore
from testing.contracts.scenario import FOREVER, Scenario, at
from tests.support.postgres import Database
from tests.support.stepped import PATIENT, Arena, at_once, by, on


@pytest.fixture
def arena(postgres_database: Database) -> Iterator[Arena]:
    with closing(Arena(postgres_database.url)) as opened:
        yield opened


def reissue(store: StateStore) -> list[OutboxRow]:
    return list(store.reissue_stale(at(100), at(100), 100))  # without a window, what is given again has no grace


def row_ids(arena: Arena) -> list[int]:
    return [row.row_id for row in arena.store.unpublished(1_000, at(FOREVER))]


def waiting_in_every_way(store: StateStore) -> list[str]:
    """A run that never began, a stage that ended, and tasks of a stage that goes on, all published long ago."""
    queued, ended = Scenario.submitted(store, "a"), Scenario.submitted(store, "b")
    ended.open(1)
    going_on = Scenario.started(store, "x", "y", content="c")
    queued.publish_all(when=10)
    return [
        queued.job.message.message_id,
        f"{ended.job_id}:1:1:-stage_complete:1",
        f"{going_on.task_id('x')}:1",
        f"{going_on.task_id('y')}:1",
    ]


class TestReissuing:
    def test_the_second_of_two_passes_gives_nothing_whether_or_not_the_first_is_committed(self, arena: Arena) -> None:
        ids, first = waiting_in_every_way(arena.store), arena.holder()

        assert [row.message.message_id for row in reissue(first.store)] == ids
        assert reissue(arena.store) == []
        first.commit()
        assert reissue(arena.store) == []
        assert len(row_ids(arena)) == len(ids)

    def test_of_many_passes_at_once_one_gives_each(self, arena: Arena) -> None:
        stores = [arena.session().store for _ in range(6)]
        scenarios = [Scenario.submitted(arena.store, f"job {number}") for number in range(20)]
        for _ in range(10):
            scenarios[0].publish_all(when=10)
            rows = [row for found in at_once([partial(reissue, store) for store in stores]) for row in found]
            assert sorted(row.row_id for row in rows) == row_ids(arena)
            assert len({row.message.message_id for row in rows}) == len(rows) == 20

    def test_what_is_published_at_this_moment_is_left(self, arena: Arena) -> None:
        scenario, first = Scenario.submitted(arena.store), arena.holder()
        scenario.publish_all(when=10)
        reissue(arena.store)
        first.store.mark_published(row_ids(arena), at(50))

        assert reissue(arena.store) == []
        first.commit()
        assert len(reissue(arena.store)) == 1

    def test_a_task_that_is_claimed_meanwhile_is_woken_in_vain_at_worst(self, arena: Arena) -> None:
        scenario, first = Scenario.started(arena.store, "x"), arena.holder()
        scenario.publish_all(when=10)
        lease = on(first, scenario).claim("x")

        assert len(reissue(arena.store)) == 1
        first.commit()
        scenario.publish_all(when=1_000)

        scenario.complete(lease)
        assert [row.message.message_type for row in arena.store.unpublished(10, at(FOREVER))] == ["stage_complete"]


class TestPublishing:
    def test_it_waits_for_the_end_of_the_stage_and_takes_nothing_back(self, arena: Arena) -> None:
        scenario, first, second = Scenario.started(arena.store, "x"), arena.holder(), arena.session()
        rows = row_ids(arena)
        on(first, scenario).complete(on(first, scenario).claim("x"))

        marked = second.start(lambda store: store.mark_published(rows, at(5)))
        assert arena.waits(second, first)
        first.commit()
        marked.result(PATIENT)

        assert scenario.run().stages[0].status is StageStatus.COMPLETED
        assert scenario.outbox() == ["stage_complete"]

    def test_the_end_of_a_stage_waits_for_it(self, arena: Arena) -> None:
        scenario, first, second = Scenario.started(arena.store, "x"), arena.holder(), arena.session()
        lease = scenario.claim("x")
        first.store.mark_published(row_ids(arena), at(5))

        ended = second.start(by(scenario, lambda late: late.complete(lease)))
        assert arena.waits(second, first)
        first.commit()

        assert len(ended.result(PATIENT).outbox) == 1
        assert scenario.outbox() == ["stage_complete"]
        scenario.publish_all(when=6)
        assert [row.message.message_type for row in reissue(arena.store)] == ["stage_complete"]

    def test_a_wake_up_is_not_taken_for_that_of_a_later_attempt(self, arena: Arena) -> None:
        scenario, first, second = Scenario.started(arena.store, "x"), arena.holder(), arena.session()
        scenario.publish_all(when=1)
        scenario.requeue(scenario.claim("x"))
        (old,) = row_ids(arena)
        on(first, scenario).requeue(on(first, scenario).claim("x", 2))

        marked = second.start(lambda store: store.mark_published([old], at(5)))
        assert arena.waits(second, first)
        first.commit()
        marked.result(PATIENT)

        assert scenario.waiting() == [f"{scenario.task_id('x')}:3"]
        scenario.publish_all(when=500)
        assert reissue(arena.store) == []

    @pytest.mark.parametrize("kind", ["runs", "tasks", "letters"])
    def test_two_relays_that_sent_the_same_rows_do_not_wait_for_each_other(self, arena: Arena, kind: str) -> None:
        stores = [arena.session().store for _ in range(4)]
        for turn in range(5):
            rows = self.sent(arena, kind, turn)
            orders = [rows, rows[::-1], rows[::2] + rows[1::2], rows]
            at_once([partial(store.mark_published, order, at(9)) for store, order in zip(stores, orders, strict=True)])
            assert row_ids(arena) == []

    def sent(self, arena: Arena, kind: str, turn: int) -> list[int]:
        names = [f"t{number}" for number in range(8)]
        match kind:
            case "runs":
                for name in names:
                    Scenario.submitted(arena.store, f"{turn} {name}")
            case "tasks":
                scenario = Scenario.started(arena.store, *names, content=str(turn))
                scenario.publish_all()
                for name in reversed(names):
                    scenario.requeue(scenario.claim(name))
            case _:
                arena.store.record_dead_letters([letter(f"{turn} {name}") for name in names], at(1))
                for record in arena.store.list_dead_letters(8 * turn, 8)[::-1]:
                    arena.store.replay_dead_letter(record.record_id, 0, f"again {record.record_id}", "alice", at(2))
        return row_ids(arena)

    def test_rows_of_an_ended_run_are_swept_past_those_that_somebody_takes_out(self, arena: Arena) -> None:
        scenario, first = Scenario.submitted(arena.store), arena.holder()
        rows = row_ids(arena)
        scenario.finish()
        first.store.mark_published(rows, at(5))

        assert row_ids(arena) == []
        first.commit()
        assert arena.number("SELECT count(*) FROM coremachine.outbox") == 0


def letter(message_id: str, body: bytes = b"{}") -> NewDeadLetter:
    return NewDeadLetter("tasks", message_id, "task", body, "reason", "description")


class TestDeadLetters:
    def test_two_who_record_the_same_ones_in_another_order_do_not_wait_for_each_other(self, arena: Arena) -> None:
        stores = [arena.session().store for _ in range(4)]
        for turn in range(8):
            letters = [letter(f"{turn} {number}") for number in range(20)]
            orders = [letters, letters[::-1], letters[10:] + letters[:10], letters[::2] + letters[1::2]]
            calls = [partial(s.record_dead_letters, order, at(1)) for s, order in zip(stores, orders, strict=True)]
            assert sum(at_once(calls)) == 20
        assert arena.number("SELECT count(*) FROM coremachine.dead_letters") == 160

    def test_who_waits_for_a_letter_holds_none_that_comes_after_it(self, arena: Arena) -> None:
        first, second, third = arena.holder(), arena.session(), arena.session()
        first.store.record_dead_letters([letter("1")], at(1))

        both = second.start(lambda store: store.record_dead_letters([letter("2"), letter("1")], at(2)))
        assert arena.waits(second, first)
        other = third.start(lambda store: store.record_dead_letters([letter("2")], at(3)))
        assert not arena.waits(third, second)
        first.commit()

        assert (both.result(PATIENT), other.result(PATIENT)) == (0, 1)

    def test_who_waits_for_a_letter_holds_none_of_its_id_that_comes_after_it(self, arena: Arena) -> None:
        first, second, third = arena.holder(), arena.session(), arena.session()
        earlier, later = sorted((letter("1", body) for body in (b"1", b"2")), key=lambda one: sha256(one.body).digest())
        first.store.record_dead_letters([earlier], at(1))

        both = second.start(lambda store: store.record_dead_letters([later, earlier], at(2)))
        assert arena.waits(second, first)
        other = third.start(lambda store: store.record_dead_letters([later], at(3)))
        assert not arena.waits(third, second)
        first.commit()

        assert (both.result(PATIENT), other.result(PATIENT)) == (0, 1)

    def test_a_letter_that_is_sent_again_meanwhile_is_not_deleted(self, arena: Arena) -> None:
        arena.store.record_dead_letters([letter("1"), letter("2")], at(1))
        record, _ = arena.store.list_dead_letters(0, 10)
        first, second = arena.holder(), arena.session()
        first.store.replay_dead_letter(record.record_id, 0, "1 again", "alice", at(2))

        assert second.store.delete_dead_letters(at(5), 10) == 1
        first.commit()

        assert arena.store.delete_dead_letters(at(5), 10) == 0
        assert [row.message.message_id for row in arena.store.unpublished(10, at(FOREVER))] == ["1 again"]

    def test_a_letter_that_is_being_deleted_is_not_sent_again(self, arena: Arena) -> None:
        arena.store.record_dead_letters([letter("1")], at(1))
        (record,) = arena.store.list_dead_letters(0, 10)
        first, second = arena.holder(), arena.session()
        assert first.store.delete_dead_letters(at(5), 10) == 1

        late = second.start(lambda store: store.replay_dead_letter(record.record_id, 0, "1 again", "bob", at(3)))
        assert arena.waits(second, first)
        first.commit()

        assert late.result(PATIENT) is None
        assert arena.number("SELECT count(*) FROM coremachine.outbox") == 0

    def test_a_letter_is_replayed_by_one(self, arena: Arena) -> None:
        arena.store.record_dead_letters([letter("1")], at(1))
        (record,) = arena.store.list_dead_letters(0, 10)
        first, second = arena.holder(), arena.session()
        assert first.store.replay_dead_letter(record.record_id, 0, "1 again", "alice", at(2)) is not None

        late = second.start(lambda store: store.replay_dead_letter(record.record_id, 0, "1 once more", "bob", at(3)))
        assert arena.waits(second, first)
        first.commit()

        assert late.result(PATIENT) is None
        assert [row.message.message_id for row in arena.store.unpublished(10, at(FOREVER))] == ["1 again"]
