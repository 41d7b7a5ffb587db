"""A run that was deleted, and whose job was submitted anew, in a process that remembers the deleted one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from core.ids import TaskId
from core.model import Claimed, LeaseExpired, RunStatus
from core.ports import AttemptEnd, ClaimRequest
from infrastructure.postgres.run_keys import REMEMBERED, RunKeys
from testing.contracts.scenario import DONE, LEASE, TASK_TYPE, WORKER, Scenario, at, new_job
from tests.support.postgres import Database
from tests.support.stepped import Arena


@pytest.fixture
def arena(postgres_database: Database) -> Iterator[Arena]:
    with closing(Arena(postgres_database.url)) as opened:
        yield opened


@pytest.fixture
def old(arena: Arena) -> Scenario:
    """A store that remembers a run which another one has deleted since."""
    scenario = Scenario.started(arena.session().store, "x")
    scenario.complete(scenario.claim("x"))
    scenario.finish()
    assert arena.store.delete_run(scenario.job_id, 1, 10)
    return scenario


def opens(old: Scenario, new: Scenario) -> bool:
    return old.open(1, "x").opened


def claims(old: Scenario, new: Scenario) -> bool:
    new.open(1, "x")
    return isinstance(old.claimed("x"), Claimed)


def claims_many(old: Scenario, new: Scenario) -> bool:
    new.open(1, "x", "y")
    requests = [ClaimRequest(new.task_id(name), 1, WORKER, LEASE, at(1)) for name in "xy"]
    return all(isinstance(one, Claimed) for one in old.store.claim_tasks(requests))


def parks(old: Scenario, new: Scenario) -> bool:
    new.open(1, "x")
    new.pause()
    return old.park("x")


def loads(old: Scenario, new: Scenario) -> bool:
    new.open(1, "x")
    return old.task("x").status == "queued"


def reads_results(old: Scenario, new: Scenario) -> bool:
    new.open(1, "x")
    return len(old.store.stage_results(old.job_id, 1, 1)) == 1


def ends(old: Scenario, new: Scenario) -> bool:
    new.open(1, "x")
    return old.store.finish_run(old.job_id, 1, RunStatus.CANCELLED, None, None, at(5))


def renews(old: Scenario, new: Scenario) -> bool:
    new.open(1, "x")
    return old.store.renew_lease(new.claim("x"), LEASE, at(5)).expires_at == at(5 + LEASE)


def reports(old: Scenario, new: Scenario) -> bool:
    new.open(1, "x")
    lease = new.claim("x")
    old.store.save_checkpoint(lease, "{}", LEASE, at(5))
    old.store.report_progress(lease, 50, "half", at(5))
    return new.task("x").progress_message == "half"


def completes(old: Scenario, new: Scenario) -> bool:
    new.open(1, "x")
    return old.complete(new.claim("x")).task_status == "completed"


def completes_many(old: Scenario, new: Scenario) -> bool:
    new.open(1, "x", "y")
    leases = [new.claim(name) for name in "xy"]
    return None not in old.store.finish_attempts([AttemptEnd(lease, DONE, None, at(5)) for lease in leases])


def fails(old: Scenario, new: Scenario) -> bool:
    new.open(1, "x")
    return old.fail(new.claim("x")).run_status == "failed"


def requeues(old: Scenario, new: Scenario) -> bool:
    new.open(1, "x")
    return old.requeue(new.claim("x")).task_status == "queued"


def ends_what_was_lost(old: Scenario, new: Scenario) -> bool:
    new.open(1, "x")
    new.claim("x", when=1, lease=10)
    (expired,) = old.store.expired_leases(at(50), 10, {TASK_TYPE})
    assert isinstance(expired, LeaseExpired)
    return old.requeue(expired.lease).task_status == "queued"


CALLS = (
    opens,
    claims,
    claims_many,
    parks,
    loads,
    reads_results,
    ends,
    renews,
    reports,
    completes,
    completes_many,
    fails,
    requeues,
    ends_what_was_lost,
)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__name__)
def test_the_new_run_is_found(arena: Arena, old: Scenario, call: Callable[[Scenario, Scenario], bool]) -> None:
    assert call(old, Scenario.submitted(arena.store))


def test_the_keys_of_runs_are_remembered_up_to_a_bound(arena: Arena) -> None:
    keys = RunKeys(arena.store._database)
    for number in range(1, REMEMBERED + 10):
        keys.remember(new_job().job_id, number, number)

    assert len(keys._keys) == REMEMBERED
    assert keys.find(new_job().job_id, 1) is None
    assert keys.find(new_job().job_id, REMEMBERED + 9) == REMEMBERED + 9


@pytest.mark.parametrize(
    "task_id",
    [
        "",
        "nonsense",
        "a:b:c:d",
        "{job}:1:1",
        "{job}:1:1:",
        "{job}:1:1:x:1",
        "{job}:01:1:x",
        "{job}:1:01:x",
        "{job}:\u0661:1:x",
        "{job}:1:\u00b9:x",
        "{job}:+1:1:x",
        "{job}:1:-1:x",
        "{job}: 1:1:x",
        "{job}:0:1:x",
        "{job}:1:0:x",
        "{job}:1:1:x\n",
        "{job}:1:1:x ",
        "{job}:1:1:X",
        "{job}:1:1:x\0",
        "{job}:1:1:\ud800",
        "{job}\0:1:1:x",
        "\udfff:1:1:x",
        "{job}:2:1:x",
        "{job}:2147483648:1:x",
        "{job}:99999999999999999999:1:x",
        "{job}:1:32768:x",
        "{job}:1:99999:x",
        "{job}:1:" + "9" * 5_000 + ":x",
        "{job}:1:1:" + "x" * 100_000,
    ],
    ids=lambda task_id: ascii(task_id[:40]),
)
def test_what_is_no_task_s_id_names_none(arena: Arena, task_id: str) -> None:
    scenario = Scenario.started(arena.store, "x")
    nobody = TaskId(task_id.format(job=scenario.job_id))

    assert arena.store.load_task(nobody) is None
    assert arena.store.claim_task(nobody, 1, WORKER, LEASE, at(1)) == "unknown"
    assert list(arena.store.list_attempts(nobody)) == []
