"""Plans do not follow statistics: a lookup by key stays one, and what a task costs does not grow with its stage."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

import psycopg
import pytest

from infrastructure.postgres.sql_blocks import FOLDER, read_blocks
from testing.contracts.scenario import LEASE, TASK_TYPE, Scenario, at
from testing.contracts.state_letters import letter
from tests.support.plans import Prepared, Recorder, nodes
from tests.support.postgres import Database, Server
from tests.support.scene import CALLS, Scene

BLOCKS = {block.statement: block.name for path in FOLDER.glob("*.sql") for block in read_blocks(path)}

KEYS: Mapping[str, tuple[str, ...]] = {
    "jobs": ("job_id",),
    "runs": ("run_key",),
    "stages": ("run_key", "number"),
    "stage_shards": ("run_key", "stage"),
    "tasks": ("run_key", "stage", "name"),
    "leases": ("run_key", "stage", "name"),
    "checkpoints": ("run_key", "stage", "name"),
    "attempts": ("run_key", "stage", "name"),
}
"""What a lookup in a table names at least. The shards of a stage are few, and in the few pages of one another."""

FIND_RUN = ("job_id", "run")

LOOKUPS = (
    "submit_job",
    "find_run_key",
    "open_stage",
    "claim_task",
    "claim_tasks",
    "hold_task",
    "hold_lost_lease",
    "hold_stage_to_look_at",
    "park_task",
    "renew_lease",
    "save_checkpoint",
    "report_progress",
    "complete_task",
    "end_tasks",
    "failure_policies",
    "fail_task",
    "requeue_task",
    "spend_retry",
    "lock_run",
    "share_run",
    "end_run",
    "mark_published",
    "load_task",
)
"""The statements in which every table but the outbox is looked up by whole keys."""

SCANS: Mapping[str, frozenset[str]] = {
    "load_run": frozenset({"stages"}),
    "cancel_tasks": frozenset({"tasks"}),
    "stage_results": frozenset({"tasks"}),
    "unpublished": frozenset(),
    "outbox_rows": frozenset(),
    "expired_leases": frozenset({"leases"}),
    "attention": frozenset({"leases", "runs"}),
    "stage_activity": frozenset({"leases"}),
}
"""The tables that these statements read a part of, or all of what is there now; the others are looked up."""

TASKS = 100_000
MANY_PAGES = 100
"""Pages: a lookup touches four in a table of this size, and the tasks alone fill two thousand."""

Recorded = tuple[str, Mapping[str, object]]


@pytest.fixture(scope="module")
def recorded(postgres_server: Server) -> Iterator[Mapping[str, Recorded]]:
    """The statements that the store sends, by name, with parameters that it sent."""
    with closing(postgres_server.create()) as database:
        recorder = Recorder(database.url)
        with recorder.connection:
            drive(recorder)
        yield {BLOCKS[statement]: (statement, parameters) for statement, parameters in recorder.sent.items()}


def drive(recorder: Recorder) -> None:
    store, scene = recorder.store, Scene(recorder.store)
    for call in CALLS.values():
        recorder.connection.execute("BEGIN")
        call(store, scene)
        recorder.connection.execute("ROLLBACK")
    lease = scene.leases[0]
    store.renew_lease(lease, LEASE, at(1))
    store.save_checkpoint(lease, "{}", LEASE, at(1))
    store.report_progress(lease, 50, "half", at(1))
    store.load_task(lease.task_id)
    store.stage_activity(scene.one.job_id, 1, 1, 100)
    store.stage_results(scene.one.job_id, 1, 1)
    store.attention(at(1), at(1), at(1), [TASK_TYPE])
    store.record_dead_letters([letter()], at(1))
    store.delete_dead_letters(at(2), 10)
    scene.other.publish_all(when=1)
    store.reissue_stale(at(100), at(200), 10)


def condition(node: Mapping[str, Any]) -> str:
    below = node.get("Plans", ()) if node["Node Type"] == "Bitmap Heap Scan" else ()
    return str(node.get("Index Cond", "")) + "".join(condition(child) for child in below)


def is_lookup(node: Mapping[str, Any]) -> bool:
    """Whether a scan of a table goes through an index by a whole key."""
    named = set(re.findall(r"\((\w+) = ", condition(node)))
    table = node["Relation Name"]
    return named.issuperset(KEYS[table]) or (table == "runs" and named.issuperset(FIND_RUN))


def read_otherwise(plan: Mapping[str, Any]) -> set[str]:
    """The tables of which a plan reads more than it looks up. Of the outbox and dead letters there is little."""
    scans = [node for node in nodes(plan) if "Relation Name" in node and "Scan" in node["Node Type"]]
    return {node["Relation Name"] for node in scans if node["Relation Name"] in KEYS and not is_lookup(node)}


@pytest.fixture(scope="module", params=["never analysed", "analysed while empty", "large"])
def state(request: pytest.FixtureRequest, postgres_server: Server) -> Iterator[Database]:
    with closing(postgres_server.create()) as database:
        recorder = Recorder(database.url)
        with recorder.connection as connection:
            if request.param == "large":
                Scenario.started(recorder.store, *(f"t{number:06}" for number in range(TASKS)))
                many_runs(connection)
            if request.param != "never analysed":
                connection.execute("ANALYZE")
        yield database


def many_runs(connection: psycopg.Connection[tuple[Any, ...]]) -> None:
    """Ten thousand runs that ended, with a stage and a task each, and what they left behind."""
    connection.execute("""
        INSERT INTO coremachine.runs
            (job_id, run, job_type, tenant, parameters_json, status, newest_stage, created_at, updated_at, ended_at)
        SELECT n, 1, 'a', 'b', '{}', 'completed', 1, now(), now(), now() FROM generate_series(1, 10000) n
    """)
    connection.execute("""
        INSERT INTO coremachine.stages (run_key, number, name, task_type, failure_policy, status, total, open_shards,
            updated_at, end_queue, end_message_id, end_message_type, end_body)
        SELECT run_key, 1, 'a', 'b', 'tolerate', 'completed', 1, 0, now(), 'q', 'i', 't', '' FROM coremachine.runs
        ON CONFLICT DO NOTHING
    """)
    connection.execute("""
        INSERT INTO coremachine.attempts
            (run_key, stage, name, attempt, token, ended, owner, started_at, ended_at, outcome)
        SELECT run_key, 1, 'x', 1, 1, 2, 'w', now(), now(), 'completed' FROM coremachine.runs
    """)


@pytest.mark.parametrize("name", [*LOOKUPS, *SCANS])
def test_lookups_go_by_whole_keys_whatever_the_statistics(
    state: Database, recorded: Mapping[str, Recorded], name: str
) -> None:
    statement, parameters = recorded[name]
    with closing(Recorder(state.url).connection) as connection:
        plan = Prepared(connection, statement, parameters).plan(parameters, statement)

    assert read_otherwise(plan) == SCANS.get(name, frozenset())


def test_old_dead_letters_are_found_by_their_age(state: Database, recorded: Mapping[str, Recorded]) -> None:
    statement, parameters = recorded["hold_old_letters"]
    with closing(Recorder(state.url).connection) as connection:
        plan = Prepared(connection, statement, parameters).plan(parameters, statement)

    scans = [node for node in nodes(plan) if node.get("Relation Name") == "dead_letters"]
    assert [node.get("Index Name") for node in scans] == ["dead_letters_recorded"]


def most_pages(plan: Mapping[str, Any]) -> int:
    """Of the steps of an executed plan, the pages that the busiest one touched, with those below it."""
    return max(int(node["Shared Hit Blocks"]) + int(node["Shared Read Blocks"]) for node in nodes(plan))


def test_a_plan_that_was_made_for_empty_tables_is_right_for_a_large_stage(
    own_postgres_database: Database, recorded: Mapping[str, Recorded]
) -> None:
    names = ("claim_task", "claim_tasks", "complete_task", "end_tasks", "requeue_task", "load_task", "renew_lease")
    recorder = Recorder(own_postgres_database.url)
    with recorder.connection as connection:
        prepared = {name: Prepared(connection, *recorded[name]) for name in names}
        for name in names:
            prepared[name].plan(recorded[name][1], recorded[name][0])
        connection.execute("BEGIN")
        large = Scenario.started(recorder.store, *(f"t{number:06}" for number in range(TASKS)))
        lease = large.claim("t050000")
        for name in names:
            free = name.startswith("claim")
            values = parameters_for(recorded[name][1], recorder, "t050001" if free else "t050000", lease.token)
            plan = prepared[name].executed(values, recorded[name][0])

            assert int(plan["Actual Rows"]) == 1, name
            assert most_pages(plan) < MANY_PAGES, name


def parameters_for(parameters: Mapping[str, object], recorder: Recorder, task: str, token: int) -> Mapping[str, object]:
    """Those of a call for one task of the only run."""
    key = recorder.connection.execute("SELECT run_key FROM coremachine.runs").fetchone()
    assert key is not None
    one = {"run_key": key[0], "stage": 1, "name": task, "attempt": 1, "token": token}
    many = {"run_keys": key[0], "stages": 1, "names": task, "attempts": 1, "tokens": token, "positions": 0}
    many |= {"times": at(1), "ends": at(9), "owners": "w", "results": "{}"}
    asked = one | {name: str(value) for name, value in many.items()} | {"codes": [], "messages": [], "retryables": []}
    return {name: asked.get(name, value) for name, value in parameters.items()}
