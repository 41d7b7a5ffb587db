from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, ClassVar, cast

import pytest
from pydantic import BaseModel

import core.committer
from core.attempts import LEASE_MARGIN, Ended, Started
from core.committer import Committer
from core.consumer import dispatch, settle
from core.context import StopSignal, TaskContext
from core.errors import BusUnavailable, StoreInconsistent, StoreUnavailable
from core.handlers import task_handler
from core.ids import JobId, TaskId
from core.jobs import JobContext, JobDefinition, Parallelism, StageDefinition, TaskSpec
from core.machine import CoreMachine
from core.messages import TaskQueueMessage
from core.model import OutboundMessage, RunRecord, RunStatus, TaskResult
from core.ports import AttemptEnd, ClaimRequest, ReceivedMessage, StateStore
from core.reconciler import Reconciler
from core.worker import AHEAD_SECONDS, IDLE_SECONDS, MAX_PAUSE_SECONDS, Worker, next_batch, pause_after
from testing.clock import FakeClock, SeededIds
from testing.factories import Registries
from testing.memory_blobs import MemoryBlobStore
from testing.mock_bus import MockServiceBusRepository
from testing.mock_state import MockStateManager

FOR_EVER = 60.0
"""Seconds that a test waits for another thread; none takes so long unless it hangs."""

TIMEOUT = 300.0

Act = Callable[[int], None]


class Number(BaseModel):
    value: int


class Numbers(JobDefinition[Number]):
    job_type: ClassVar[str] = "numbers"
    description: ClassVar[str] = "As many tasks as the parameter says, all at once"
    stages: ClassVar[tuple[StageDefinition, ...]] = (StageDefinition(1, "all", "number", Parallelism.FAN_OUT),)
    parameters: ClassVar[type[BaseModel]] = Number
    result: ClassVar[type[BaseModel]] = Number

    def create_tasks_for_stage(
        self, stage: StageDefinition, job_params: Number, job_id: JobId, previous_results: Sequence[TaskResult]
    ) -> Sequence[TaskSpec]:
        return [TaskSpec(f"n{number:03}", Number(value=number)) for number in range(job_params.value)]

    def finalize_job(self, context: JobContext[Number]) -> Number:
        return Number(value=len(context.results(1)))


class Store:
    """The store in memory for two threads, which can be away, refuse, or tell a test what it is asked."""

    def __init__(self, inner: MockStateManager, log: list[str]) -> None:
        self.inner = inner
        self.log = log
        self.lock = threading.RLock()
        self.away = False
        self.claimed: list[int] = []
        self.before_finish: Callable[[Sequence[AttemptEnd]], None] = lambda ends: None
        self.before_claim: Callable[[Sequence[ClaimRequest]], None] = lambda requests: None

    def claim_tasks(self, requests: Sequence[ClaimRequest]) -> Any:
        self.claimed.append(len(requests))
        self.before_claim(requests)
        return self.call("claim_tasks", requests)

    def finish_attempts(self, ends: Sequence[AttemptEnd]) -> Any:
        self.before_finish(ends)
        finished = self.call("finish_attempts", ends)
        self.log += [f"committed {_number(end.lease.task_id)}" for end in ends]
        return finished

    def renew_lease(self, *arguments: Any) -> Any:
        self.log.append(f"renewed {_number(arguments[0].task_id)}")
        return self.call("renew_lease", *arguments)

    def call(self, name: str, *arguments: Any) -> Any:
        with self.lock:
            if self.away:
                raise StoreUnavailable("away")
            return getattr(self.inner, name)(*arguments)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *arguments: self.call(name, *arguments)


class Bus(MockServiceBusRepository):
    """The bus in memory, which can be away, and belongs to the thread that made it."""

    def __init__(self, clock: FakeClock, log: list[str]) -> None:
        super().__init__(clock)
        self.log = log
        self.away = False
        self.thread = threading.get_ident()

    def send(self, messages: Sequence[OutboundMessage]) -> None:
        self._check_thread()
        super().send(messages)

    def receive(self, queue: str, limit: int) -> Sequence[ReceivedMessage]:
        self._check_thread()
        if self.away:
            raise BusUnavailable("away")
        return super().receive(queue, limit)

    def complete(self, message: ReceivedMessage) -> None:
        self._check_thread()
        super().complete(message)
        if message.queue == "tasks":
            self.log.append(f"completed {_number(message.message_id.rpartition(':')[0])}")

    def abandon(self, message: ReceivedMessage) -> None:
        self._check_thread()
        super().abandon(message)
        self.log.append(f"abandoned {message.queue}")

    def _check_thread(self) -> None:
        assert threading.get_ident() == self.thread


class Desk:
    """A machine over one job, a worker, and what the tasks do: ``act`` is called with each task's number."""

    def __init__(self, max_batch: int = 100, patience: float = FOR_EVER) -> None:
        self.clock = FakeClock()
        self.log: list[str] = []
        self.state = MockStateManager(self.clock)
        self.store = Store(self.state, self.log)
        self.bus = Bus(self.clock, self.log)
        self.stop = StopSignal()
        self.waits: list[float] = []
        self.act: Act = lambda number: None
        self.waited: Callable[[int], None] = lambda times: None
        self.ran: list[int] = []
        registries = Registries.of([Numbers()], [task_handler("number", self.handler, timeout=TIMEOUT)])
        self.machine = CoreMachine(
            registries.jobs,
            registries.handlers,
            cast(StateStore, self.store),
            self.bus,
            blobs=MemoryBlobStore(),
            clock=self.clock,
            ids=SeededIds(),
        )
        self.committer = Committer(self.machine.attempts, max_batch, patience)
        self.worker = Worker(self.machine, self.bus, self.machine.queues.all(), self.wait, max_batch, self.committer)

    def handler(self, params: Number, context: TaskContext) -> Number:
        self.ran.append(params.value)
        self.act(params.value)
        return params

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.waited(len(self.waits))

    def submit(self, tasks: int, key: str = "") -> JobId:
        return self.machine.submit("numbers", {"value": tasks}, idempotency_key=key or None).run.job_id

    def open(self, tasks: int) -> JobId:
        """Submit a job and open its stage: its tasks wait in the queue."""
        job_id = self.submit(tasks)
        (message,) = self.bus.receive("jobs", 1)
        settle(self.bus, message, dispatch(self.machine, message.body))
        return job_id

    def grow(self, size: int) -> None:
        """Let the worker claim ``size`` tasks at once from now on."""
        self.worker._batch = size

    def work(self) -> None:
        """Work until there is nothing to do."""
        while self.worker.step(self.stop):
            pass

    def run(self, job_id: JobId) -> RunRecord:
        run = self.state.load_run(job_id, 1)
        assert run is not None
        return run

    def outcomes(self, job_id: JobId, number: int) -> list[str | None]:
        return [attempt.outcome for attempt in self.state.list_attempts(TaskId(f"{job_id}:1:1:n{number:03}"))]

    def left(self) -> int:
        """Messages that are on the bus."""
        self.clock.advance(1_000)
        return sum(len(self.bus.receive(queue, 1_000)) for queue in self.machine.queues.all())


def _number(task_id: str) -> int:
    return int(task_id.rpartition(":n")[2])


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.mark.parametrize(
    ("size", "done", "seconds", "expected"),
    [
        (1, 1, 0.0, 2),
        (64, 64, AHEAD_SECONDS, 100),
        (8, 3, 0.001, 8),
        (10, 10, 2 * AHEAD_SECONDS, 5),
        (10, 10, 1_000.0, 1),
        (2, 100, 2 * AHEAD_SECONDS, 2),
    ],
    ids=["quick", "bounded", "not full", "slow", "very slow", "never grown while slow"],
)
def test_so_much_is_claimed_ahead_as_is_done_in_a_moment(size: int, done: int, seconds: float, expected: int) -> None:
    assert next_batch(size, done, seconds, 100) == expected


def test_pauses_double_up_to_a_bound() -> None:
    assert [pause_after(failures) for failures in (1, 2, 3)] == [IDLE_SECONDS, 2 * IDLE_SECONDS, 4 * IDLE_SECONDS]
    assert pause_after(100_000) == MAX_PAUSE_SECONDS


def test_a_job_runs_to_its_end_and_leaves_no_message(desk: Desk) -> None:
    job_id = desk.submit(20)

    with desk.worker:
        desk.work()

    assert desk.run(job_id).status is RunStatus.COMPLETED
    assert sorted(desk.ran) == list(range(20))
    assert desk.left() == 0
    assert desk.state.unpublished(1, desk.clock.now()) == []


def test_what_is_sent_while_it_waits_is_worked_on_once_the_wait_is_cut_short(desk: Desk) -> None:
    jobs: list[JobId] = []

    def waited(times: int) -> None:
        if times == 1:
            jobs.append(desk.submit(3))
        else:
            desk.stop.set("done")

    desk.waited = waited

    with desk.worker:
        desk.worker.run(desk.stop)

    assert desk.run(jobs[0]).status is RunStatus.COMPLETED
    assert desk.waits == [IDLE_SECONDS] * 2


def test_batches_grow_while_tasks_are_quick(desk: Desk) -> None:
    desk.open(31)

    with desk.worker:
        desk.work()

    assert desk.store.claimed == [1, 2, 4, 8, 16]


def test_batches_shrink_to_what_is_done_in_a_moment(desk: Desk) -> None:
    desk.open(16)
    desk.grow(8)
    desk.act = lambda number: desk.clock.advance(AHEAD_SECONDS / 2)

    with desk.worker:
        desk.work()

    assert desk.store.claimed == [8, 2, 4, 2]


def test_no_batch_is_over_its_bound() -> None:
    desk = Desk(max_batch=4)
    job_id = desk.submit(30)

    with desk.worker:
        desk.work()

    assert max(desk.store.claimed) == 4
    assert desk.run(job_id).status is RunStatus.COMPLETED


def test_nothing_is_settled_before_it_is_committed(desk: Desk) -> None:
    desk.open(30)

    with desk.worker:
        desk.work()

    for number in range(30):
        assert desk.log.index(f"committed {number}") < desk.log.index(f"completed {number}")


def test_an_outcome_does_not_wait_for_a_handler_that_is_slow(desk: Desk) -> None:
    first_committed = threading.Event()

    def act(number: int) -> None:
        if number == 1:
            assert first_committed.wait(FOR_EVER)

    job_id = desk.open(2)
    desk.grow(2)
    desk.act = act
    desk.store.before_finish = lambda ends: first_committed.set()

    with desk.worker:
        desk.work()

    assert desk.run(job_id).status is RunStatus.COMPLETED


def test_what_was_committed_is_settled_between_two_tasks_of_a_batch(desk: Desk) -> None:
    settled = []

    def act(number: int) -> None:
        if number == 1:
            while desk.committer.done.empty():
                pass  # until the commit of 0 is told
        if number == 2:
            settled.append("completed 0" in desk.log)

    desk.open(3)
    desk.grow(3)
    desk.act = act

    with desk.worker:
        desk.work()

    assert settled == [True]


def test_what_ends_while_a_commit_lasts_is_committed_together(desk: Desk) -> None:
    all_ran, sizes = threading.Event(), []

    def before_finish(ends: Sequence[AttemptEnd]) -> None:
        assert all_ran.wait(FOR_EVER)
        sizes.append(len(ends))

    desk.open(10)
    desk.grow(10)
    desk.act = lambda number: all_ran.set() if number == 9 else None
    desk.store.before_finish = before_finish

    with desk.worker:
        desk.work()

    assert sum(sizes) == 10
    assert len(sizes) <= 3


def test_handlers_do_not_run_far_ahead_of_the_commits() -> None:
    desk = Desk(max_batch=1)
    five_ran, ahead = threading.Event(), []

    def act(number: int) -> None:
        ahead.append(len(desk.ran) - sum(line.startswith("committed") for line in desk.log))
        if len(desk.ran) == 5:
            five_ran.set()

    desk.open(20)
    desk.act = act
    desk.store.before_finish = lambda ends: _wait(five_ran)

    with desk.worker:
        desk.work()

    assert max(ahead) == 5  # one that runs, and four times a batch
    assert len(desk.ran) == 20


def _wait(event: threading.Event) -> None:
    assert event.wait(FOR_EVER)


class TestStop:
    def test_what_was_claimed_and_not_begun_is_given_back_for_free(self, desk: Desk) -> None:
        job_id = desk.open(5)
        desk.grow(5)
        desk.act = lambda number: desk.stop.set("deploy") if number == 1 else None

        with desk.worker:
            desk.worker.run(desk.stop)

        assert desk.ran == [0, 1]
        assert [desk.outcomes(job_id, number) for number in range(5)] == [
            ["completed"],
            ["completed"],
            ["given_back"],
            ["given_back"],
            ["given_back"],
        ]
        task = desk.state.load_task(TaskId(f"{job_id}:1:1:n002"))
        assert task is not None
        assert (task.status, task.attempt, task.charged) == ("queued", 2, 0)

    def test_another_worker_takes_what_was_given_back(self, desk: Desk) -> None:
        job_id = desk.open(5)
        desk.grow(5)
        desk.act = lambda number: desk.stop.set("deploy")
        with desk.worker:
            desk.worker.run(desk.stop)

        with Worker(desk.machine, desk.bus, desk.machine.queues.all(), desk.wait) as other:
            while other.step(StopSignal()):
                pass

        assert desk.run(job_id).status is RunStatus.COMPLETED
        assert desk.left() == 0

    def test_leaving_by_an_error_commits_what_ended_and_gives_back_the_rest(self, desk: Desk) -> None:
        def act(number: int) -> None:
            if number == 2:
                raise KeyboardInterrupt

        job_id = desk.open(5)
        desk.grow(5)
        desk.act = act

        with pytest.raises(KeyboardInterrupt), desk.worker:
            desk.worker.run(desk.stop)

        assert [desk.outcomes(job_id, number) for number in range(5)] == [
            ["completed"],
            ["completed"],
            [None],
            ["given_back"],
            ["given_back"],
        ]
        assert [line for line in desk.log if line.startswith("completed")] == [
            f"completed {number}" for number in (0, 1, 3, 4)
        ]


class TestWhileSomethingIsAway:
    def test_the_pauses_grow_by_the_round_and_not_by_the_message(self, desk: Desk) -> None:
        def waited(times: int) -> None:
            if times == 3:
                desk.stop.set("seen enough")

        desk.open(20)
        desk.grow(20)
        desk.store.away = True
        desk.waited = waited

        with desk.worker:
            desk.worker.run(desk.stop)

        assert desk.waits == [IDLE_SECONDS, 2 * IDLE_SECONDS, 4 * IDLE_SECONDS]

    def test_no_deliveries_are_spent_while_the_store_is_away(self, desk: Desk) -> None:
        def waited(times: int) -> None:
            desk.store.away = times < 50
            if times == 51:
                desk.stop.set("idle")

        job_id = desk.open(20)
        desk.grow(20)
        desk.store.away = True
        desk.waited = waited

        with desk.worker:
            desk.worker.run(desk.stop)

        assert desk.run(job_id).status is RunStatus.COMPLETED
        assert desk.log.count("abandoned tasks") == 20
        assert desk.bus.dead_letters("tasks", 1) == []

    def test_a_round_in_which_all_is_there_ends_the_pauses(self, desk: Desk) -> None:
        def waited(times: int) -> None:
            desk.bus.away = times in (1, 4)
            if times == 5:
                desk.stop.set("seen enough")

        desk.bus.away = True
        desk.waited = waited

        with desk.worker:
            desk.worker.run(desk.stop)

        assert desk.waits == [IDLE_SECONDS, 2 * IDLE_SECONDS, IDLE_SECONDS, IDLE_SECONDS, IDLE_SECONDS]

    def test_a_commit_that_fails_leaves_its_message_to_come_again(self, desk: Desk) -> None:
        failures = iter([StoreUnavailable("away")])

        def before_finish(ends: Sequence[AttemptEnd]) -> None:
            for failure in failures:
                raise failure

        job_id = desk.open(1)
        desk.store.before_finish = before_finish

        with desk.worker:
            desk.work()

        assert "abandoned tasks" in desk.log
        assert desk.outcomes(job_id, 0) == ["completed"]
        assert desk.run(job_id).status is RunStatus.COMPLETED
        assert desk.left() == 0

    def test_what_the_store_was_away_for_is_committed_though_no_message_comes(self, desk: Desk) -> None:
        def act(number: int) -> None:
            desk.store.away = True

        def waited(times: int) -> None:
            for message in desk.bus.receive("tasks", 1):  # another worker has it, and finds the task running
                desk.bus.complete(message)
            desk.store.away = times < 3
            if times == 5:
                desk.stop.set("idle")

        job_id = desk.open(1)
        desk.act = act
        desk.waited = waited

        with desk.worker:
            desk.worker.run(desk.stop)

        assert desk.outcomes(job_id, 0) == ["completed"]


class TestLostLeases:
    def test_a_lease_that_was_lost_while_the_handler_ran_completes_the_message(self, desk: Desk) -> None:
        def act(number: int) -> None:
            if desk.ran == [0]:
                desk.clock.advance(TIMEOUT + LEASE_MARGIN + 1)
                Reconciler(desk.machine, desk.bus).run_once()

        job_id = desk.open(1)
        desk.act = act

        with desk.worker:
            desk.work()

        assert desk.outcomes(job_id, 0) == ["lease_expired", "completed"]
        assert desk.run(job_id).status is RunStatus.COMPLETED
        assert desk.left() == 0

    def test_a_lease_that_waited_for_its_turn_is_renewed(self, desk: Desk) -> None:
        desk.open(3)
        desk.grow(3)
        desk.act = lambda number: desk.clock.advance(LEASE_MARGIN if number == 1 else 0)

        with desk.worker:
            desk.work()

        assert [line for line in desk.log if line.startswith("renewed")] == ["renewed 2"]

    def test_a_task_whose_lease_was_lost_while_it_waited_is_not_run(self, desk: Desk) -> None:
        def act(number: int) -> None:
            if desk.ran == [0]:
                desk.clock.advance(TIMEOUT + LEASE_MARGIN + 1)
                Reconciler(desk.machine, desk.bus).run_once()

        job_id = desk.open(2)
        desk.grow(2)
        desk.act = act

        with desk.worker:
            desk.work()

        assert desk.outcomes(job_id, 1) == ["lease_expired", "completed"]
        assert desk.ran.count(1) == 1
        assert desk.left() == 0


def test_what_waits_behind_a_handler_that_is_slow_is_given_back_for_free() -> None:
    desk = Desk(patience=0.01)
    given_back = threading.Event()

    def act(number: int) -> None:
        if desk.ran == [0]:
            assert given_back.wait(FOR_EVER)

    def before_finish(ends: Sequence[AttemptEnd]) -> None:
        if len(ends) == 4:
            given_back.set()

    job_id = desk.open(5)
    desk.grow(5)
    desk.act = act
    desk.store.before_finish = before_finish

    with desk.worker:
        desk.work()

    assert desk.outcomes(job_id, 0) == ["completed"]
    for number in range(1, 5):
        outcomes = desk.outcomes(job_id, number)
        assert (outcomes[0], outcomes[-1]) == ("given_back", "completed")
        task = desk.state.load_task(TaskId(f"{job_id}:1:1:n{number:03}"))
        assert task is not None
        assert task.charged == 0
    assert desk.run(job_id).status is RunStatus.COMPLETED
    assert desk.left() == 0


class TestRefused:
    def test_what_the_store_refuses_to_commit_is_refused_alone(self, desk: Desk) -> None:
        all_ran = threading.Event()

        def before_finish(ends: Sequence[AttemptEnd]) -> None:
            assert all_ran.wait(FOR_EVER)
            if any(_number(end.lease.task_id) == 3 for end in ends):
                raise StoreInconsistent("a bug")

        job_id = desk.open(6)
        desk.grow(6)
        desk.act = lambda number: all_ran.set() if number == 5 else None
        desk.store.before_finish = before_finish

        with desk.worker:
            desk.work()

        assert [desk.outcomes(job_id, number) for number in range(6)] == [
            ["completed"],
            ["completed"],
            ["completed"],
            [None],
            ["completed"],
            ["completed"],
        ]
        assert [dead.reason for dead in desk.bus.dead_letters("tasks", 10)] == [StoreInconsistent.code]

    def test_a_claim_that_the_store_refuses_is_refused_alone(self, desk: Desk) -> None:
        def before_claim(requests: Sequence[ClaimRequest]) -> None:
            if any(_number(request.task_id) == 1 for request in requests):
                raise StoreInconsistent("a bug")

        desk.open(3)
        desk.grow(3)
        desk.store.before_claim = before_claim

        with desk.worker:
            desk.work()

        assert sorted(desk.ran) == [0, 2]
        assert [dead.reason for dead in desk.bus.dead_letters("tasks", 10)] == [StoreInconsistent.code]

    def test_what_is_no_message_is_dead_lettered_and_stops_nothing(self, desk: Desk) -> None:
        desk.bus.send([OutboundMessage("tasks", "1", "task", b"not json")])
        job_id = desk.submit(3)

        with desk.worker:
            desk.work()

        assert [dead.reason for dead in desk.bus.dead_letters("tasks", 10)] == ["MESSAGE_INVALID"]
        assert desk.run(job_id).status is RunStatus.COMPLETED

    def test_a_second_copy_of_a_message_runs_nothing(self, desk: Desk) -> None:
        desk.open(2)
        desk.grow(4)
        for message in desk.bus.receive("tasks", 2):
            for _ in range(2):
                desk.bus.inject(OutboundMessage("tasks", message.message_id, message.message_type, message.body))
            desk.bus.complete(message)

        with desk.worker:
            desk.work()

        assert sorted(desk.ran) == [0, 1]
        assert desk.left() == 0


class Bug(Exception):
    """What nobody expects."""


class TestBugInTheCommitter:
    @staticmethod
    def breaks(ends: Sequence[AttemptEnd]) -> None:
        raise Bug

    def test_it_ends_the_loop_with_its_error(self, desk: Desk) -> None:
        desk.submit(50)
        desk.store.before_finish = self.breaks

        with pytest.raises(Bug), desk.worker:
            desk.worker.run(desk.stop)

    def test_it_ends_a_loop_that_waits_for_room(self) -> None:
        desk = Desk(max_batch=1)
        five_ran = threading.Event()

        def before_finish(ends: Sequence[AttemptEnd]) -> None:
            assert five_ran.wait(FOR_EVER)
            raise Bug

        desk.open(20)
        desk.act = lambda number: five_ran.set() if len(desk.ran) == 5 else None
        desk.store.before_finish = before_finish

        with pytest.raises(Bug), desk.worker:
            desk.worker.run(desk.stop)

        assert len(desk.ran) == 5

    def test_it_is_raised_where_it_shows_only_at_the_end(self, desk: Desk) -> None:
        desk.open(1)
        desk.store.before_finish = self.breaks

        with pytest.raises(Bug), desk.worker:
            desk.worker._take("tasks", desk.stop)

    def test_it_does_not_hide_the_error_with_which_the_loop_ended(self, desk: Desk) -> None:
        def act(number: int) -> None:
            raise KeyboardInterrupt

        desk.open(2)
        desk.grow(2)
        desk.act = act
        desk.store.before_finish = self.breaks

        with pytest.raises(Bug) as caught, desk.worker:
            desk.worker.run(desk.stop)

        assert isinstance(caught.value.__context__, KeyboardInterrupt)


def test_what_was_just_claimed_is_not_given_back_though_nothing_has_ended_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk, rounds = Desk(), threading.Semaphore(0)

    class Counted(Committer):
        def _gather(self) -> tuple[list[tuple[ReceivedMessage, Ended]], bool]:
            rounds.release()
            return super()._gather()

    job_id = desk.open(2)
    messages = desk.bus.receive("tasks", 2)
    claims = desk.machine.attempts.claim_many([TaskQueueMessage.decode(message.body) for message in messages])
    started = [(message, claim) for message, claim in zip(messages, claims, strict=True) if isinstance(claim, Started)]
    monkeypatch.setattr(core.committer, "time", SimpleNamespace(monotonic=lambda: 7.0))
    committer = Counted(desk.machine.attempts, 10, patience=0.001)
    committer.wait_with(started)

    committer.start()
    for _ in range(5):
        assert rounds.acquire(timeout=FOR_EVER)
    committer.stop()

    assert list(committer.waiting()) == started
    assert desk.outcomes(job_id, 0) == [None]


def test_messages_of_a_commit_that_is_long_ago_are_sent_only_where_they_are_still_wanted() -> None:
    desk = Desk()
    job_id = desk.open(1)
    message = next(iter(desk.bus.receive("tasks", 1)))
    (started,) = desk.machine.attempts.claim_many([TaskQueueMessage.decode(message.body)])
    assert isinstance(started, Started)
    desk.committer.commit([message], [desk.machine.attempts.given_back(started)])
    desk.committer.put(message, desk.machine.attempts.given_back(started))
    desk.clock.advance(600)
    desk.state.finish_run(job_id, 1, RunStatus.CANCELLED, None, None, desk.clock.now())
    sent = desk.bus.sent_count()

    desk.worker.step(desk.stop)

    assert desk.bus.sent_count() == sent
