"""Two transitions of one run at the same moment: submitting, opening, ending, running again, deleting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial

import pytest

from core.errors import IdempotencyConflict
from core.ids import JobId
from core.model import NewJob, NotClaimed, RunRecord, RunStatus, StageStatus, Submitted
from core.ports import StateStore
from infrastructure.postgres.store import PostgresStateStore
from testing.contracts.scenario import FOREVER, LEASE, OTHER_WORKER, Scenario, at, new_job
from testing.contracts.state_runs import again, onward, replay
from tests.support.postgres import Database
from tests.support.stepped import PATIENT, Arena, OneConnection, at_once, by, on


@pytest.fixture
def arena(postgres_database: Database) -> Iterator[Arena]:
    with closing(Arena(postgres_database.url)) as opened:
        yield opened


def submit(job: NewJob) -> Callable[[StateStore], Submitted]:
    return lambda store: store.submit_job(job, at(3))


def cancel(scenario: Scenario, newest_stage: int | None = None) -> Callable[[StateStore], bool]:
    def end(store: StateStore) -> bool:
        return store.finish_run(scenario.job_id, 1, RunStatus.CANCELLED, None, None, at(7), newest_stage)

    return end


def has_ended_whole(arena: Arena, scenario: Scenario) -> None:
    """A run that was cancelled has nothing left that goes on, and tells of its end once."""
    run = scenario.run()
    assert (run.status, run.paused) == (RunStatus.CANCELLED, False)
    assert all(stage.status is not StageStatus.RUNNING and stage.remaining == 0 for stage in run.stages)
    assert arena.number("SELECT count(*) FROM coremachine.tasks WHERE status = 'queued'") == 0
    assert arena.number("SELECT count(*) FROM coremachine.leases") == 0
    kinds = [kind for kind, _ in scenario.told()]
    assert kinds.count("stage_started") == kinds.count("stage_ended") == len(run.stages)
    assert kinds.count("job_ended") == 1
    assert kinds[-1] == "job_ended"
    assert scenario.waiting() == []


class TestSubmitting:
    def test_the_second_of_two_gets_the_first_one_s_run(self, arena: Arena) -> None:
        first, second = arena.holder(), arena.session()
        submit(new_job(key="k"))(first.store)

        answer = second.start(submit(new_job(key="k")))
        assert arena.waits(second, first)
        first.commit()

        submitted = answer.result(PATIENT)
        assert (submitted.created, submitted.outbox) == (False, ())
        assert submitted.run == arena.store.load_run(new_job(key="k").job_id, 1)

    def test_the_second_of_two_creates_the_job_where_the_first_was_not_committed(self, arena: Arena) -> None:
        first, second = arena.holder(), arena.session()
        submit(new_job())(first.store)

        answer = second.start(submit(new_job()))
        assert arena.waits(second, first)
        first.rollback()

        assert answer.result(PATIENT).created

    def test_the_same_key_with_other_content_is_a_conflict(self, arena: Arena) -> None:
        first, second = arena.holder(), arena.session()
        submit(new_job("a", key="k"))(first.store)

        answer = second.start(submit(new_job("b", key="k")))
        assert arena.waits(second, first)
        first.commit()

        with pytest.raises(IdempotencyConflict):
            answer.result(PATIENT)
        assert arena.number("SELECT count(*) FROM coremachine.runs") == 1

    def test_of_many_at_once_one_is_created(self, arena: Arena) -> None:
        stores = [arena.session().store for _ in range(6)]
        for content in "abcde":
            job = new_job(content, key=content)
            submitted = at_once([partial(submit(job), store) for store in stores])
            assert sorted(one.created for one in submitted) == [False] * 5 + [True]
            assert {one.run for one in submitted} == {arena.store.load_run(job.job_id, 1)}
        assert len(arena.store.unpublished(100, at(FOREVER))) == 5

    def test_of_many_contents_with_one_key_one_is_created(self, arena: Arena) -> None:
        def created(content: str, store: StateStore) -> bool:
            try:
                return submit(new_job(content, key="k"))(store).created
            except IdempotencyConflict:
                return False

        answers = at_once([partial(created, content, arena.session().store) for content in "abcdef"])

        assert sorted(answers) == [False] * 5 + [True]
        assert arena.number("SELECT count(*) FROM coremachine.jobs") == 1


class TestOpening:
    @pytest.mark.parametrize("names", [("x",), ()])
    def test_a_stage_is_opened_once(self, arena: Arena, names: tuple[str, ...]) -> None:
        scenario, first, second = Scenario.submitted(arena.store), arena.holder(), arena.session()
        assert on(first, scenario).open(1, *names).opened

        answer = second.start(by(scenario, lambda late: late.open(1, "other")))
        assert arena.waits(second, first)
        first.commit()

        assert not answer.result(PATIENT).opened
        assert [stage.total for stage in scenario.run().stages] == [len(names)]
        assert scenario.outbox() == ["job", *(["task"] if names else ["stage_complete"])]

    def test_no_stage_opens_after_a_cancellation(self, arena: Arena) -> None:
        scenario, first, second = Scenario.submitted(arena.store), arena.holder(), arena.session()
        cancel(scenario)(first.store)

        answer = second.start(by(scenario, lambda late: late.open(1, "x")))
        assert arena.waits(second, first)
        first.commit()

        assert not answer.result(PATIENT).opened
        has_ended_whole(arena, scenario)

    @pytest.mark.parametrize("names", [("x", "y"), ()])
    def test_a_cancellation_waits_for_a_stage_that_opens_and_ends_it(
        self, arena: Arena, names: tuple[str, ...]
    ) -> None:
        scenario, first, second = Scenario.submitted(arena.store), arena.holder(), arena.session()
        on(first, scenario).open(1, *names)

        ended = second.start(cancel(scenario))
        assert arena.waits(second, first)
        first.commit()

        assert ended.result(PATIENT)
        has_ended_whole(arena, scenario)

    def test_who_ends_a_run_by_its_newest_stage_is_too_late_once_another_opens(self, arena: Arena) -> None:
        scenario, first, second = Scenario.submitted(arena.store), arena.holder(), arena.session()
        on(first, scenario).open(1, "x")

        ended = second.start(cancel(scenario, newest_stage=0))
        assert arena.waits(second, first)
        first.commit()

        assert not ended.result(PATIENT)
        assert scenario.run().status is RunStatus.PROCESSING

    def test_a_run_ends_once(self, arena: Arena) -> None:
        scenario, first, second = Scenario.started(arena.store, "x"), arena.holder(), arena.session()
        cancel(scenario)(first.store)

        late = second.start(lambda store: store.finish_run(scenario.job_id, 1, RunStatus.FAILED, None, None, at(8)))
        assert arena.waits(second, first)
        first.commit()

        assert not late.result(PATIENT)
        has_ended_whole(arena, scenario)


class TestFurtherRuns:
    def failed(self, arena: Arena) -> Scenario:
        scenario = Scenario.started(arena.store, "x", "y")
        scenario.complete(scenario.claim("x"))
        scenario.fail(scenario.claim("y"))
        return scenario

    @pytest.mark.parametrize("late", [again, partial(onward, reuse=1), partial(replay, tasks={"y": None})])
    def test_there_is_one_run_of_each_number(self, arena: Arena, late: Callable[[Scenario], Submitted | None]) -> None:
        scenario, first, second = self.failed(arena), arena.holder(), arena.session()
        assert again(on(first, scenario)) is not None

        answer = second.start(by(scenario, late))
        assert arena.waits(second, first)
        first.commit()

        assert answer.result(PATIENT) is None
        assert arena.number("SELECT count(*) FROM coremachine.runs") == 2

    def test_a_run_that_is_reused_is_not_deleted_meanwhile(self, arena: Arena) -> None:
        scenario, first, second = self.failed(arena), arena.holder(), arena.session()
        assert replay(on(first, scenario), {"y": None}) is not None

        gone = second.start(lambda store: store.delete_run(scenario.job_id, 1, 1))
        assert arena.waits(second, first)
        first.commit()

        assert gone.result(PATIENT) is False
        assert [task.name for task in arena.store.stage_results(scenario.job_id, 2, 1)] == ["x", "y"]

    def test_a_run_that_is_being_deleted_is_not_reused(self, arena: Arena) -> None:
        scenario, first, second = self.failed(arena), arena.holder(), arena.session()
        assert first.store.delete_run(scenario.job_id, 1, 10)

        answer = second.start(by(scenario, partial(replay, tasks={"y": None})))
        assert arena.waits(second, first)
        first.commit()

        assert answer.result(PATIENT) is None
        assert arena.number("SELECT count(*) FROM coremachine.runs") == 0

    def test_a_run_ends_before_another_begins(self, arena: Arena) -> None:
        scenario, first = Scenario.started(arena.store, "x"), arena.holder()
        cancel(scenario)(first.store)

        assert again(scenario) is None
        first.commit()
        assert again(scenario) is not None


class TestDeleting:
    def ended(self, arena: Arena) -> Scenario:
        scenario = Scenario.started(arena.store, "x", "y")
        scenario.complete(scenario.claim("x"))
        scenario.finish()
        return scenario

    @pytest.mark.parametrize(
        ("call", "expected"),
        [
            (lambda s: s.store.claim_task(s.task_id("x"), 1, OTHER_WORKER, LEASE, at(9)), NotClaimed.UNKNOWN),
            (lambda s: s.store.delete_run(s.job_id, 1, 10), True),
            (again, None),
        ],
    )
    def test_what_waited_for_a_deletion_finds_nothing(
        self, arena: Arena, call: Callable[[Scenario], object], expected: object
    ) -> None:
        scenario, first, second = self.ended(arena), arena.holder(), arena.session()
        assert first.store.delete_run(scenario.job_id, 1, 10)

        answer = second.start(by(scenario, call))
        assert arena.waits(second, first)
        first.commit()

        assert answer.result(PATIENT) == expected

    def test_what_does_not_wait_sees_the_run_until_it_is_gone(self, arena: Arena) -> None:
        scenario, first = self.ended(arena), arena.holder()
        before = (scenario.run(), scenario.task("x"), scenario.told())
        first.store.delete_run(scenario.job_id, 1, 10)

        assert (scenario.run(), scenario.task("x"), scenario.told()) == before
        assert not arena.store.pause_run(scenario.job_id, 2, "alice", at(9))
        first.commit()
        assert arena.store.load_run(scenario.job_id, 1) is None

    def test_a_job_that_is_submitted_as_it_is_deleted_begins_anew(self, arena: Arena) -> None:
        scenario, first, second = self.ended(arena), arena.holder(), arena.session()
        first.store.delete_run(scenario.job_id, 1, 10)

        answer = second.start(submit(scenario.job))
        assert arena.waits(second, first)
        first.commit()

        assert answer.result(PATIENT).created

    def test_a_job_that_is_deleted_between_two_looks_is_submitted_anew(self, arena: Arena) -> None:
        scenario = self.ended(arena)
        deleted: list[bool] = []

        class DeletedAfterTheFirstLook(PostgresStateStore):
            def latest_run(self, job_id: JobId) -> RunRecord | None:
                if not deleted:
                    deleted.append(arena.store.delete_run(job_id, 1, 10))
                return super().latest_run(job_id)

        store = DeletedAfterTheFirstLook(OneConnection(arena.session().connection))

        submitted = store.submit_job(scenario.job, at(50))

        assert deleted == [True]
        assert (submitted.created, submitted.run.created_at) == (True, at(50))

    def test_rows_that_are_published_as_their_run_is_deleted_are_gone_all_the_same(self, arena: Arena) -> None:
        scenario = Scenario.started(arena.store, "x", "y")
        rows = [row.row_id for row in arena.store.unpublished(10, at(FOREVER))]
        scenario.complete(scenario.claim("x"))
        scenario.complete(scenario.claim("y"))
        arena.store.finish_run(scenario.job_id, 1, RunStatus.COMPLETED, "{}", None, at(3))
        first, second = arena.holder(), arena.session()
        first.store.mark_published(rows, at(4))

        gone = second.start(lambda store: store.delete_run(scenario.job_id, 1, 10))
        assert arena.waits(second, first)
        first.commit()

        assert gone.result(PATIENT)
        assert arena.number("SELECT count(*) FROM coremachine.outbox") == 0
