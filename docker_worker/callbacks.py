"""Tells who started a task by a call how its attempt ended.

As far as can be: the truth is the task's state, a call back is told a few times and then given up, and one that fails
changes nothing. It is not kept over the end of the process.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from queue import Full, Queue
from threading import Event, Lock, Thread
from typing import NamedTuple

import httpcore
import httpx

from core.ports import Clock, IdSource
from docker_worker.backoff import Backoff
from infrastructure.hosts import is_loopback
from infrastructure.outbound.addresses import (
    Address,
    LeadsInside,
    Pinned,
    Resolve,
    is_never_reached,
    is_public,
    resolved,
)
from infrastructure.outbound.network import BoundedTransport, authorities
from infrastructure.outbound.urls import host_of, is_under, plain_url
from infrastructure.task_start.bodies import TaskEnded
from infrastructure.task_start.calls import CallFailed, Calls
from infrastructure.task_start.errors import CallbackRefused
from infrastructure.task_start.signature import SigningKeys

_log = logging.getLogger(__name__)

TRIES = 4
WAITING = 100
"""Calls back that may wait for their turn; one more is given up at once."""

PASSING = frozenset({408, 425, 429})
"""Besides 5xx, answers after which it is tried again."""


@dataclass(frozen=True, slots=True)
class CallbackTarget:
    """A URL that may be called."""

    url: httpx.URL = field(repr=False)
    host: str


@dataclass(frozen=True, slots=True)
class CallbackHosts:
    """``listed`` are names, or ``*.`` before a domain for every name under it."""

    listed: Sequence[str]

    def target(self, text: str) -> CallbackTarget:
        """Raises :class:`CallbackRefused`."""
        try:
            url = plain_url(text)
        except ValueError as error:
            raise CallbackRefused(f"callback_url: {error}") from error
        host = host_of(url)
        if url.scheme != "https" and not (host in self.listed and is_loopback(host)):
            raise CallbackRefused("callback_url: https, for any host but this machine")
        if not (host in self.listed or any(is_under(host, one) for one in self.listed)):
            raise CallbackRefused("callback_url: its host is not one of DOCKER_CALLBACK_HOSTS")
        return CallbackTarget(url, host)

    def may_reach(self, host: str, address: Address) -> bool:
        """A private network only where the host itself is listed, and not only those like it."""
        if is_loopback(host):
            return address.is_loopback
        return is_public(address) or (host in self.listed and not is_never_reached(address))


def callback_calls(
    hosts: CallbackHosts, resolve: Resolve = resolved, network: httpcore.NetworkBackend | None = None
) -> Calls:
    """Calls that reach no address that ``hosts`` do not allow."""
    pinned = Pinned(hosts.may_reach, resolve)
    return Calls(BoundedTransport(authorities(), pinned=pinned, network=network))


class _Call(NamedTuple):
    target: CallbackTarget
    ended: TaskEnded


class _Refused(Exception):
    """What is not called, or not called again, and why."""


class Callbacks:
    """For any number of threads; the calls are made by one of its own, one after the other.

    ``keys`` are those of the calls that start tasks; who is called back has keys that are made of them. ``wait`` waits
    for the event of closing up to a number of seconds, and says whether it came.
    """

    def __init__(
        self,
        hosts: CallbackHosts,
        keys: SigningKeys,
        clock: Clock,
        ids: IdSource,
        *,
        calls: Calls | None = None,
        wait: Callable[[Event, float], bool] = Event.wait,
    ) -> None:
        self._hosts = hosts
        self._keys = keys.for_callbacks()
        self._clock = clock
        self._jitter = ids.jitter
        self._calls = calls or callback_calls(hosts)
        self._wait = wait
        self._closing = Event()
        self._queue: Queue[_Call | None] = Queue(WAITING)
        self._lock = Lock()
        self._thread: Thread | None = None

    def target(self, url: str) -> CallbackTarget:
        """Raises :class:`CallbackRefused` for what is not to be called."""
        return self._hosts.target(url)

    def tell(self, target: CallbackTarget, ended: TaskEnded) -> None:
        """In the background. Never raises for what comes of it."""
        call = _Call(target, ended)
        with self._lock:
            if self._closing.is_set():
                _given_up(call, "the worker ends")
                return
            if self._thread is None or not self._thread.is_alive():
                self._thread = Thread(target=self._run, name="callbacks", daemon=True)
                self._thread.start()
        try:
            self._queue.put_nowait(call)
        except Full:
            _given_up(call, "too many wait")

    def close(self, seconds: float) -> bool:
        """Make the calls that wait, each once, for ``seconds`` at most; whether that was enough."""
        with self._lock:
            self._closing.set()
            thread = self._thread
        if thread is None:
            self._calls.close()
            return True
        try:
            self._queue.put(None, timeout=seconds)
        except Full:
            _log.warning("callbacks_given_up")
            return False
        thread.join(seconds)
        if thread.is_alive():
            _log.warning("callbacks_given_up")
        return not thread.is_alive()

    def _run(self) -> None:
        while (call := self._queue.get()) is not None:
            try:
                self._tell(call)
            except _Refused as refused:
                _given_up(call, str(refused))
        self._calls.close()

    def _tell(self, call: _Call) -> None:
        """Raises :class:`_Refused`."""
        backoff = Backoff(self._jitter)
        for number in range(TRIES):
            reason = self._tried(call)
            if reason is None:
                _log.info("callback_made", extra=_names(call))
                return
            if number == TRIES - 1 or self._wait(self._closing, backoff.failed()):
                raise _Refused(reason)

    def _tried(self, call: _Call) -> str | None:
        """``None`` where it was heard, else why not yet. Raises :class:`_Refused` where it will not be."""
        url = call.target.url
        body = call.ended.model_dump_json().encode()
        headers = self._keys.sign("POST", url.raw_path.decode("ascii"), body, self._clock.now())
        try:
            answer = self._calls.post(url, body, headers)
        except CallFailed as error:
            return f"not reached: {error}"
        except LeadsInside as error:
            raise _Refused("its host leads where the worker does not go") from error
        if 200 <= answer.status < 300:
            return None
        if answer.status >= 500 or answer.status in PASSING:
            return f"answered {answer.status}"
        raise _Refused(f"answered {answer.status}")


def _names(call: _Call) -> dict[str, object]:
    """Never the path: it may hold a secret of who is called."""
    return {"task_id": call.ended.task_id, "attempt": call.ended.attempt, "host": call.target.host}


def _given_up(call: _Call, reason: str) -> None:
    _log.warning("callback_given_up", extra=_names(call) | {"reason": reason})
