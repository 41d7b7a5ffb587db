"""A server that is killed in the middle of the work, and one that has no disk left."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import psycopg
import pytest

from core.errors import StoreFull, StoreUnavailable
from core.model import Claimed, StageStatus
from core.ports import AttemptEnd, ClaimRequest
from infrastructure.postgres.migrations import migrate
from infrastructure.postgres.pool import ConnectionPoolManager
from infrastructure.postgres.store import PostgresStateStore
from local.postgres import EmbeddedPostgres
from testing.contracts.scenario import DONE, FOREVER, LEASE, TASK_TYPE, WORKER, Scenario, at, new_job, stage_message
from tests.support.postgres_store import pool_to
from tests.support.stepped import PATIENT

T = TypeVar("T")

NOT_SYNCED = {"fsync": "off", "full_page_writes": "off"}
"""What was committed outlives the server's processes, though not the machine."""


@pytest.fixture
def server() -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(settings=NOT_SYNCED) as started:
        with psycopg.connect(started.uri, autocommit=True) as connection:
            migrate(connection)
        yield started


@pytest.fixture
def pool(server: EmbeddedPostgres) -> Iterator[ConnectionPoolManager]:
    with pool_to(server.uri, maximum=4) as opened:
        yield opened


def at_last(call: Callable[[], T]) -> T:
    """What a call gives that is repeated while the store is away."""
    for _ in range(1_000):
        try:
            return call()
        except StoreUnavailable:
            continue
    raise AssertionError("the store did not come back")


class TestKilled:
    TASKS = 240
    KILLS = 4

    def test_work_goes_on_and_each_task_ends_once(self, server: EmbeddedPostgres, pool: ConnectionPoolManager) -> None:
        store = PostgresStateStore(pool)
        names = [f"t{number:03}" for number in range(self.TASKS)]
        scenario = Scenario.started(store, *names)
        ended = threading.Semaphore(0)

        def work(share: list[str]) -> None:
            for start in range(0, len(share), 4):
                self.end(scenario, share[start : start + 4])
                for _ in share[start : start + 4]:
                    ended.release()

        with ThreadPoolExecutor(3) as threads:
            working = [threads.submit(work, names[number::3]) for number in range(3)]
            for _ in range(self.KILLS):
                for _ in range(self.TASKS // (self.KILLS + 1)):
                    assert ended.acquire(timeout=PATIENT)
                server.stop("immediate")
                server.start()
            for future in working:
                future.result(PATIENT)

        stage = at_last(scenario.run).stages[0]
        assert (stage.status, stage.remaining, stage.failed) == (StageStatus.COMPLETED, 0, 0)
        ends = [row.message.message_id for row in store.unpublished(10_000, at(FOREVER))]
        assert ends.count(stage_message(scenario.job_id, 1).message_id) == 1
        kinds = [kind for kind, _ in scenario.told()]
        assert (kinds.count("task_completed"), kinds.count("stage_ended")) == (self.TASKS, 1)
        assert all(result.result_json == DONE.result_json for result in store.stage_results(scenario.job_id, 1, 1))

    def end(self, scenario: Scenario, names: list[str]) -> None:
        """Claim and end tasks. What was claimed or ended in an answer that was lost is found so."""
        store = scenario.store
        requests = [ClaimRequest(scenario.task_id(name), 1, WORKER, LEASE, at(1)) for name in names]
        claims = at_last(lambda: store.claim_tasks(requests))
        leases = [claim.lease for claim in claims if isinstance(claim, Claimed)]
        at_last(lambda: store.finish_attempts([AttemptEnd(lease, DONE, None, at(2)) for lease in leases]))
        mine = {request.task_id for request in requests}
        lost = at_last(lambda: store.expired_leases(at(FOREVER), self.TASKS, {TASK_TYPE}))
        ends = [AttemptEnd(one.lease, DONE, None, at(2)) for one in lost if one.lease.task_id in mine]
        at_last(lambda: store.finish_attempts(ends))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no file here that is always full")
def test_what_finds_no_room_is_not_written_and_is_once_there_is(
    server: EmbeddedPostgres, pool: ConnectionPoolManager
) -> None:
    store = PostgresStateStore(pool)
    with cannot_grow(server, "coremachine.jobs"):
        for _ in range(2):
            with pytest.raises(StoreFull, match="disk"):
                store.submit_job(new_job(), at(1))
        assert store.latest_run(new_job().job_id) is None
        assert list(store.unpublished(10, at(FOREVER))) == []

    assert store.submit_job(new_job(), at(2)).created
    assert len(store.unpublished(10, at(FOREVER))) == 1


@contextmanager
def cannot_grow(server: EmbeddedPostgres, table: str) -> Iterator[None]:
    """An empty table's file is one that is always full."""
    with psycopg.connect(server.uri, autocommit=True) as connection:
        row = connection.execute("SELECT pg_relation_filepath(%s::regclass)", [table]).fetchone()
    assert row is not None
    file = server.data_directory / str(row[0])
    aside = file.with_name("aside")
    server.stop()
    file.rename(aside)
    file.symlink_to("/dev/full")
    server.start()
    yield
    server.stop()
    aside.rename(file)
    server.start()
