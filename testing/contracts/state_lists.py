"""The state store's contract: lists of runs, tasks and events, page by page."""

from __future__ import annotations

from collections.abc import Iterator

from core.ids import JobId, TaskId, job_id_for
from core.listing import RunCursor, RunFilter, RunSummary, TaskFilter
from core.model import Event, FailurePolicy, RunStatus, TaskStatus
from core.ports import StateStore
from testing.contracts.scenario import BROKEN, JOB_TYPE, Scenario, at, new_job
from testing.contracts.state_runs import again

NOBODY = job_id_for("nobody", {}, "nobody")
ALL_RUNS, ALL_TASKS = RunFilter(), TaskFilter()


def run_pages(store: StateStore, filters: RunFilter, limit: int) -> Iterator[RunSummary]:
    """Every run, page after page."""
    after: RunCursor | None = None
    while page := store.list_runs(filters, after, limit):
        assert len(page) <= limit
        yield from page
        after = page[-1].cursor


def task_pages(store: StateStore, job_id: JobId, filters: TaskFilter, limit: int) -> Iterator[TaskId]:
    after: TaskId | None = None
    while page := store.list_tasks(job_id, 1, filters, after, limit):
        assert len(page) <= limit
        yield from (task.task_id for task in page)
        after = page[-1].task_id


class RunListContract:
    def test_runs_come_newest_first(self, store: StateStore) -> None:
        for second, content in ((5, "a"), (1, "b"), (9, "c")):
            store.submit_job(new_job(content), at(second))

        found = store.list_runs(ALL_RUNS, None, 10)

        assert [(run.job_id, run.created_at) for run in found] == [
            (new_job(content).job_id, at(second)) for content, second in (("c", 9), ("a", 5), ("b", 1))
        ]

    def test_a_line_tells_what_its_run_is(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        store.finish_run(scenario.job_id, 1, RunStatus.FAILED, None, BROKEN, at(7))
        run = scenario.run()

        (line,) = store.list_runs(ALL_RUNS, None, 10)

        assert line == RunSummary(
            job_id=run.job_id,
            run=1,
            job_type=JOB_TYPE,
            tenant="acme",
            status=RunStatus.FAILED,
            paused=False,
            created_at=at(0),
            updated_at=at(7),
            error=BROKEN,
        )
        assert line.cursor == RunCursor(at(0), run.job_id, 1)

    def test_an_empty_store_has_an_empty_list(self, store: StateStore) -> None:
        assert list(store.list_runs(ALL_RUNS, None, 10)) == []
        assert list(store.list_runs(ALL_RUNS, RunCursor(at(0), NOBODY, 1), 10)) == []

    def test_pages_hold_every_run_once_also_those_of_one_moment(self, store: StateStore) -> None:
        for number in range(9):
            store.submit_job(new_job(f"job {number}"), at(number // 4))
        whole = list(store.list_runs(ALL_RUNS, None, 100))

        for limit in (1, 2, 4, 9, 10):
            assert list(run_pages(store, ALL_RUNS, limit)) == whole
        assert whole == sorted(whole, key=lambda run: run.cursor, reverse=True)
        assert len(whole) == 9

    def test_a_cursor_of_a_run_that_is_gone_still_says_where(self, store: StateStore) -> None:
        for second in (1, 2, 3):
            store.submit_job(new_job(str(second)), at(second))

        found = store.list_runs(ALL_RUNS, RunCursor(at(2.5), NOBODY, 1), 10)

        assert [run.created_at for run in found] == [at(2), at(1)]

    def test_every_run_of_a_job_has_a_line(self, store: StateStore) -> None:
        scenario = Scenario.submitted(store)
        scenario.finish()
        again(scenario, when=0)

        assert [run.run for run in store.list_runs(ALL_RUNS, None, 10)] == [2, 1]
        assert [run.run for run in run_pages(store, ALL_RUNS, 1)] == [2, 1]

    def test_filters_admit_what_fits_all_of_them(self, store: StateStore) -> None:
        acme, umbrella = new_job("a", tenant="acme"), new_job("b", tenant="umbrella")
        store.submit_job(acme, at(1))
        store.submit_job(umbrella, at(2))
        ended = Scenario.submitted(store, "c")
        ended.finish(RunStatus.FAILED)
        paused = Scenario.submitted(store, "d")
        paused.pause()

        def found(filters: RunFilter) -> set[JobId]:
            pages = {run.job_id for run in run_pages(store, filters, 1)}
            assert pages == {run.job_id for run in store.list_runs(filters, None, 10)}
            return pages

        assert found(RunFilter(tenant="umbrella")) == {umbrella.job_id}
        assert found(RunFilter(job_type="another_type")) == set()
        assert found(RunFilter(job_type=JOB_TYPE)) == {acme.job_id, umbrella.job_id, ended.job_id, paused.job_id}
        assert found(RunFilter(statuses=frozenset({RunStatus.FAILED}))) == {ended.job_id}
        assert found(RunFilter(statuses=frozenset({RunStatus.FAILED, RunStatus.CANCELLED}))) == {ended.job_id}
        assert found(RunFilter(paused=True)) == {paused.job_id}
        assert found(RunFilter(paused=False)) == {acme.job_id, umbrella.job_id, ended.job_id}
        assert found(RunFilter(created_from=at(1))) == {acme.job_id, umbrella.job_id}
        assert found(RunFilter(created_from=at(1), created_before=at(2))) == {acme.job_id}
        assert found(RunFilter(tenant="acme", statuses=frozenset({RunStatus.QUEUED}), paused=False)) == {acme.job_id}


class TaskListContract:
    def test_tasks_come_by_stage_and_name(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "t10", "t9", "T1", "a", "b_c", "b-c", "b.c")
        for name in ("t10", "t9", "T1", "a", "b_c", "b-c", "b.c"):
            scenario.complete(scenario.claim(name))
        scenario.open(2, "a")

        found = store.list_tasks(scenario.job_id, 1, ALL_TASKS, None, 100)

        assert [(task.stage, task.name) for task in found] == [
            *((1, name) for name in ("T1", "a", "b-c", "b.c", "b_c", "t10", "t9")),
            (2, "a"),
        ]
        assert list(found) == [store.load_task(task.task_id) for task in found]

    def test_pages_hold_every_task_once(self, store: StateStore) -> None:
        scenario = Scenario.started(store, *(f"t{number}" for number in range(13)))
        whole = [task.task_id for task in store.list_tasks(scenario.job_id, 1, ALL_TASKS, None, 100)]

        for limit in (1, 3, 13, 14):
            assert list(task_pages(store, scenario.job_id, ALL_TASKS, limit)) == whole
        assert len(whole) == 13

    def test_filters_admit_what_fits_all_of_them(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "done", "bad", "again", policy=FailurePolicy.TOLERATE)
        scenario.complete(scenario.claim("done"))
        scenario.fail(scenario.claim("bad"))
        scenario.complete(scenario.claim("again"))
        scenario.open(2, "runs", "waits")
        scenario.claim("runs", stage=2)

        def found(*statuses: TaskStatus, stage: int | None = None) -> list[str]:
            filters = TaskFilter(stage, frozenset(statuses))
            return [task.rsplit(":", 1)[1] for task in task_pages(store, scenario.job_id, filters, 2)]

        assert found(TaskStatus.COMPLETED) == ["again", "done"]
        assert found(TaskStatus.FAILED) == ["bad"]
        assert found(TaskStatus.RUNNING) == ["runs"]
        assert found(TaskStatus.QUEUED) == ["waits"]
        assert found(TaskStatus.QUEUED, TaskStatus.FAILED) == ["bad", "waits"]
        assert found(stage=2) == ["runs", "waits"]
        assert found(TaskStatus.COMPLETED, stage=2) == []
        assert found(stage=3) == []

    def test_a_run_that_is_not_there_has_no_tasks(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")

        assert list(store.list_tasks(NOBODY, 1, ALL_TASKS, None, 10)) == []
        assert list(store.list_tasks(scenario.job_id, 2, ALL_TASKS, None, 10)) == []


class EventListContract:
    def test_pages_hold_every_event_once(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x", "y")
        scenario.requeue(scenario.claim("x"))
        scenario.complete(scenario.claim("y"))
        scenario.complete(scenario.claim("x", 2))
        whole = list(store.list_events(scenario.job_id, 1))

        for limit in (1, 2, 3, len(whole), len(whole) + 1):
            seen: list[Event] = []
            after = 0
            while page := store.list_events(scenario.job_id, 1, after, limit):
                assert len(page) <= limit
                seen += page
                after = page[-1].sequence
            assert seen == whole

    def test_behind_the_newest_event_there_is_nothing_yet(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        last = store.list_events(scenario.job_id, 1)[-1].sequence

        assert list(store.list_events(scenario.job_id, 1, last)) == []
        lease = scenario.claim("x")
        assert [event.sequence for event in store.list_events(scenario.job_id, 1, last)] == [lease.token]

    def test_a_run_that_is_not_there_has_no_events(self, store: StateStore) -> None:
        Scenario.started(store, "x")

        assert list(store.list_events(NOBODY, 1)) == []
        assert list(store.list_events(NOBODY, 1, 5, 5)) == []

    def test_the_runs_of_a_store_share_one_count(self, store: StateStore) -> None:
        one, other = Scenario.started(store, "x"), Scenario.started(store, "x", content="b")
        one.complete(one.claim("x"))
        other.complete(other.claim("x"))

        events = [*store.list_events(one.job_id, 1), *store.list_events(other.job_id, 1)]

        assert len({event.sequence for event in events}) == len(events)

    def test_a_fencing_token_is_the_number_of_the_event_that_began_its_attempt(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x", "y")
        leases = [scenario.claim("x"), scenario.claim("y")]
        scenario.requeue(leases[0])
        leases.append(scenario.claim("x", 2))

        started = [e.sequence for e in store.list_events(scenario.job_id, 1) if e.kind == "task_started"]

        assert started == [lease.token for lease in leases]

    def test_who_ended_a_run_is_told(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")

        store.finish_run(scenario.job_id, 1, RunStatus.CANCELLED, None, None, at(3), actor="alice")

        assert [(event.kind.value, event.actor) for event in store.list_events(scenario.job_id, 1)][2:] == [
            ("tasks_cancelled", ""),
            ("stage_ended", ""),
            ("job_ended", "alice"),
        ]

    def test_the_time_of_a_run_s_last_change_is_not_moved_by_its_tasks(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x", "y")
        lease = scenario.claim("x", when=10)
        store.report_progress(lease, 10, "", at(11))
        store.save_checkpoint(lease, "{}", 60, at(12))
        scenario.complete(lease, when=13)
        assert scenario.run().updated_at == at(0)

        scenario.complete(scenario.claim("y", when=14), when=15)

        assert scenario.run().updated_at == at(15)
        assert store.list_runs(ALL_RUNS, None, 1)[0].updated_at == at(15)
