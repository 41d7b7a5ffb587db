"""A day of one queue worker under a clock that is moved: what goes wrong in it, and what must hold at its end.

The worker's own classes run: loop, slot, watch, heartbeat, token cache. Time passes where they wait and where handlers
work; whatever is due then happens in between, in the same thread. A worker that is killed ends as a process does, in
the middle of whatever it does: nothing of it goes on but what is in the store and on the bus.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from random import Random
from threading import Event
from typing import Any, ClassVar, cast

from azure.core.credentials import AccessToken, TokenCredential
from azure.core.exceptions import ServiceRequestError
from pydantic import BaseModel

from core.consumer import dispatch, settle
from core.context import TaskContext
from core.errors import BusUnavailable, LockLost, StoreUnavailable, TransientError, TransientTaskError
from core.handlers import task_handler
from core.heartbeat import Heartbeat
from core.ids import JobId, TaskId
from core.jobs import JobContext, JobDefinition, Parallelism, StageDefinition, TaskSpec
from core.listing import TaskFilter
from core.machine import CoreMachine
from core.model import Claimed, ClaimResult, RunRecord, RunStatus, TaskRecord, TaskResult, TaskStatus
from core.outcome import Interrupted, Outcome
from core.ports import MessageBus, ReceivedMessage, StateStore
from core.reconciler import Reconciler
from core.retry import RetryPolicy
from core.runner import HandlerCall, InProcess
from docker_worker.lease_watch import LeaseWatch
from docker_worker.patience import PatientRunner
from docker_worker.queue_worker import BackgroundQueueWorker
from docker_worker.status import WorkerStatus
from docker_worker.task_slot import TaskSlot
from infrastructure.tokens import TokenCache
from testing.clock import FakeClock, SeededIds
from testing.factories import Registries
from testing.faults import FaultInjector, FaultPlan, FaultyStore, SimulatedCrash
from testing.memory_blobs import MemoryBlobStore
from testing.mock_bus import MockServiceBusRepository
from testing.mock_state import MockStateManager

HOUR = 3_600.0
DAY = 24 * HOUR
LEASE = 60.0
WATCH = LEASE / 12 * 1.1
POLL = 30.0
GRACE = 25.0
TICK = 5.0
"""How often a handler that works looks up: for a lock of a minute, of which half is left when it is renewed, enough."""

TOKEN_LIFE = HOUR
CONNECTION_LIFE = 40 * 60.0
"""After which a pool replaces a connection, which needs a token that is good."""

CALLS = FaultPlan(crash=0.000_3, unavailable=0.002, uncertain=0.002)
"""What befalls single calls to the store, besides its absences."""

AWAY_AT_COMMITS = 0.3
"""How often the store goes away as an attempt's end is committed, before or after it is."""


class Broken(AssertionError):
    """Something that must hold does not."""


# --- the work ---


class Pages(BaseModel):
    """``fails_at``: a page at which the first try fails by itself; -1: none."""

    pages: int
    seconds: float
    fails_at: int = -1


class Done(BaseModel):
    pages: int


class Work(BaseModel):
    tasks: list[Pages]


class Long(JobDefinition[Work]):
    job_type: ClassVar[str] = "long"
    description: ClassVar[str] = "Long tasks, page by page"
    stages: ClassVar[tuple[StageDefinition, ...]] = (StageDefinition(1, "pages", "pages", Parallelism.FAN_OUT),)
    parameters: ClassVar[type[BaseModel]] = Work
    result: ClassVar[type[BaseModel]] = Done

    def create_tasks_for_stage(
        self, stage: StageDefinition, job_params: Work, job_id: JobId, previous_results: Sequence[TaskResult]
    ) -> Sequence[TaskSpec]:
        return [TaskSpec(f"t{number}", pages) for number, pages in enumerate(job_params.tasks)]

    def finalize_job(self, context: JobContext[Work]) -> Done:
        return Done(pages=sum(result.parse(Done).pages for result in context.results(1)))


Attempt = tuple[TaskId, int]


@dataclass
class Book:
    """What happened, as those saw it to whom it happened.

    ``unsaved`` are checkpoints that could not be written before the attempt had to end.
    """

    pages: Counter[tuple[TaskId, int]] = field(default_factory=Counter)
    unsaved: Counter[TaskId] = field(default_factory=Counter)
    granted: set[Attempt] = field(default_factory=set)
    began: set[Attempt] = field(default_factory=set)
    failed: set[Attempt] = field(default_factory=set)
    vanished: dict[Attempt, datetime] = field(default_factory=dict)
    faults: Counter[str] = field(default_factory=Counter)


# --- time, and what is away in it ---


class Timeline:
    """A clock, and what is due on it."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self._due: list[tuple[datetime, int, Callable[[], None]]] = []
        self._order = count()

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._due, (self.clock.now() + timedelta(seconds=seconds), next(self._order), act))

    def every(self, seconds: float, act: Callable[[], None]) -> None:
        def again() -> None:
            self.after(seconds, again)
            act()

        self.after(seconds, again)

    def pass_(self, seconds: float) -> None:
        """Let time pass. What is due happens at its time; where it raises, the rest of the time has not passed."""
        until = self.clock.now() + timedelta(seconds=seconds)
        while self._due and self._due[0][0] <= until:
            at, _, act = heapq.heappop(self._due)
            self._move(at)
            act()
        self._move(until)

    def to_next(self, until: datetime) -> None:
        """Let time pass up to what is due next, or to ``until``."""
        at = min(until, self._due[0][0]) if self._due else until
        self.pass_(max(0.0, (at - self.clock.now()).total_seconds()))

    def _move(self, to: datetime) -> None:
        self.clock.advance(max(0.0, (to - self.clock.now()).total_seconds()))


class Away:
    """Something that is away now and then."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.until = clock.now()
        self.spans: list[tuple[datetime, datetime]] = []

    @property
    def now(self) -> bool:
        return self._clock.now() < self.until

    def go(self, seconds: float) -> None:
        began = self._clock.now()
        self.until = max(self.until, began + timedelta(seconds=seconds))
        self.spans.append((began, self.until))

    def was(self, began: datetime, ended: datetime) -> bool:
        """Whether it was at any time between the two."""
        return any(start <= ended and end >= began for start, end in self.spans)


class Identity:
    """An identity service whose tokens live an hour, and which is away at times."""

    def __init__(self, clock: FakeClock, away: Away) -> None:
        self._clock = clock
        self._away = away
        self._numbers = count()

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        if self._away.now:
            raise ServiceRequestError("away")
        return AccessToken(str(next(self._numbers)), int(self._clock.now().timestamp() + TOKEN_LIFE))


class Connection:
    """A process's connection to the store: made with a token that is good, lost when the server restarts."""

    def __init__(self, inner: StateStore, clock: FakeClock, away: Away, tokens: TokenCache, random: Random) -> None:
        self._inner = inner
        self._random = random
        self._clock = clock
        self._away = away
        self._tokens = tokens
        self._made_at: datetime | None = None

    def reset(self) -> None:
        """A new token is there: sign in anew."""
        self._made_at = None

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._inner, name)

        def call(*arguments: Any, **named: Any) -> Any:
            self._connect()
            if name != "finish_attempt" or self._random.random() > AWAY_AT_COMMITS:
                return method(*arguments, **named)
            if self._random.random() < 0.5:
                method(*arguments, **named)
            self._away.go(self._random.uniform(2, 90))
            raise StoreUnavailable("the server restarts")

        return call

    def _connect(self) -> None:
        now = self._clock.now()
        if self._away.now:
            self._made_at = None
            raise StoreUnavailable("the server restarts")
        lost = any(self._made_at is not None and self._made_at <= end <= now for _, end in self._away.spans[-1:])
        if self._made_at is None or lost or now - self._made_at > timedelta(seconds=CONNECTION_LIFE):
            self._made_at = None
            self._sign_in(now)

    def _sign_in(self, now: datetime) -> None:
        try:
            token = self._tokens.get_token("database")
        except ServiceRequestError as error:
            raise StoreUnavailable("no token") from error
        if token.expires_on <= now.timestamp():
            raise StoreUnavailable("the token has expired")
        self._made_at = now


class Grants:
    """Writes down the leases that the store grants, whoever learns of it."""

    def __init__(self, inner: MockStateManager, book: Book) -> None:
        self._inner = inner
        self._book = book

    def claim_task(self, *request: Any) -> ClaimResult:
        result = self._inner.claim_task(*request)
        if isinstance(result, Claimed):
            self._book.granted.add((result.lease.task_id, result.lease.attempt))
        return result

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class Reached:
    """Something that is away at times: each call raises ``error`` then."""

    def __init__(self, inner: object, away: Away, error: type[TransientError]) -> None:
        self._inner = inner
        self._away = away
        self._error = error

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._inner, name)

        def call(*arguments: Any, **named: Any) -> Any:
            if self._away.now:
                raise self._error("away")
            return method(*arguments, **named)

        return call


class WaitingBus:
    """The bus as the worker sees it: its receives wait."""

    def __init__(self, inner: MessageBus, timeline: Timeline) -> None:
        self._inner = inner
        self._timeline = timeline
        self._waits_ended = False
        self.held: ReceivedMessage | None = None

    def end_waits(self) -> None:
        self._waits_ended = True

    def receive(self, queue: str, limit: int) -> Sequence[ReceivedMessage]:
        until = self._timeline.clock.now() + timedelta(seconds=POLL)
        while not self._waits_ended and self._timeline.clock.now() < until:
            found = self._inner.receive(queue, limit)
            if found:
                self.held = found[0]
                return found
            self._timeline.to_next(until)
        return []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method: Callable[..., Any] = getattr(self._inner, name)
        return method


class LocalRunner:
    """Calls handlers in the same thread; they call ``while_waiting`` as they work."""

    def __init__(self) -> None:
        self.while_waiting: Callable[[], None] = lambda: None
        self._inner = InProcess()

    def __call__(self, call: HandlerCall) -> Outcome:
        return self._inner(call)


# --- a process of the worker, and the day ---


class Process:
    """One process of the worker, from its start to its end."""

    def __init__(self, day: Day, number: int) -> None:
        self._day = day
        self.ids = SeededIds(day.seed * 1_000 + number)
        self.runner = LocalRunner()
        self._idle = Event()
        self.tokens = TokenCache(day.clock, lambda: cast(TokenCredential, day.identity), lambda *_: self._idle.wait())
        granting = cast(StateStore, Grants(day.state, day.book))
        connection = Connection(granting, day.clock, day.database, self.tokens, day.random)
        self.tokens.on_renewal("database", connection.reset)
        self.store = FaultyStore.wrap(cast(StateStore, connection), day.injector)
        self.heartbeat = Heartbeat(self.store, day.clock, LEASE, lambda *_: self._idle.wait())
        self.bus = WaitingBus(day.reached_bus, day.timeline)
        self.patient = PatientRunner(self.runner, jitter=self.ids.jitter, wait=day.timeline.pass_)
        self.machine = day.machine(self.store, cast(MessageBus, self.bus), self.ids, self.heartbeat, self.patient)
        self.watch = LeaseWatch(self.machine, LEASE, jitter=self.ids.jitter)
        slot = TaskSlot(self.machine, WorkerStatus(day.clock))
        self.worker = BackgroundQueueWorker(
            slot,
            cast(MessageBus, self.bus),
            self.machine.queues.long_running,
            self.patient,
            jitter=self.ids.jitter,
            end_waits=self.bus.end_waits,
            grace_seconds=GRACE,
            wait=self._wait,
        )

    def live(self) -> None:
        """Until it is told to stop. Raises :class:`SimulatedCrash` where it is killed."""
        self._again(self.heartbeat.beat)
        self._again(self.watch.step)
        self._again(lambda: max(1.0, self.tokens.renew_due() or 0.0))
        self.worker.run()

    def end(self) -> None:
        """The process is gone, with all that only it knew."""
        self._idle.set()
        self.heartbeat.close()
        self.tokens.close()

    def _wait(self, event: Event, seconds: float) -> bool:
        until = self._day.clock.now() + timedelta(seconds=seconds)
        while not event.is_set() and self._day.clock.now() < until:
            self._day.timeline.to_next(until)
        return event.is_set()

    def _again(self, act: Callable[[], float]) -> None:
        """Do what a thread of the process does, which gives the seconds until the next time."""

        def once() -> None:
            if self._day.process is self:
                self._day.timeline.after(act(), once)

        self._day.timeline.after(0.0, once)


Plant = Callable[[Process], None]


class Day:
    """Drawn from ``seed``. ``plant`` changes each process of the worker before it begins."""

    def __init__(self, seed: int, plant: Plant = lambda process: None) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.clock = FakeClock()
        self.timeline = Timeline(self.clock)
        self.book = Book()
        self.state = MockStateManager(self.clock)
        self.bus = MockServiceBusRepository(self.clock)
        self.injector = FaultInjector(CALLS, seed)
        self.database, self.queue_service, self.identity_service = (Away(self.clock) for _ in range(3))
        self.identity = Identity(self.clock, self.identity_service)
        self.reached_bus = cast(MessageBus, Reached(self.bus, self.queue_service, BusUnavailable))
        self.process: Process | None = None
        self.lives: list[tuple[datetime, datetime]] = []
        self._plant = plant
        self._jobs: list[JobId] = []
        self._numbers = count(1)
        self._begin = self.clock.now()
        handler = task_handler(
            "pages", self._work, retry=RetryPolicy(max_attempts=10), timeout=6 * HOUR, long_running=True
        )
        self._known = Registries.of([Long()], [handler])
        store = cast(StateStore, Reached(self.state, self.database, StoreUnavailable))
        self._host = self.machine(store, self.reached_bus, SeededIds(seed), None, None)
        self._reconciler = Reconciler(self._host, self.reached_bus)

    def machine(
        self, store: StateStore, bus: MessageBus, ids: SeededIds, heartbeat: Heartbeat | None, runner: Any
    ) -> CoreMachine:
        jobs, handlers = self._known.jobs, self._known.handlers
        blobs = MemoryBlobStore()
        return CoreMachine(
            jobs, handlers, store, bus, blobs=blobs, clock=self.clock, ids=ids, heartbeat=heartbeat, runner=runner
        )

    def run(self) -> Book:
        """The whole day, and then as long as it takes until all jobs have ended. Raises :class:`Broken`."""
        self._draw()
        while not self._over():
            self._one_process()
        check(self)
        return self.book

    # --- what is drawn ---

    def _draw(self) -> None:
        """Times are spread over the day, in which about half of the time is work."""
        self._at_random(14, DAY * 0.8, self._submit)
        self._at_random(24, DAY, lambda: self.database.go(self._long_tail(2, 600)))
        self._at_random(12, DAY, lambda: self.queue_service.go(self._long_tail(2, 600)))
        self._at_random(6, DAY, lambda: self.identity_service.go(self._long_tail(10, 240)))
        self._at_random(30, DAY, self._lose_lock)
        self._at_random(8, DAY, self._kill)
        self._at_random(6, DAY, self._deploy)
        self.timeline.every(10.0, self._host_works)
        self.timeline.every(30.0, self._host_reconciles)

    def _at_random(self, times: int, within: float, act: Callable[[], None]) -> None:
        for _ in range(times):
            self.timeline.after(self.random.uniform(0, within), act)

    def _long_tail(self, shortest: float, longest: float) -> float:
        return float(shortest * (longest / shortest) ** self.random.random())

    def _submit(self) -> None:
        tasks = [self._task() for _ in range(self.random.randint(1, 3))]
        number = next(self._numbers)
        submitted = self.machine(cast(StateStore, self.state), self.reached_bus, SeededIds(number), None, None).submit(
            "long", Work(tasks=tasks).model_dump(), idempotency_key=str(number)
        )
        self._jobs.append(submitted.run.job_id)

    def _task(self) -> Pages:
        """A minute to three hours, mostly short ones."""
        seconds = self._long_tail(10, 20)
        pages = max(1, round(self._long_tail(60, 3 * HOUR) / seconds))
        fails_at = self.random.randrange(pages) if self.random.random() < 0.1 else -1
        return Pages(pages=pages, seconds=round(seconds, 1), fails_at=fails_at)

    # --- what happens to the worker ---

    def _kill(self) -> None:
        if self.process is not None:
            self.book.faults["killed"] += 1
            raise SimulatedCrash("SIGKILL")

    def _deploy(self) -> None:
        """SIGTERM, and SIGKILL for a process that has not ended by then."""
        told = self.process
        if told is None:
            return

        def cut_off() -> None:
            if self.process is told:
                self.book.faults["cut off"] += 1
                raise SimulatedCrash("SIGKILL after the grace period")

        self.book.faults["deployed"] += 1
        told.worker.stop()
        self.timeline.after(GRACE + 5.0, cut_off)

    def _lose_lock(self) -> None:
        held = self.process.bus.held if self.process is not None else None
        locked = self.bus._queue(held.queue).locked.get(held.lock_token) if held is not None else None
        if locked is not None:
            self.book.faults["lock lost"] += 1
            locked.locked_until = self.clock.now()

    def _one_process(self) -> None:
        """From its start to its end, and the time until the next one."""
        process = self.process = Process(self, next(self._numbers))
        self._plant(process)
        started = self.clock.now()
        try:
            process.live()
        except SimulatedCrash:
            self.book.faults["crashed"] += 1
        finally:
            self.process = None
            process.end()
        self.lives.append((started, self.clock.now()))
        self._note_vanished()
        self.timeline.pass_(self.random.uniform(2, 80))

    def _note_vanished(self) -> None:
        """What runs now runs nowhere."""
        for task in self.tasks():
            if task.status is TaskStatus.RUNNING:
                self.book.vanished.setdefault((task.task_id, task.attempt), self.clock.now())

    # --- the functions beside it ---

    def _host_works(self) -> None:
        """Job messages and ends of stages; of an app that does not begin what it cannot end."""
        if self.database.now or self.queue_service.now:
            return
        for message in self.bus.receive(self._host.queues.jobs, 10):
            settle(self.bus, message, dispatch(self._host, message.body))

    def _host_reconciles(self) -> None:
        with suppress(TransientError):
            self._reconciler.run_once()

    # --- the work ---

    def _work(self, params: Pages, context: TaskContext) -> Done | Interrupted:
        attempt = (context.task_id, context.attempt)
        self.book.began.add(attempt)
        begin = context.checkpoint.get_data("pages", 0)
        assert isinstance(begin, int)
        for page in range(begin, params.pages):
            if page == params.fails_at and not any(task == context.task_id for task, _ in self.book.failed):
                self.book.failed.add(attempt)
                raise TransientTaskError("this page fails once")
            self._busy(params.seconds)
            self.book.pages[context.task_id, page] += 1
            self._save(context, page + 1)
            context.report_progress(100 * (page + 1) / params.pages)
            if context.should_stop:
                return Interrupted(str(context.stop_reason))
        return Done(pages=params.pages)

    def _busy(self, seconds: float) -> None:
        process = self.process
        assert process is not None
        while seconds > 0:
            process.runner.while_waiting()
            self.timeline.pass_(min(TICK, seconds))
            seconds -= TICK

    def _save(self, context: TaskContext, pages: int) -> None:
        try:
            context.checkpoint.save("page", {"pages": pages})
        except StoreUnavailable:
            self.book.unsaved[context.task_id] += 1
            raise

    # --- the end ---

    def tasks(self) -> Iterator[TaskRecord]:
        for job_id in self._jobs:
            yield from self.state.list_tasks(job_id, 1, TaskFilter(), None, 100)

    def runs(self) -> list[RunRecord]:
        return [run for job_id in self._jobs if (run := self.state.load_run(job_id, 1)) is not None]

    def _over(self) -> bool:
        """A day is over, and all that was submitted in it has ended, or never will."""
        since = self.clock.now() - self._begin
        if since < timedelta(days=1):
            return False
        return since > timedelta(days=2) or all(run.ended for run in self.runs())


def check(day: Day) -> None:
    """What must hold at the end. Raises :class:`Broken`, with the seed."""
    problems = [*_lost(day), *_charged_wrongly(day), *_done_again(day), *_freed_late(day)]
    if problems:
        raise Broken(f"seed {day.seed}: " + "; ".join(problems[:5]))


def _lost(day: Day) -> Iterator[str]:
    for run in day.runs():
        if run.status is not RunStatus.COMPLETED:
            yield f"job {run.job_id[:8]} is {run.status}"
    for queue in ("jobs", "tasks", "long-running-tasks"):
        for letter in day.bus.dead_letters(queue, 10):
            yield f"dead letter {letter.reason} in {queue}"
    for task in day.tasks():
        outcomes = Counter(attempt.outcome for attempt in day.state.list_attempts(task.task_id))
        if outcomes["completed"] != 1 or outcomes[None]:
            yield f"{_short(task.task_id)} ended as {dict(outcomes)}"


def _charged_wrongly(day: Day) -> Iterator[str]:
    """A lease may be lost by nobody but who vanished, or never learned that he had it."""
    book = day.book
    unknown = book.granted - book.began
    for task in day.tasks():
        for attempt in day.state.list_attempts(task.task_id):
            key = (task.task_id, attempt.attempt)
            lost = attempt.outcome == "lease_expired"
            if lost and key not in book.vanished and key not in unknown:
                yield f"{_short(task.task_id)}: attempt {attempt.attempt} lost its lease, and was alive"
            if attempt.outcome in ("retry", "failed") and key not in book.failed:
                code = attempt.error.code if attempt.error is not None else ""
                yield f"{_short(task.task_id)}: attempt {attempt.attempt} failed ({code}), and did nothing wrong"


def _done_again(day: Day) -> Iterator[str]:
    book = day.book
    again = Counter(task for (task, _), times in book.pages.items() for _ in range(times - 1))
    kills = Counter(task for task, _ in book.vanished)
    for task, times in again.items():
        if times > kills[task] + book.unsaved[task]:
            yield f"{_short(task)}: {times} pages done again, after {kills[task]} kills"


def _freed_late(day: Day) -> Iterator[str]:
    for (task_id, number), vanished_at in day.book.vanished.items():
        attempt = day.state.list_attempts(task_id)[number - 1]
        ended = attempt.ended_at
        if attempt.outcome != "lease_expired" or ended is None:
            continue
        free_at = vanished_at + timedelta(seconds=LEASE)
        watched = [(max(free_at, start) + timedelta(seconds=WATCH), end) for start, end in day.lives]
        late = any(seen_by < min(end, ended) for seen_by, end in watched)
        if late and not day.database.was(vanished_at, ended) and not day.identity_service.was(vanished_at, ended):
            yield f"{_short(task_id)}: freed {(ended - vanished_at).total_seconds():.0f} s after the kill"


def _short(task_id: TaskId) -> str:
    return f"{task_id[:6]}:{task_id.rpartition(':')[2]}"


# --- planted bugs ---


def forgets_outcomes(process: Process) -> None:
    """What could not be committed is gone."""
    attempts = process.machine.attempts
    attempts.commit_kept = attempts._kept.clear  # type: ignore[method-assign]


def takes_a_lost_lock_for_a_failure(process: Process) -> None:
    """What renews the lock raises where it is lost, into the work."""
    lock, keep = process.worker._lock, process.worker._lock.keep
    lost = process.worker._slot.status

    def keeps() -> None:
        before = lost.snapshot().locks_lost
        keep()
        if lost.snapshot().locks_lost > before:
            raise LockLost("the message is not ours any more")

    lock.keep = keeps  # type: ignore[method-assign]
    process.patient.while_waiting = keeps


def never_renews_its_token(process: Process) -> None:
    """The first token is shown for ever."""
    first = process.tokens.get_token("database") if not process._day.identity_service.now else AccessToken("", 0)
    process.tokens.get_token = lambda *_, **__: first  # type: ignore[method-assign]
    process.tokens.renew_due = lambda: None  # type: ignore[method-assign]


def ends_leases_as_soon_as_the_store_is_back(process: Process) -> None:
    process.watch._spares = lambda now: False  # type: ignore[method-assign]


def fails_where_a_checkpoint_cannot_be_saved(process: Process) -> None:
    process.machine.attempts._runner = process.runner


def never_watches_leases(process: Process) -> None:
    process.watch.step = lambda: HOUR  # type: ignore[method-assign]


PLANTS: Mapping[str, Plant] = {
    plant.__name__: plant
    for plant in (
        forgets_outcomes,
        takes_a_lost_lock_for_a_failure,
        never_renews_its_token,
        ends_leases_as_soon_as_the_store_is_back,
        fails_where_a_checkpoint_cannot_be_saved,
        never_watches_leases,
    )
}
