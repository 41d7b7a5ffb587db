"""All of a worker's process: made of its settings, run until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import uvicorn
from fastapi import APIRouter, FastAPI
from prometheus_client import CollectorRegistry, ProcessCollector

from core.errors import CoreMachineError, TransientError
from docker_worker.counted_bus import CountedBus
from docker_worker.engines import engine_provider
from docker_worker.lease_watch import LeaseWatch
from docker_worker.lifecycle import DockerWorkerLifecycle, Grace
from docker_worker.limits import TaskLimits
from docker_worker.patience import PatientRunner
from docker_worker.queue_worker import BackgroundQueueWorker, CallsWhileWaiting
from docker_worker.runner import COMMAND, ChildRunner
from docker_worker.scratch_root import ScratchRoot
from docker_worker.signals import Received, SignalChain
from docker_worker.status import WorkerStatus
from docker_worker.surface.app import create_app
from docker_worker.surface.metrics import TaskSeconds, WorkerCollector
from docker_worker.surface.parts import SurfaceParts
from docker_worker.task_slot import LongTaskSource, TaskSlot
from infrastructure.logs import log_to_stderr
from infrastructure.settings import Settings
from infrastructure.wiring import build_backend

if TYPE_CHECKING:
    from infrastructure.backend import Backend

READY = "worker_ready"
"""The event that says that work is taken, and at which ``url`` the worker answers; others wait for it."""

MAX_CONNECTIONS = 256
"""At which calls are answered 503, by the server itself, until there are fewer: a quarter of the files that a process
may usually open, and more than probes, collectors and functions together need.
"""

HTTP_END_SECONDS = 1
"""How long an answer that is being sent is waited for at the end."""

POOL_SECONDS = 1.0
"""How long connections that are lent are waited for at the end, when nobody should have one."""

CALLBACK_SECONDS = 1.0
WATCH_SECONDS = 1.0

_SERVER: Mapping[str, Any] = {
    "loop": "asyncio",
    "http": "h11",
    "lifespan": "on",
    "log_config": None,
    "access_log": False,
    "server_header": False,
    "timeout_graceful_shutdown": HTTP_END_SECONDS,
    "limit_concurrency": MAX_CONNECTIONS,
}

_log = logging.getLogger(__name__)


class AddressUnavailable(TransientError):
    """The worker cannot listen where it should."""

    code = "ADDRESS_UNAVAILABLE"


def run(received: Received, command: Sequence[str] = COMMAND) -> int:
    """Until a signal is ``received``. ``command`` starts a task's process. The exit code is that of ``__main__``."""
    log_to_stderr()
    if received.came:
        return 0
    try:
        settings = Settings.from_environment(os.environ)
        log_to_stderr(settings.log_format)
        with WorkerProcess(settings, received, command) as worker:
            code = worker.serve()
    except CoreMachineError as error:
        _log.error("worker_failed", extra={"code": error.code, "reason": error.message})
        return 1
    _log.info("worker_stopped", extra={"exit_code": code})
    return code


class WorkerProcess:
    """The parts of a worker, connected to each other and to nothing else yet. Leaving it closes them in order.

    Raises as :class:`infrastructure.backend.Backend`, and :class:`AddressUnavailable`.
    """

    def __init__(self, settings: Settings, received: Received, command: Sequence[str]) -> None:
        self._settings = settings
        self._received = received
        self._open = ExitStack()
        try:
            self._socket = self._open.enter_context(_listening(settings.docker_http_host, settings.docker_http_port))
            self._build(command)
        except BaseException:
            self._open.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._open.close()

    def serve(self) -> int:
        """Take tasks and answer until the end; the exit code."""
        server = _Server(uvicorn.Config(self._app, **_SERVER), self._say_ready)
        try:
            server.run([self._socket])
        except SystemExit:  # by which uvicorn says that the app did not start
            return 1
        finally:
            self._lifecycle.finish()
        return self._lifecycle.exit_code

    def _build(self, command: Sequence[str]) -> None:
        settings = self._settings
        backend = build_backend(settings, engine_provider(settings), wait_seconds=settings.docker_poll_seconds)
        self._open.enter_context(backend)
        self._open.callback(backend.pool.drain, POOL_SECONDS)
        status, registry = WorkerStatus(backend.clock), CollectorRegistry()
        limits = TaskLimits.from_settings(settings)
        scratch = self._open.enter_context(ScratchRoot(limits.scratch_root))
        limits = replace(limits, scratch_root=scratch.path)
        self._runner = ChildRunner(command, limits, progressed=status.progressed)
        self._open.callback(self._runner.close)
        patient = PatientRunner(self._runner, jitter=backend.ids.jitter)
        machine = backend.worker_machine(TaskSeconds(patient, registry))
        self._connect: Callable[[], None] = partial(backend.service_bus.prepare_to_send, backend.queues.long_running)
        self._watch = LeaseWatch(machine, settings.lease_seconds, jitter=backend.ids.jitter)
        self._open.callback(self._watch.join, WATCH_SECONDS)
        self._open.callback(self._watch.stop)
        bus = CountedBus(backend.bus)
        made = _source(settings, backend, TaskSlot(machine, status), bus, patient)
        self._open.callback(made.close)
        self._lifecycle = DockerWorkerLifecycle(
            made.source,
            self._runner,
            status,
            self._received,
            grace_seconds=settings.docker_grace_seconds,
            end_now=_end_now,
        )
        parts = self._parts(backend, status, bus)
        registry.register(WorkerCollector(parts))
        ProcessCollector(registry=registry)
        self._app = create_app(parts, registry, self._lifespan, made.routers)

    def _parts(self, backend: Backend, status: WorkerStatus, bus: CountedBus) -> SurfaceParts:
        settings = self._settings
        return SurfaceParts(
            mode=settings.docker_orchestration_mode,
            queue_name=settings.long_running_queue,
            worker_key=settings.docker_worker_key,
            max_body_bytes=settings.http_max_body_bytes,
            clock=backend.clock,
            started_at=backend.clock.now(),
            status=status,
            lifecycle=self._lifecycle,
            leases=backend.heartbeat,
            bus_counts=bus.counts,
            handlers=backend.handlers,
            child=self._runner.stats,
            pool=backend.pool.stats,
            tokens=backend.tokens.states,
            queue=lambda: backend.service_bus.queue_properties(settings.long_running_queue),
            refresh=backend.tokens.refresh,
        )

    @asynccontextmanager
    async def _lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        """Within the server's own handling of signals, which begins before and ends after it."""
        chain = SignalChain(self._received, asyncio.get_running_loop())
        chain.install()
        self._connect()
        self._runner.start()
        self._watch.start()
        self._lifecycle.start(chain.hand_on)
        try:
            yield
        finally:
            chain.restore()

    def _say_ready(self) -> None:
        extra = {"queue": self._settings.long_running_queue, "mode": self._settings.docker_orchestration_mode}
        _log.info(READY, extra={"url": _url(self._socket), **extra})


class _Made(NamedTuple):
    source: LongTaskSource
    routers: Sequence[APIRouter] = ()
    close: Callable[[], object] = lambda: None


def _source(settings: Settings, backend: Backend, slot: TaskSlot, bus: CountedBus, runner: CallsWhileWaiting) -> _Made:
    """By ``DOCKER_ORCHESTRATION_MODE``."""
    grace = Grace.of(settings.docker_grace_seconds).leave_after
    if settings.calls_worker:
        return _called(settings, backend, slot, grace)
    return _Made(
        BackgroundQueueWorker(
            slot,
            bus,
            settings.long_running_queue,
            runner,
            jitter=backend.ids.jitter,
            end_waits=backend.service_bus.end_waits,
            grace_seconds=grace,
        )
    )


def _called(settings: Settings, backend: Backend, slot: TaskSlot, grace: float) -> _Made:
    from docker_worker.callbacks import CallbackHosts, Callbacks  # noqa: PLC0415 - an HTTP client, for this mode alone
    from docker_worker.http_trigger import HttpTriggeredWorker  # noqa: PLC0415
    from docker_worker.surface.start import start_router  # noqa: PLC0415
    from infrastructure.task_start.signature import SigningKeys  # noqa: PLC0415

    keys = SigningKeys.from_settings(settings)
    callbacks = Callbacks(CallbackHosts(settings.callback_hosts), keys, backend.clock, backend.ids)
    worker = HttpTriggeredWorker(slot, callbacks, jitter=backend.ids.jitter, grace_seconds=grace)
    router = start_router(worker, keys, backend.clock)
    return _Made(worker, [router], lambda: callbacks.close(CALLBACK_SECONDS))


class _Server(uvicorn.Server):
    """Says when it listens."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()


def _listening(host: str, port: int) -> socket.socket:
    """Raises :class:`AddressUnavailable`. Bound before anything is begun, so that a taken port takes no task."""
    try:
        [(family, *_), *_] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        both = family == socket.AF_INET6 and socket.has_dualstack_ipv6()  # :: is every address of IPv4 as well
        return socket.create_server((host, port), family=family, dualstack_ipv6=both)
    except (OSError, UnicodeError) as error:  # the latter from the name of a host that cannot be one
        reason = (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
        raise AddressUnavailable(f"DOCKER_HTTP_HOST, DOCKER_HTTP_PORT: {host} {port}: {reason}") from error


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _end_now(code: int) -> None:
    """Whatever threads there are, and whatever they wait for."""
    sys.stderr.flush()
    os._exit(code)
