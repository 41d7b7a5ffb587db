"""The same random steps on two stores, which must answer each of them alike and be in the same state after it."""

from __future__ import annotations

from hypothesis.stateful import invariant

from core.ids import JobId
from core.listing import RunFilter, TaskFilter
from core.ports import StateStore
from testing.contracts.scenario import TASK_TYPE, at
from testing.contracts.state_machine import StateStoreMachine
from testing.contracts.steps import JOBS
from testing.contracts.twin_stores import TwinStores

FAR = 1e6
PAGE = 7


class SameTracesMachine(StateStoreMachine):
    """Override :meth:`make_stores` to give two empty stores; each call of the rules goes to both of them."""

    def make_stores(self) -> tuple[StateStore, StateStore]:
        raise NotImplementedError

    def make_store(self) -> StateStore:
        return TwinStores.of(*self.make_stores())

    @invariant()
    def both_are_in_the_same_state(self) -> None:
        """Looking at everything compares it."""
        look_at_all(self.store, self.seconds)


def look_at_all(store: StateStore, seconds: float) -> None:
    """Read whatever can be read of the runs of :data:`JOBS`, the outbox, and what the reconciler asks."""
    for job in JOBS.values():
        latest = store.latest_run(job.job_id)
        newest = latest.run if latest is not None else 1
        _look_at_run(store, job.job_id, newest)
        for number in range(max(1, newest - 2), newest):
            store.load_run(job.job_id, number)
            store.list_tasks(job.job_id, number, TaskFilter(), None, PAGE)
            store.list_events(job.job_id, number)
    for paused in (None, True):
        store.list_runs(RunFilter(paused=paused), None, PAGE)
    for when in (seconds, FAR):
        store.unpublished(1_000, at(when))
        store.expired_leases(at(when), 100, {TASK_TYPE})
        store.overdue_runs(at(when), 100)
        store.ended_runs(at(when), 100)
    store.list_dead_letters(0, 100)
    store.attention(at(seconds), at(seconds - 10), at(seconds - 50), {TASK_TYPE})


def _look_at_run(store: StateStore, job_id: JobId, number: int) -> None:
    run = store.load_run(job_id, number)
    events = store.list_events(job_id, number)
    if events:
        store.list_events(job_id, number, events[len(events) // 2].sequence, PAGE)
    for task in store.list_tasks(job_id, number, TaskFilter(), None, 1_000):
        store.list_attempts(task.task_id)
    for stage in run.stages if run is not None else ():
        store.stage_results(job_id, number, stage.number)
