"""The test endpoints without their transport: a request's bytes in, a status and a body out."""

from __future__ import annotations

import json
import logging
import threading
import time
import zlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.boundary import guarded
from core.context import StopSignal
from core.errors import (
    CapacityExceeded,
    CoreMachineError,
    InvalidInput,
    InvalidParameters,
    UnknownJobType,
    UnknownTaskType,
)
from core.outcome import Failed
from core.ports import Clock, IdSource
from core.system import RandomIds, SystemClock
from testing.endpoints.execution import Execution, Told
from testing.endpoints.limits import HarnessLimits, TokenBucket
from testing.endpoints.requests import ExecuteRequest, Refused, RunRequest, parse_body
from testing.factories import Registries
from testing.harness import NotQuiescent

_log = logging.getLogger(__name__)

_STATUS_OF: tuple[tuple[type[CoreMachineError], int], ...] = (
    (UnknownTaskType, 404),
    (UnknownJobType, 404),
    (InvalidParameters, 422),
    (CapacityExceeded, 507),
    (InvalidInput, 400),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """``body`` is JSON values."""

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is remembered of a call, for ``GET test/state`` and ``GET test/messages``; ``told`` is compressed JSON."""

    execution_id: str
    at: str
    kind: str
    name: str
    told: bytes

    @classmethod
    def of(cls, execution_id: str, at: str, kind: str, name: str, told: Told) -> _Kept:
        shown = {
            "state_snapshot": told.state_snapshot,
            "operations": told.operations,
            "messages": told.messages,
            "summary": told.summary,
        }
        packed = zlib.compress(json.dumps(shown, separators=(",", ":")).encode("utf-8", "surrogatepass"), level=1)
        return cls(execution_id, at, kind, name, packed)

    def shown(self) -> dict[str, Any]:
        loaded = json.loads(zlib.decompress(self.told))
        assert isinstance(loaded, dict)
        return loaded


class _History:
    """The newest calls, bounded in number and bytes. Safe for threads."""

    def __init__(self, most: int, max_bytes: int) -> None:
        self._kept: deque[_Kept] = deque()
        self._most = most
        self._max_bytes = max_bytes
        self._lock = threading.Lock()

    def add(self, kept: _Kept) -> None:
        with self._lock:
            self._kept.append(kept)
            while len(self._kept) > self._most or sum(len(found.told) for found in self._kept) > self._max_bytes:
                self._kept.popleft()

    def all(self) -> list[_Kept]:
        """The oldest first."""
        with self._lock:
            return list(self._kept)

    def clear(self) -> int:
        with self._lock:
            count = len(self._kept)
            self._kept.clear()
            return count


NOTHING: Mapping[str, Any] = {
    "state_snapshot": {"jobs": {}, "tasks": {}, "stage_stats": {}},
    "operations": [],
    "messages": [],
    "summary": {"total": 0, "by_queue": {}, "by_type": {}},
}


class HarnessService:
    """Serves the test endpoints. Safe for threads; calls share the handlers, and nothing else.

    It has no store, no bus and no blobs but those that each call makes for itself.
    """

    def __init__(
        self,
        registries: Registries,
        limits: HarnessLimits | None = None,
        *,
        clock: Clock | None = None,
        ids: IdSource | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registries = registries
        self._limits = limits or HarnessLimits()
        self._clock = clock or SystemClock()
        self._ids = ids or RandomIds()
        self._bucket = TokenBucket(self._limits.rate_per_minute, self._limits.burst, monotonic)
        self._places = threading.BoundedSemaphore(self._limits.max_concurrency)
        self._history = _History(self._limits.history, self._limits.max_history_bytes)

    @property
    def max_body_bytes(self) -> int:
        return self._limits.max_body_bytes

    def execute(self, task_type: str, body: bytes) -> Answer:
        """``POST test/execute/{task_type}``: one task, once, now."""

        def prepare() -> tuple[RunRequest, Callable[[Execution], Told]]:
            request = parse_body(ExecuteRequest, body, self._limits.max_body_bytes)
            self._registries.handlers.find(task_type)
            return request, lambda execution: execution.execute(task_type, request)

        return self._answer("execute", task_type, prepare)

    def run(self, job_type: str, body: bytes) -> Answer:
        """``POST test/run/{job_type}``: a job, all its stages, now."""

        def prepare() -> tuple[RunRequest, Callable[[Execution], Told]]:
            request = parse_body(RunRequest, body, self._limits.max_body_bytes)
            self._registries.jobs.find(job_type)
            return request, lambda execution: execution.run(job_type)

        return self._answer("run", job_type, prepare)

    def handlers(self) -> Answer:
        """``GET test/handlers``: the task and job types with their JSON schemas."""
        return self._guarded(self._schemas)

    def state(self, execution_id: str | None = None) -> Answer:
        """``GET test/state``: the state that a call left, the newest one's by default."""

        def show() -> Answer:
            remembered = self._history.all()
            kept, shown = self._find(remembered, execution_id)
            return Answer(
                200,
                {
                    "execution_id": kept,
                    "state_snapshot": shown["state_snapshot"],
                    "operations": shown["operations"],
                    "executions": [_line(found) for found in reversed(remembered)],
                },
            )

        return self._guarded(show)

    def messages(self, execution_id: str | None = None) -> Answer:
        """``GET test/messages``: the messages that a call sent, the newest one's by default."""

        def show() -> Answer:
            kept, shown = self._find(self._history.all(), execution_id)
            return Answer(200, {"execution_id": kept, "messages": shown["messages"], "summary": shown["summary"]})

        return self._guarded(show)

    def reset(self) -> Answer:
        """``POST test/reset``: forget the calls that are remembered."""

        def forget() -> Answer:
            return Answer(200, {"success": True, "forgotten": self._history.clear()})

        return self._guarded(forget)

    # --- helpers ---

    def _answer(
        self, kind: str, name: str, prepare: Callable[[], tuple[RunRequest, Callable[[Execution], Told]]]
    ) -> Answer:
        def perform() -> Answer:
            request, action = prepare()
            told = self._in_time(request, action)
            execution_id = self._ids.new_id()
            self._history.add(_Kept.of(execution_id, self._clock.now().isoformat(), kind, name, told))
            return Answer(200 if told.success else 500, {**told.body, "execution_id": execution_id})

        return self._guarded(perform)

    def _in_time(self, request: RunRequest, action: Callable[[Execution], Told]) -> Told:
        """Run ``action`` in a thread of its own, and wait for it as long as the limit allows."""
        if not self._places.acquire(blocking=False):
            raise Refused(503, "HARNESS_BUSY", "every place is taken; try again", retry_after=1)
        call = _Call(lambda: Execution(self._registries, request, self._limits, self._clock), action, self._places)
        try:
            call.start()
        except RuntimeError as error:  # the system has no thread left
            self._places.release()
            raise Refused(503, "HARNESS_BUSY", "no thread could be started; try again", retry_after=1) from error
        return call.result(self._limits.timeout_seconds)

    def _schemas(self) -> Answer:
        return Answer(
            200,
            {
                "task_types": [handler.schema() for _, handler in sorted(self._registries.handlers.items())],
                "job_types": [job.schema() for _, job in sorted(self._registries.jobs.items())],
            },
        )

    @staticmethod
    def _find(remembered: Sequence[_Kept], execution_id: str | None) -> tuple[str | None, Mapping[str, Any]]:
        """A call's id and what it left; the newest without an id, nothing where there is none."""
        if execution_id is None and not remembered:
            return None, NOTHING
        for found in reversed(remembered):
            if execution_id in (None, found.execution_id):
                return found.execution_id, found.shown()
        raise Refused(404, "EXECUTION_NOT_FOUND", "no call with this id is remembered")

    def _guarded(self, action: Callable[[], Answer]) -> Answer:
        request_id = self._ids.new_id()
        try:
            wait = self._bucket.take()
            if wait:
                raise Refused(429, "RATE_LIMITED", f"try again in {wait} seconds", retry_after=wait)
            return action()
        except CoreMachineError as error:
            return _refusal(_as_refused(error), request_id)
        except NotQuiescent:
            _log.warning("harness_not_quiescent", extra={"request_id": request_id})
            refused = Refused(500, "NOT_QUIESCENT", "the run did not come to rest within the harness's bounds")
            return _refusal(refused, request_id)


class _Call:
    """An action in a daemon thread. Its place is given back when it ends, not when its caller stops waiting."""

    def __init__(
        self, make: Callable[[], Execution], action: Callable[[Execution], Told], places: threading.BoundedSemaphore
    ) -> None:
        self._make = make
        self._action = action
        self._places = places
        self._done = threading.Event()
        self._stop: StopSignal | None = None
        self._told: Told | Failed | None = None

    def start(self) -> None:
        threading.Thread(target=self._perform, name="test-endpoint", daemon=True).start()

    def result(self, seconds: float) -> Told:
        if not self._done.wait(seconds):
            if self._stop is not None:
                self._stop.set("harness timeout")
            raise Refused(504, "HARNESS_TIMEOUT", f"the handler did not end within {seconds:g} seconds")
        if isinstance(self._told, Told):
            return self._told
        cause = self._told.cause if self._told is not None else None
        if isinstance(cause, CoreMachineError | NotQuiescent):
            raise cause
        _log.error("harness_failed", exc_info=cause)
        raise Refused(500, "INTERNAL_ERROR", "the harness itself failed; its log says how")

    def _perform(self) -> None:
        try:
            self._told = guarded(self._call)
        finally:
            self._places.release()
            self._done.set()

    def _call(self) -> Told:
        execution = self._make()
        self._stop = execution.stop
        return self._action(execution)


def _as_refused(error: CoreMachineError) -> Refused:
    if isinstance(error, Refused):
        return error
    status = next((status for kind, status in _STATUS_OF if isinstance(error, kind)), 500)
    return Refused(status, error.code, error.message, details=error.details)


def _refusal(refused: Refused, request_id: str) -> Answer:
    headers = {"Retry-After": str(refused.retry_after)} if refused.retry_after is not None else {}
    return Answer(refused.status, refused.body(request_id), headers)


def _line(kept: _Kept) -> dict[str, str]:
    return {"execution_id": kept.execution_id, "at": kept.at, "kind": kept.kind, "name": kept.name}
