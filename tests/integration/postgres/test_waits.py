"""A call that waits too long, or in a circle: a typed error, nothing half written, and it can be repeated."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from core.errors import StoreUnavailable
from core.model import FailurePolicy, StageStatus, TaskStatus
from core.ports import StateStore
from testing.contracts.scenario import Scenario
from tests.support.postgres import Database
from tests.support.scene import CALLS, ORDER, Scene, rows
from tests.support.stepped import PATIENT, Arena, Session

WAITING = sorted(CALLS.keys() - {"submit_job", "unpublished", "reissue_stale", "expired_leases"})
ROWS_A_TABLE = 2


@pytest.fixture
def arena(postgres_database: Database) -> Iterator[Arena]:
    with closing(Arena(postgres_database.url)) as opened:
        yield opened


def sqlstate(error: BaseException) -> str | None:
    assert isinstance(error.__cause__, psycopg.Error)
    return error.__cause__.sqlstate


def refuses(caller: Session, name: str, scene: Scene, code: str, setting: str) -> bool:
    """Whether the call was given up, for this reason."""
    try:
        CALLS[name](caller.store, scene)
    except StoreUnavailable as error:
        return sqlstate(error) == code and setting in error.message
    return False


@pytest.mark.parametrize("name", WAITING)
def test_a_lock_that_is_not_free_in_time(arena: Arena, name: str) -> None:
    scene = Scene(arena.store)
    before = arena.everything()
    blocker, caller = arena.session(), arena.session(DATABASE_LOCK_TIMEOUT_SECONDS="0.005")
    for table, key in ORDER.items():
        refused = 0
        for row in sorted(rows(arena, table)):
            blocker.begin().lock(table, **dict(zip(key.split(", "), row, strict=True)))
            caller.begin()
            refused += refuses(caller, name, scene, "55P03", "DATABASE_LOCK_TIMEOUT_SECONDS")
            caller.rollback()
            blocker.rollback()
            if refused == ROWS_A_TABLE:
                break
    assert arena.everything() == before

    CALLS[name](caller.store, scene)

    assert arena.everything() != before


@pytest.mark.parametrize("name", ["complete", "complete_many", "fail_fast", "finish_run", "mark_published", "replay"])
@pytest.mark.parametrize("table", ["runs", "jobs", "tasks", "stages"])
def test_a_statement_that_takes_too_long(arena: Arena, name: str, table: str) -> None:
    scene = Scene(arena.store)
    before = arena.everything()
    blocker, caller = arena.holder(), arena.session(DATABASE_STATEMENT_TIMEOUT_SECONDS="0.1")
    blocker.connection.execute(f"SELECT FROM coremachine.{table} FOR UPDATE".encode())

    if refuses(caller, name, scene, "57014", "DATABASE_STATEMENT_TIMEOUT_SECONDS"):
        assert arena.everything() == before
        blocker.rollback()
        caller.rollback()
        caller.connection.execute("SET statement_timeout = 0")  # a busy machine may need longer
        CALLS[name](caller.store, scene)

    assert arena.everything() != before


class TestCircles:
    """The call holds the task and is made to wait for its stage by somebody who then waits for the task."""

    def circle(self, arena: Arena, scenario: Scenario, caller: Session) -> tuple[Session, Session]:
        """Somebody who lets the call get as far as the task, and somebody who holds the stage."""
        caller.connection.execute("SET deadlock_timeout = '10ms'")
        first, other = arena.holder(), arena.holder()
        first.lock("stage_shards", stage=1)
        other.lock("stages", number=1)
        return first, other

    @pytest.mark.parametrize("how", ["complete", "fail"])
    def test_who_is_chosen_to_give_way_has_written_nothing_and_may_repeat(self, arena: Arena, how: str) -> None:
        scenario, caller = Scenario.started(arena.store, "x", policy=FailurePolicy.TOLERATE), arena.session()
        lease = scenario.claim("x")
        before = arena.everything()
        first, other = self.circle(arena, scenario, caller)

        def end(store: StateStore) -> object:
            return getattr(Scenario(store, scenario.job), how)(lease)

        ended = caller.start(end)
        assert arena.waits(caller, first)
        waiting = other.start(lambda store: other.lock("tasks", name="x"))
        assert arena.waits(other, caller)
        first.rollback()

        with pytest.raises(StoreUnavailable) as caught:
            ended.result(PATIENT)
        waiting.result(PATIENT)
        assert sqlstate(caught.value) == "40P01"
        assert arena.everything() == before
        other.rollback()
        end(caller.store)
        assert scenario.run().stages[0].status is not StageStatus.RUNNING
        assert scenario.outbox().count("stage_complete") == 1

    def test_a_run_s_end_gives_way_whole(self, arena: Arena) -> None:
        scenario, caller = Scenario.started(arena.store, "x", "y"), arena.session()
        x, _ = scenario.claim("x"), scenario.claim("y")
        before = arena.everything()
        first, other = self.circle(arena, scenario, caller)

        failed = caller.start(lambda store: Scenario(store, scenario.job).fail(x))
        assert arena.waits(caller, first)
        waiting = other.start(lambda store: other.lock("runs", job_id=scenario.job_id))
        assert arena.waits(other, caller)
        first.rollback()

        with pytest.raises(StoreUnavailable):
            failed.result(PATIENT)
        waiting.result(PATIENT)
        assert arena.everything() == before
        other.rollback()
        scenario.fail(x)
        assert [scenario.task(name).status for name in "xy"] == [TaskStatus.FAILED, TaskStatus.CANCELLED]
