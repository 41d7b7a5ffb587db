"""What surrounds a worker in a simulated day: time, and a store, a bus and an identity that are away at times."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from random import Random
from typing import Any

from azure.core.credentials import AccessToken
from azure.core.exceptions import ServiceRequestError

from core.errors import StoreUnavailable, TransientError
from core.ids import TaskId
from core.model import Claimed, ClaimResult
from core.outcome import Outcome
from core.ports import MessageBus, ReceivedMessage, StateStore
from core.runner import HandlerCall, InProcess
from infrastructure.tokens import TokenCache
from testing.clock import FakeClock
from testing.faults import FaultPlan
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

    def look(self) -> bool:
        self.while_waiting()
        return True
