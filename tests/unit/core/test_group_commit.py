from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Barrier, Event

import pytest

from core.errors import CapacityExceeded, LeaseLost, StoreUnavailable, TextNotStorable
from core.group_commit import GroupCommit
from core.ids import TaskId
from core.model import Claimed, Finished, Lease, TaskStatus
from core.outcome import Succeeded
from core.ports import AttemptEnd, ClaimRequest, StateStore
from testing.contracts.scenario import DONE, LEASE, WORKER, Scenario, at
from testing.contracts.state_store import StateStoreContract
from testing.mock_state import MockStateManager

Answer = Callable[[Sequence[AttemptEnd]], Sequence[Finished | None]]


class Gate(MockStateManager):
    """A store whose first call waits until ``company`` others have arrived, and that notes the size of each group."""

    def __init__(self) -> None:
        super().__init__()
        self.groups: list[int] = []
        self.entered = Event()
        self.opened = Event()
        self.refuses: Callable[[AttemptEnd], Exception | None] = lambda _: None

    def finish_attempts(self, ends: Sequence[AttemptEnd]) -> Sequence[Finished | None]:
        self.groups.append(len(ends))
        self.entered.set()
        assert self.opened.wait(30)
        for end in ends:
            error = self.refuses(end)
            if error is not None:
                raise error
        return super().finish_attempts(ends)


class Crowd:
    """Threads that end the tasks of one stage together: the first makes its call, the others come while it waits."""

    def __init__(self, store: Gate, limit: int = 100, others: int = 9) -> None:
        self.store = store
        names = [f"t{number}" for number in range(others + 1)]
        scenario = Scenario.started(store, *names)
        self.leases = [scenario.claim(name) for name in names]
        self.group = GroupCommit(store, limit)
        self._pool = ThreadPoolExecutor(len(names))

    def end(self, lease: Lease) -> Future[Finished]:
        return self._pool.submit(self.group.finish_attempt, lease, DONE, None, at(2))

    def end_all(self) -> list[Future[Finished]]:
        first = self.end(self.leases[0])
        assert self.store.entered.wait(30)
        others = [self.end(lease) for lease in self.leases[1:]]
        self.wait_for(len(others))
        self.store.opened.set()
        self._pool.shutdown(wait=True)
        return [first, *others]

    def wait_for(self, waiting: int) -> None:
        arrived = Event()
        while len(self.group._ends._waiting) < waiting:
            arrived.wait(0.001)


class TestTheStoreBehindIt(StateStoreContract):
    @pytest.fixture
    def store(self) -> StateStore:
        return GroupCommit.wrap(MockStateManager())


def test_one_alone_goes_at_once() -> None:
    store = Gate()
    store.opened.set()
    crowd = Crowd(store, others=0)

    assert crowd.end(crowd.leases[0]).result(30).task_status is TaskStatus.COMPLETED
    assert store.groups == [1]


def test_who_comes_while_a_call_is_under_way_goes_with_the_next() -> None:
    store = Gate()

    ended = Crowd(store, others=9).end_all()

    assert store.groups == [1, 9]
    assert [future.result().task_status for future in ended] == [TaskStatus.COMPLETED] * 10
    assert sum(len(future.result().outbox) for future in ended) == 1


def test_a_group_has_a_limit() -> None:
    store = Gate()

    ended = Crowd(store, limit=4, others=9).end_all()

    assert store.groups == [1, 4, 4, 1]
    assert all(future.result().task_status is TaskStatus.COMPLETED for future in ended)


def test_a_lost_lease_is_told_to_its_own_caller() -> None:
    store = Gate()
    crowd = Crowd(store, others=3)
    crowd.leases[2] = crowd.leases[2]._replace(token=crowd.leases[2].token + 1_000)

    ended = crowd.end_all()

    assert isinstance(ended[2].exception(), LeaseLost)
    assert [ended[index].result().task_status for index in (0, 1, 3)] == [TaskStatus.COMPLETED] * 3


@pytest.mark.parametrize("error", [CapacityExceeded("full"), TextNotStorable("NUL")])
def test_what_the_store_refuses_is_the_fault_of_one_of_them(error: Exception) -> None:
    store = Gate()
    crowd = Crowd(store, others=3)
    store.refuses = lambda end: error if end.lease == crowd.leases[2] else None

    ended = crowd.end_all()

    assert ended[2].exception() is error
    assert [ended[index].result().task_status for index in (0, 1, 3)] == [TaskStatus.COMPLETED] * 3


def test_a_store_that_is_away_is_away_for_all_of_a_group_and_nobody_else() -> None:
    store = Gate()
    crowd = Crowd(store, others=3)
    store.refuses = lambda end: StoreUnavailable("away") if end.lease == crowd.leases[2] else None

    ended = crowd.end_all()

    assert [type(future.exception()) for future in ended] == [type(None)] + [StoreUnavailable] * 3


def test_a_bug_below_leaves_nobody_waiting() -> None:
    store = Gate()
    crowd = Crowd(store, others=3)
    store.refuses = lambda end: ZeroDivisionError() if end.lease == crowd.leases[2] else None

    ended = crowd.end_all()

    errors = [type(future.exception()) for future in ended[1:]]
    assert sorted(error.__name__ for error in errors) == ["StoreUnavailable", "StoreUnavailable", "ZeroDivisionError"]


def test_claims_are_gathered_too_and_each_task_is_granted_once() -> None:
    store = MockStateManager()
    scenario = Scenario.started(store, *(f"t{number}" for number in range(8)))
    group = GroupCommit(OneAtATime.wrap(store))
    start = Barrier(16)

    def claim(index: int) -> object:
        start.wait(30)
        return group.claim_task(scenario.task_id(f"t{index % 8}"), 1, WORKER, LEASE, at(1))

    with ThreadPoolExecutor(16) as pool:
        claims = list(pool.map(claim, range(16)))

    granted = [claim.lease.task_id for claim in claims if isinstance(claim, Claimed)]
    assert sorted(granted) == sorted({TaskId(scenario.task_id(f"t{index}")) for index in range(8)})


class OneAtATime(GroupCommit):
    """Fails when two calls are made of the store at once."""

    def claim_tasks(self, requests: Sequence[ClaimRequest]) -> Sequence[object]:
        assert not self.__dict__.setdefault("inside", [])
        self.__dict__["inside"].append(1)
        try:
            return self._store.claim_tasks(requests)
        finally:
            self.__dict__["inside"].pop()


def test_results_are_those_of_the_store() -> None:
    store = MockStateManager()
    scenario = Scenario.started(store, "x")
    group = GroupCommit(store)

    finished = group.finish_attempt(scenario.claim("x"), Succeeded('{"n":1}'), None, at(3))

    assert [row.message.message_type for row in finished.outbox] == ["stage_complete"]
    assert group.load_task(scenario.task_id("x")).result_json == '{"n":1}'


@pytest.mark.parametrize("when", ["before it is woken", "as it takes the lead"])
def test_who_is_interrupted_while_it_waits_takes_no_lead_along(when: str, monkeypatch: pytest.MonkeyPatch) -> None:
    gone, second = Event(), Event()

    class Interruptible(Event):
        """The first thread that waits is interrupted."""

        def wait(self, timeout: float | None = None) -> bool:
            if second.is_set():
                return super().wait(timeout)
            second.set()
            if when == "as it takes the lead":
                super().wait(timeout)
            gone.set()
            raise KeyboardInterrupt

    monkeypatch.setattr("core.group_commit.Event", Interruptible)
    store = Gate()
    crowd = Crowd(store, others=3)
    leader = crowd.end(crowd.leases[0])
    assert store.entered.wait(30)
    interrupted = crowd.end(crowd.leases[1])
    assert second.wait(30)
    if when == "before it is woken":
        assert gone.wait(30)
    others = [crowd.end(lease) for lease in crowd.leases[2:]]
    crowd.wait_for(2 + (when == "as it takes the lead"))
    store.opened.set()

    assert [one.result(30).task_status for one in (leader, *others)] == [TaskStatus.COMPLETED] * 3
    with pytest.raises(KeyboardInterrupt):
        interrupted.result(30)
    assert crowd.end(crowd.leases[1]).result(30).task_status is TaskStatus.COMPLETED
