"""Tells who started a task by a call how its attempt ended.

As far as can be: the truth is the task's state, a call back is told a few times and then given up, and one that fails
changes nothing. It is not kept over the end of the process.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from queue import Full, Queue
from threading import Event, Lock, Thread
from typing import NamedTuple

import httpx

from core.ports import Clock, IdSource
from docker_worker.backoff import Backoff
from infrastructure.hosts import is_loopback
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

NAT64 = IPv6Network("64:ff9b::/96")

NEVER = tuple(
    map(ip_network, ("168.63.129.16", "192.0.0.192", "100.100.100.200", "fd00:ec2::/32", "fec0::/10", "64:ff9b:1::/48"))
)
"""Where the machines of Azure, Oracle, Alibaba and AWS are told secrets, besides link-local addresses; and addresses
that hold another one in a way that the network alone knows.
"""

LONGEST_LABEL, LONGEST_HOST = 63, 253
"""Of a name, as RFC 1035 has it."""

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Sequence[str]]


def resolved(host: str, port: int) -> list[str]:
    """The addresses of ``host``, each once. Raises OSError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise OSError("not a name that can be looked up") from error
    return list(dict.fromkeys(str(info[4][0]) for info in found))


@dataclass(frozen=True, slots=True)
class CallbackTarget:
    """A URL that may be called. ``trusted`` where the host itself is listed, and not only those like it."""

    url: httpx.URL = field(repr=False)
    host: str
    trusted: bool

    @property
    def port(self) -> int:
        return self.url.port or (443 if self.url.scheme == "https" else 80)

    def may_reach(self, address: Address) -> bool:
        """Never what hosts have for themselves, as the metadata of a cloud; a private network only where trusted."""
        address = _plain(address)
        if self.url.scheme == "http":
            return address.is_loopback
        if address.is_link_local or address.is_multicast or address.is_unspecified or any(address in n for n in NEVER):
            return False
        return self.trusted or (address.is_global and not address.is_reserved)


@dataclass(frozen=True, slots=True)
class CallbackHosts:
    """``listed`` are names, or ``*.`` before a domain for every name under it."""

    listed: Sequence[str]

    def target(self, text: str) -> CallbackTarget:
        """Raises :class:`CallbackRefused`."""
        try:
            url = httpx.URL(text)
        except httpx.InvalidURL as error:
            raise CallbackRefused("callback_url: not a URL") from error
        host = url.raw_host.decode("ascii").lower()
        trusted = host in self.listed
        if not _is_name(host) or url.userinfo or url.fragment or not 0 < (url.port or 443) < 65_536:
            raise CallbackRefused("callback_url: https://HOST/..., without user and fragment")
        if url.scheme != "https" and not (url.scheme == "http" and trusted and is_loopback(host)):
            raise CallbackRefused("callback_url: https, for any host but this machine")
        if not (trusted or any(_is_under(host, one) for one in self.listed)):
            raise CallbackRefused("callback_url: its host is not one of DOCKER_CALLBACK_HOSTS")
        return CallbackTarget(url, host, trusted)


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
        hosts: Sequence[str],
        keys: SigningKeys,
        clock: Clock,
        ids: IdSource,
        *,
        calls: Calls | None = None,
        resolve: Resolve = resolved,
        wait: Callable[[Event, float], bool] = Event.wait,
    ) -> None:
        self._hosts = CallbackHosts(hosts)
        self._keys = keys.for_callbacks()
        self._clock = clock
        self._jitter = ids.jitter
        self._calls = calls or Calls()
        self._resolve = resolve
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
            reason = self._tried(call, number)
            if reason is None:
                _log.info("callback_made", extra=_names(call))
                return
            if number == TRIES - 1 or self._wait(self._closing, backoff.failed()):
                raise _Refused(reason)

    def _tried(self, call: _Call, number: int) -> str | None:
        """``None`` where it was heard, else why not yet. Raises :class:`_Refused` where it will not be."""
        url = call.target.url
        body = call.ended.model_dump_json().encode()
        headers = self._keys.sign("POST", url.raw_path.decode("ascii"), body, self._clock.now())
        headers["host"] = url.netloc.decode("ascii")
        try:
            address = self._address(call.target, number)
            answer = self._calls.post(url.copy_with(host=address), body, headers, call.target.host)
        except (CallFailed, OSError) as error:
            return f"not reached: {error if isinstance(error, CallFailed) else type(error).__name__}"
        if 200 <= answer.status < 300:
            return None
        if answer.status >= 500 or answer.status in PASSING:
            return f"answered {answer.status}"
        raise _Refused(f"answered {answer.status}")

    def _address(self, target: CallbackTarget, number: int) -> str:
        """Where the name leads now; all of it has to be allowed. Raises OSError, and :class:`_Refused`."""
        addresses = self._resolve(target.host, target.port)
        if not addresses or not all(target.may_reach(ip_address(one)) for one in addresses):
            raise _Refused("its host leads where the worker does not go")
        return addresses[number % len(addresses)]


def _is_name(host: str) -> bool:
    return len(host) <= LONGEST_HOST and all(0 < len(label) <= LONGEST_LABEL for label in host.split("."))


def _is_under(host: str, pattern: str) -> bool:
    return pattern.startswith("*.") and "." in pattern[2:] and host.endswith(pattern[1:])


def _plain(address: Address) -> Address:
    """The IPv4 address within one of IPv6, where it has one."""
    if isinstance(address, IPv4Address):
        return address
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _names(call: _Call) -> dict[str, object]:
    """Never the path: it may hold a secret of who is called."""
    return {"task_id": call.ended.task_id, "attempt": call.ended.attempt, "host": call.target.host}


def _given_up(call: _Call, reason: str) -> None:
    _log.warning("callback_given_up", extra=_names(call) | {"reason": reason})
