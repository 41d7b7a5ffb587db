"""Group commit: what many threads of one process ask of the store at once goes there in one call.

Nobody waits for company. Who finds no call under way makes one at once, for itself; what arrives meanwhile goes
together with the next. So databases commit: DeWitt et al., "Implementation Techniques for Main Memory Database
Systems", SIGMOD 1984.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from threading import Event, Lock
from typing import Any, Generic, TypeVar, cast

from core.decisions import Transition
from core.errors import CapacityExceeded, CoreMachineError, InvalidInput, LeaseLost, StoreUnavailable
from core.ids import TaskId, WorkerId
from core.model import ClaimResult, Finished, Lease, OutboundMessage
from core.ports import AttemptEnd, ClaimRequest, StateStore

Q = TypeVar("Q")
A = TypeVar("A")

LIMIT = 100


class GroupCommit:
    """A :class:`core.ports.StateStore` in front of another one, for the threads that share it.

    ``claim_task`` and ``finish_attempt`` are gathered; all else goes through as it is.
    """

    def __init__(self, store: StateStore, limit: int = LIMIT) -> None:
        self._store = store
        self._claims = _Gathered(store.claim_tasks, limit)
        self._ends = _Gathered(store.finish_attempts, limit)

    @classmethod
    def wrap(cls, store: StateStore, limit: int = LIMIT) -> StateStore:
        return cast(StateStore, cls(store, limit))

    def claim_task(
        self, task_id: TaskId, attempt: int, worker: WorkerId, lease_seconds: float, now: datetime
    ) -> ClaimResult:
        return self._claims.call(ClaimRequest(task_id, attempt, worker, lease_seconds, now))

    def finish_attempt(
        self, lease: Lease, transition: Transition, wakeup: OutboundMessage | None, now: datetime
    ) -> Finished:
        finished = self._ends.call(AttemptEnd(lease, transition, wakeup, now))
        if finished is None:
            raise LeaseLost("the task is no longer held under this lease", task_id=lease.task_id)
        return finished

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class _Call(Generic[Q, A]):
    """One thread's request, on its way to an answer, an error, or the lead of the next group."""

    __slots__ = ("answer", "error", "leads", "request", "settled", "woken")

    def __init__(self, request: Q) -> None:
        self.request = request
        self.woken = Event()
        self.leads = False
        self.settled = False
        self.answer: A | None = None
        self.error: CoreMachineError | None = None

    def settle(self, answer: A | None, error: CoreMachineError | None = None) -> None:
        self.answer, self.error, self.settled = answer, error, True

    def result(self) -> A:
        if self.error is not None:
            raise self.error
        return cast(A, self.answer)


class _Gathered(Generic[Q, A]):
    """Calls that are made together: ``together`` answers each request of a group, in order."""

    def __init__(self, together: Callable[[Sequence[Q]], Sequence[A]], limit: int) -> None:
        self._together = together
        self._limit = limit
        self._lock = Lock()
        self._waiting: list[_Call[Q, A]] = []
        self._under_way = False

    def call(self, request: Q) -> A:
        call: _Call[Q, A] = _Call(request)
        with self._lock:
            self._waiting.append(call)
            call.leads, self._under_way = not self._under_way, True
        if not call.leads:
            self._wait(call)
        if not call.settled:
            self._lead()
        return call.result()

    def _wait(self, call: _Call[Q, A]) -> None:
        """Wait for an answer or the lead. Who is interrupted (by Ctrl-C, say) leaves, and takes no lead along."""
        try:
            call.woken.wait()
        except BaseException:
            with self._lock:
                if call in self._waiting:
                    self._waiting.remove(call)
                successor = self._successor() if call.leads and not call.settled else []
            _wake(successor)
            raise

    def _lead(self) -> None:
        """Make the call for the group that has gathered, its leader first, then hand the lead to who has come since."""
        with self._lock:
            group = self._waiting[: self._limit]
            del self._waiting[: self._limit]
        try:
            self._answer(group)
        finally:
            for call in group:
                if not call.settled:
                    call.settle(None, StoreUnavailable("the call to the store was broken off"))
            with self._lock:
                successor = self._successor()
            _wake([*group, *successor])

    def _successor(self) -> Sequence[_Call[Q, A]]:
        """Who leads the next group, if anybody waits. Called with the lock held."""
        self._under_way = bool(self._waiting)
        successor = self._waiting[:1]
        for call in successor:
            call.leads = True
        return successor

    def _answer(self, group: Sequence[_Call[Q, A]]) -> None:
        try:
            answers = self._together([call.request for call in group])
        except CoreMachineError as error:
            self._fail(group, error)
            return
        for call, answer in zip(group, answers, strict=True):
            call.settle(answer)

    def _fail(self, group: Sequence[_Call[Q, A]], error: CoreMachineError) -> None:
        """Give ``error`` to everyone; but what a store refuses, with nothing written, is the fault of one of them."""
        if len(group) > 1 and isinstance(error, InvalidInput | CapacityExceeded):
            for call in group:
                self._answer([call])
        else:
            for call in group:
                call.settle(None, error)


def _wake(calls: Iterable[_Call[Any, Any]]) -> None:
    for call in calls:
        call.woken.set()
