"""What cannot be, or cannot be done now: a typed error that says what to do, and nothing is half written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest

from core.decisions import FailFinally, Transition
from core.errors import (
    CapacityExceeded,
    DefinitionError,
    LeaseLost,
    StoreReadOnly,
    StoreSchemaMismatch,
    TextNotStorable,
)
from core.ids import JobId, TaskId, WorkerId
from core.limits import MAX_JSON_BYTES
from core.listing import NewDeadLetter, RunCursor, RunFilter, TaskFilter
from core.model import Claimed, FailurePolicy, NewRun, NotClaimed, RunStatus
from core.outcome import ErrorInfo, Succeeded
from core.ports import AttemptEnd, ClaimRequest, StateStore
from infrastructure.postgres.store import PostgresStateStore
from testing.contracts.scenario import (
    DONE,
    LEASE,
    WORKER,
    Scenario,
    at,
    job_message,
    new_job,
    new_stage,
    stage_message,
)
from testing.contracts.state_runs import onward, replay
from tests.support.postgres import Database
from tests.support.postgres_store import pool_to
from tests.support.scene import CALLS, Scene
from tests.support.stepped import Arena

SEPARATORS = "\x1f", "\x1e", "\x1f0\x1e", "a\x1f\x1f\x1eb", "\x1f0\x1e\x1f1\x1e"
BEYOND = (2**15, 2**31, 2**63, 2**70, -1, -(2**15) - 1, -(2**31) - 1, -(2**63) - 1)


@pytest.fixture
def arena(postgres_database: Database) -> Iterator[Arena]:
    with closing(Arena(postgres_database.url)) as opened:
        yield opened


@pytest.mark.parametrize("odd", SEPARATORS, ids=ascii)
class TestSeparators:
    """Texts that hold what separates the texts of a list."""

    def test_in_the_names_of_workers(self, arena: Arena, odd: str) -> None:
        scenario = Scenario.started(arena.store, "x", "y", "z")
        owners = [WorkerId(f"{odd}{name}") for name in "xyz"]
        requests = [
            ClaimRequest(scenario.task_id(name), 1, owner, LEASE, at(1))
            for name, owner in zip("xyz", owners, strict=True)
        ]

        claims = arena.store.claim_tasks(requests)

        assert [claim.lease.owner for claim in claims if isinstance(claim, Claimed)] == owners
        assert [arena.store.list_attempts(scenario.task_id(name))[0].owner for name in "xyz"] == owners

    def test_in_parameters(self, arena: Arena, odd: str) -> None:
        scenario = Scenario.submitted(arena.store)
        stage = new_stage(scenario.job_id, 1, ["x", "y"])
        texts = [f'"{odd}"', f'"{odd}{odd}"']
        tasks = tuple(task._replace(parameters_json=text) for task, text in zip(stage.tasks, texts, strict=True))

        assert arena.store.open_stage(scenario.job_id, 1, replace(stage, tasks=tasks), at(1)).opened

        assert [scenario.task(name).parameters_json for name in "xy"] == texts

    def test_in_the_names_of_tasks(self, arena: Arena, odd: str) -> None:
        scenario = Scenario.submitted(arena.store)
        stage = new_stage(scenario.job_id, 1, ["x", "y"])
        task_id = TaskId(f"{scenario.job_id}:1:1:{odd}")
        tasks = (stage.tasks[0], stage.tasks[1]._replace(name=odd, task_id=task_id))

        assert arena.store.open_stage(scenario.job_id, 1, replace(stage, tasks=tasks), at(1)).opened

        assert [found.name for found in arena.store.stage_results(scenario.job_id, 1, 1)] == ["x", odd]
        claims = arena.store.claim_tasks(
            [ClaimRequest(one, 1, WORKER, LEASE, at(1)) for one in (task_id, stage.tasks[0].task_id)]
        )
        assert all(isinstance(claim, Claimed) for claim in claims)

    def test_in_results_and_errors(self, arena: Arena, odd: str) -> None:
        scenario = Scenario.started(arena.store, "x", "y", "z", policy=FailurePolicy.TOLERATE)
        leases = [scenario.claim(name) for name in "xyz"]
        error = ErrorInfo(odd, f"{odd}{odd}", True)
        ways: list[Transition] = [Succeeded(f'"{odd}"'), Succeeded('"plain"'), FailFinally(error)]

        ends = [AttemptEnd(lease, way, None, at(2)) for lease, way in zip(leases, ways, strict=True)]
        assert None not in arena.store.finish_attempts(ends)

        assert [scenario.task(name).result_json for name in "xyz"] == [f'"{odd}"', '"plain"', None]
        assert scenario.task("z").error == error

    def test_in_edited_parameters(self, arena: Arena, odd: str) -> None:
        scenario = Scenario.started(arena.store, "x", "y")
        scenario.finish()

        replay(scenario, {"x": f'"{odd}"', "y": '"plain"'})

        second = scenario.of_run(2)
        assert [second.task(name).parameters_json for name in "xy"] == [f'"{odd}"', '"plain"']

    def test_in_what_is_said(self, arena: Arena, odd: str) -> None:
        scenario = Scenario.started(arena.store, "x")
        arena.store.report_progress(scenario.claim("x"), 50, odd, at(2))
        arena.store.pause_run(scenario.job_id, 1, odd, at(3))
        arena.store.record_dead_letters([NewDeadLetter(odd, odd, odd, odd.encode(), odd, odd)], at(4))

        assert scenario.task("x").progress_message == odd
        assert arena.store.list_events(scenario.job_id, 1)[-1].actor == odd
        assert arena.store.list_dead_letters(0, 5)[0].letter == NewDeadLetter(odd, odd, odd, odd.encode(), odd, odd)


@pytest.mark.parametrize("number", BEYOND)
class TestNumbers:
    """Numbers that no column holds, or that nothing has."""

    def test_of_attempts_and_tokens(self, arena: Arena, number: int) -> None:
        scenario = Scenario.started(arena.store, "x", "y")
        lease = scenario.claim("y")
        before = arena.everything()
        ids = [scenario.task_id(name) for name in "xy"]

        one = arena.store.claim_task(ids[0], number, WORKER, LEASE, at(2))
        many = arena.store.claim_tasks([ClaimRequest(task_id, number, WORKER, LEASE, at(2)) for task_id in ids])
        forged = lease._replace(token=number)
        ends = arena.store.finish_attempts(
            [AttemptEnd(forged, DONE, None, at(2)), AttemptEnd(forged, FailFinally(ErrorInfo("A", "b")), None, at(2))]
        )

        assert (one, list(many)) == (NotClaimed.STALE, [NotClaimed.STALE, NotClaimed.RUNNING])
        assert list(ends) == [None, None]
        for write in (
            lambda: arena.store.renew_lease(forged, LEASE, at(2)),
            lambda: arena.store.save_checkpoint(forged, "{}", LEASE, at(2)),
            lambda: arena.store.report_progress(forged, 1, "", at(2)),
            lambda: scenario.complete(forged),
            lambda: scenario.requeue(forged),
        ):
            with pytest.raises(LeaseLost):
                write()
        assert arena.everything() == before

    def test_of_runs_and_stages(self, arena: Arena, number: int) -> None:
        scenario = Scenario.started(arena.store, "x")
        store, job_id = arena.store, scenario.job_id
        before = arena.everything()

        assert store.load_run(job_id, number) is None
        assert not store.open_stage(job_id, number, new_stage(job_id, 2, ["y"]), at(1)).opened
        assert not store.open_stage(job_id, 1, replace(new_stage(job_id, 2, ["y"]), number=number), at(1)).opened
        assert not store.finish_run(job_id, number, RunStatus.FAILED, None, None, at(1))
        assert not store.finish_run(job_id, 1, RunStatus.FAILED, None, None, at(1), number)
        assert store.create_run(NewRun(job_id, number, job_message(job_id), None, "alice"), at(1)) is None
        assert list(store.list_tasks(job_id, 1, TaskFilter(stage=number), None, 5)) == []
        assert list(store.list_tasks(job_id, number, TaskFilter(), None, 5)) == []
        assert list(store.list_events(job_id, number, 0, 5)) == []
        assert list(store.stage_results(job_id, 1, number)) == []
        assert arena.everything() == before

    def test_of_what_is_reused(self, arena: Arena, number: int) -> None:
        scenario = Scenario.started(arena.store, "x")
        scenario.finish()
        before = arena.everything()
        message = stage_message(scenario.job_id, 1, 2)

        with pytest.raises(DefinitionError):
            arena.store.create_run(NewRun(scenario.job_id, 2, message, None, "alice", number), at(1))

        assert arena.everything() == before

    def test_of_cursors(self, arena: Arena, number: int) -> None:
        scenario = Scenario.started(arena.store, "x")
        store = arena.store

        assert len(store.list_runs(RunFilter(), RunCursor(at(9), JobId("a"), number), 5)) == 1
        assert len(store.list_events(scenario.job_id, 1, number, 5)) == (2 if number < 0 else 0)
        assert list(store.list_dead_letters(number, 5)) == []
        assert store.replay_dead_letter(number, number, "again", "alice", at(1)) is None
        store.mark_published([number], at(1))


def test_a_cursor_that_is_no_task_s_id_is_refused(arena: Arena) -> None:
    scenario = Scenario.started(arena.store, "x")

    for text in ("", "nonsense", f"{scenario.job_id}:1:1", f"{scenario.job_id}:1:a:x"):
        with pytest.raises(ValueError, match="task's id"):
            arena.store.list_tasks(scenario.job_id, 1, TaskFilter(), TaskId(text), 5)


def test_what_was_deleted_in_part_is_not_reused(arena: Arena) -> None:
    scenario = Scenario.started(arena.store, "x", "y")
    scenario.finish()
    assert not arena.store.delete_run(scenario.job_id, 1, 1)
    before = arena.everything()

    with pytest.raises(DefinitionError, match="deleted"):
        onward(scenario, 1)
    with pytest.raises(DefinitionError, match="deleted"):
        replay(scenario, {"y": None})

    assert arena.everything() == before


class TestTexts:
    """What the contract does not look at: the texts of messages, types and names."""

    @pytest.mark.parametrize("bad", ["a\0b", "\ud800"], ids=ascii)
    def test_nothing_is_written_with_one_that_cannot_be_stored(self, arena: Arena, bad: str) -> None:
        job, stage = new_job("b"), new_stage(new_job().job_id, 1, ["x"])
        scenario = Scenario.submitted(arena.store)
        before = arena.everything()
        writes: list[Callable[[StateStore], object]] = [
            lambda store: store.submit_job(replace(job, job_id=JobId(bad)), at(1)),
            lambda store: store.submit_job(replace(job, job_type=bad), at(1)),
            lambda store: store.submit_job(replace(job, message=job.message._replace(queue=bad)), at(1)),
            lambda store: store.open_stage(scenario.job_id, 1, replace(stage, name=bad), at(1)),
            lambda store: store.open_stage(scenario.job_id, 1, replace(stage, task_type=bad), at(1)),
            lambda store: store.open_stage(
                scenario.job_id, 1, replace(stage, on_end=stage.on_end._replace(queue=bad)), at(1)
            ),
            lambda store: store.open_stage(
                scenario.job_id, 1, replace(stage, tasks=(stage.tasks[0]._replace(name=bad),)), at(1)
            ),
            lambda store: store.record_dead_letters([NewDeadLetter(bad, "1", "t", b"", "r", "d")], at(1)),
            lambda store: store.expired_leases(at(1), 5, [bad]),
        ]

        for write in writes:
            with pytest.raises(TextNotStorable):
                write(arena.store)

        assert arena.everything() == before

    def test_a_result_that_is_too_large_leaves_its_attempt_running(self, arena: Arena) -> None:
        scenario = Scenario.started(arena.store, "x", "y")
        leases = [scenario.claim(name) for name in "xy"]
        before = arena.everything()
        large = Succeeded('"' + "x" * MAX_JSON_BYTES + '"')

        with pytest.raises(CapacityExceeded, match="blob"):
            arena.store.finish_attempts(
                [AttemptEnd(leases[0], DONE, None, at(2)), AttemptEnd(leases[1], large, None, at(2))]
            )

        assert arena.everything() == before


class TestDatabases:
    @pytest.mark.parametrize("name", CALLS)
    def test_one_that_is_read_only(self, arena: Arena, postgres_database: Database, name: str) -> None:
        scene, url = Scene(arena.store), postgres_database.url
        before = arena.everything()
        arena.admin.execute(
            f'ALTER DATABASE "{postgres_database.name}" SET default_transaction_read_only = on'.encode()
        )
        try:
            with pool_to(url, maximum=1) as pool:
                if name == "expired_leases":
                    CALLS[name](PostgresStateStore(pool), scene)
                else:
                    with pytest.raises(StoreReadOnly, match="standby"):
                        CALLS[name](PostgresStateStore(pool), scene)
                assert PostgresStateStore(pool).load_run(scene.one.job_id, 1) == scene.one.run()
        finally:
            arena.admin.execute(
                f'ALTER DATABASE "{postgres_database.name}" RESET default_transaction_read_only'.encode()
            )
        assert arena.everything() == before

    def test_one_without_the_schema(self, blank_postgres_database: Database) -> None:
        with pool_to(blank_postgres_database.url, maximum=1) as pool:
            store = PostgresStateStore(pool)
            for call in (
                lambda: store.submit_job(new_job(), at(0)),
                lambda: store.load_run(new_job().job_id, 1),
                lambda: store.attention(at(0), at(0), at(0), ["a"]),
            ):
                with pytest.raises(StoreSchemaMismatch, match=r"python -m infrastructure\.postgres\.migrations"):
                    call()

    def test_times_beyond_all_calendars_are_refused_before_anything_is_written(self, arena: Arena) -> None:
        scenario = Scenario.started(arena.store, "x")
        before = arena.everything()

        with pytest.raises(OverflowError):
            arena.store.claim_task(scenario.task_id("x"), 1, WORKER, timedelta.max.total_seconds(), at(1))

        assert arena.everything() == before
