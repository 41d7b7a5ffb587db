from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import pytest

from core.attempts import Processed
from core.consumer import dispatch, settle
from core.errors import BusUnavailable, LeaseLost, StoreInconsistent, StoreUnavailable
from core.ids import JobId, WorkerId
from core.jobs import DEFAULT_DEADLINE_SECONDS
from core.machine import CoreMachine
from core.messages import TaskQueueMessage
from core.model import Claimed, LeaseExpired, OutboundMessage, RunStatus, TaskStatus
from core.ports import Attention, StateStore
from core.reconciler import Reconciler, ReconcilerPolicy, Repairs
from testing.clock import FakeClock
from testing.factories import MachineOnMocks, Registries, create_test_core_machine
from testing.fault_handlers import fault_handlers, fault_jobs
from testing.mock_bus import MockServiceBusRepository
from testing.mock_state import MockStateManager

POLICY = ReconcilerPolicy()
NOTHING = Repairs()


class Desk:
    """A machine over the fault jobs, and its reconciler."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        registries = Registries.of(fault_jobs(["succeeds", "fails_transiently"]), fault_handlers(self.clock.advance))
        made: MachineOnMocks = create_test_core_machine(registries, clock=self.clock)
        self.machine, self.state, self.bus = made
        self.reconciler = Reconciler(self.machine, self.bus)

    def start(self, n: int = 1) -> str:
        """A job whose first stage is open; its messages wait in the queue. The job id."""
        run = self.machine.submit("succeeds", {"n": n}).run
        message = self.bus.receive("jobs", 1)[0]
        settle(self.bus, message, dispatch(self.machine, message.body))
        return run.job_id

    def claim(self, job_id: str, name: str = "task-0", attempt: int = 1) -> Claimed:
        task_id = next(task for task in self.state.get_state_snapshot()["tasks"] if task.endswith(f":{name}"))
        claim = self.state.claim_task(task_id, attempt, WorkerId("gone"), 60, self.clock.now())
        assert isinstance(claim, Claimed)
        return claim

    def silent(self) -> CoreMachine:
        """The same machine over a bus that is away."""
        return CoreMachine(
            self.machine.jobs,
            self.machine.handlers,
            self.state,
            BusThatIsAway(self.clock),
            blobs=self.machine.blobs,
            clock=self.clock,
            ids=IDS,
        )

    def waiting(self, queue: str = "tasks") -> list[str]:
        return [message.message_id for message in self.bus.receive(queue, 100)]


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_healthy_system_is_left_alone(desk: Desk) -> None:
    desk.start(n=50)
    desk.clock.advance(POLICY.stale_after)

    assert desk.reconciler.run_once() == NOTHING
    assert len(desk.waiting()) == 50


def test_an_expired_lease_is_ended_and_the_task_is_queued_again(desk: Desk) -> None:
    job_id = desk.start()
    lease = desk.claim(job_id).lease
    desk.clock.advance(61)

    assert desk.reconciler.run_once() == Repairs(leases_ended=1)

    task = desk.state.load_task(lease.task_id)
    assert task is not None
    assert (task.status, task.attempt, task.charged) == (TaskStatus.QUEUED, 2, 1)
    assert f"{lease.task_id}:2" in desk.waiting()
    assert desk.reconciler.run_once() == NOTHING


def test_a_lease_that_expires_too_often_fails_the_task_for_good(desk: Desk) -> None:
    job_id = desk.start()
    for attempt in range(1, 5):
        desk.claim(job_id, attempt=attempt)
        desk.clock.advance(61)
        desk.reconciler.run_once()

    run = desk.state.open_runs()
    failed = desk.machine.store.load_run(desk.machine.submit("succeeds", {"n": 1}).run.job_id, 1)
    assert run == []
    assert failed is not None
    assert (failed.status, failed.error and failed.error.code) == (RunStatus.FAILED, "LEASE_EXPIRED")


def test_an_expired_lease_of_a_task_type_that_is_not_known_here_does_not_stop_the_others(desk: Desk) -> None:
    stranger = desk.state.create_test_job("elsewhere", {})
    unknown = desk.state.create_test_task(stranger.job_id, "task_of_another_app")
    desk.state.claim_task(unknown.task_id, 1, WorkerId("gone"), 30, desk.clock.now())
    desk.claim(desk.start())
    desk.clock.advance(61)

    assert desk.reconciler.run_once().leases_ended == 1


def test_what_a_crash_left_in_the_outbox_is_published(desk: Desk) -> None:
    desk.silent().submit("succeeds", {})
    assert desk.reconciler.run_once() == NOTHING
    desk.clock.advance(POLICY.unpublished_after + 0.1)

    assert desk.reconciler.run_once() == Repairs(published=1)
    assert len(desk.waiting("jobs")) == 1


def test_a_lost_message_is_sent_again_once_it_is_stale(desk: Desk) -> None:
    desk.start(n=2)
    for message in desk.bus.receive("tasks", 10):
        desk.bus.complete(message)
    desk.clock.advance(POLICY.stale_after + 0.1)

    assert desk.reconciler.run_once() == Repairs(wakeups_resent=2)
    assert desk.reconciler.run_once() == NOTHING
    assert len(desk.waiting()) == 2


def test_while_the_bus_is_away_nothing_is_counted_as_repaired(desk: Desk) -> None:
    desk.start()
    desk.clock.advance(POLICY.stale_after + 0.1)

    assert Reconciler(desk.machine, BusThatIsAway(desk.clock)).run_once() == NOTHING


def test_an_absent_store_is_told_to_the_caller() -> None:
    class Away(MockStateManager):
        def attention(self, *_: object) -> Attention:
            raise StoreUnavailable("away")

    machine, _, bus = create_test_core_machine(state=Away())

    with pytest.raises(StoreUnavailable):
        Reconciler(machine, bus).run_once()


def test_a_run_that_is_overdue_fails_and_its_tasks_with_it(desk: Desk) -> None:
    job_id = JobId(desk.start(n=2))
    lease = desk.claim(job_id).lease
    desk.clock.advance(DEFAULT_DEADLINE_SECONDS)

    assert desk.reconciler.run_once() == Repairs(runs_expired=1)

    run = desk.state.load_run(job_id, 1)
    assert run is not None
    assert (run.status, run.error and run.error.code) == (RunStatus.FAILED, "RUN_DEADLINE_EXCEEDED")
    with pytest.raises(LeaseLost):
        desk.state.renew_lease(lease, 60, desk.clock.now())
    assert desk.reconciler.run_once() == NOTHING


def test_a_run_is_not_overdue_before_its_deadline(desk: Desk) -> None:
    job_id = JobId(desk.start())
    desk.clock.advance(DEFAULT_DEADLINE_SECONDS - 1)

    assert desk.reconciler.run_once().runs_expired == 0
    run = desk.state.load_run(job_id, 1)
    assert run is not None
    assert not run.ended


def test_a_pass_that_finds_nothing_asks_one_question() -> None:
    machine, _, bus = create_test_core_machine()
    reconciler, asked = Reconciler(machine, bus), Asked(machine.store)
    machine.store = cast(StateStore, asked)

    assert reconciler.run_once() == NOTHING
    assert asked.names == ["attention"]


def test_one_repair_that_fails_does_not_hold_up_the_others(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = desk.start(n=2)
    leases = [desk.claim(job_id, f"task-{number}").lease for number in range(2)]
    desk.clock.advance(61)
    end = desk.machine.attempts.end_lost

    def fails_for_the_first(message: TaskQueueMessage, expired: LeaseExpired) -> Processed:
        if expired.lease == leases[0]:
            raise StoreInconsistent("cannot be")
        return end(message, expired)

    monkeypatch.setattr(desk.machine.attempts, "end_lost", fails_for_the_first)

    assert desk.reconciler.run_once() == Repairs(leases_ended=1, failed=1)


class Asked:
    """A store that notes what it is asked for."""

    def __init__(self, store: StateStore) -> None:
        self._store = store
        self.names: list[str] = []

    def __getattr__(self, name: str) -> object:
        self.names.append(name)
        return getattr(self._store, name)


class BusThatIsAway(MockServiceBusRepository):
    def send(self, messages: Sequence[OutboundMessage]) -> None:
        raise BusUnavailable("away")


class _Ids:
    def new_id(self) -> str:
        return "0" * 32

    def jitter(self) -> float:
        return 0.5


IDS = _Ids()


def test_the_pass_after_one_that_the_store_was_away_for_ends_no_lease(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise StoreUnavailable("no answer")

    desk.claim(desk.start(1))
    desk.clock.advance(1_000)
    with monkeypatch.context() as patched:
        patched.setattr(desk.state, "attention", away)
        with pytest.raises(StoreUnavailable):
            desk.reconciler.run_once()

    assert desk.reconciler.run_once().leases_ended == 0
    assert desk.reconciler.run_once().leases_ended == 1
