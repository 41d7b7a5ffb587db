"""Sockets and the server: uvicorn, on an address that is bound before it is told to anyone."""

from __future__ import annotations

import asyncio
import errno
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from local.errors import PortUnavailable
from local.functions_host.host import Listener

LOOPBACK = "127.0.0.1"
DEFAULT_GRACE_SECONDS = 10


def bind(address: str, port: int) -> socket.socket:
    """A bound socket; port 0 takes a free one. Raises :class:`PortUnavailable`."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    # asyncio switches Nagle's algorithm off only on sockets that name their protocol: without it an answer that
    # is written in two parts waits 40 ms for the client's delayed acknowledgement.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((address, port))
    except OSError as error:
        bound.close()
        raise PortUnavailable(_why_not(error, address, port)) from error
    return bound


def _why_not(error: OSError, address: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {address} is in use; stop what listens there, or choose another with --port"
    return f"cannot listen on {address} port {port}: {error.strerror}"


def base_url(bound: socket.socket) -> str:
    address, port = bound.getsockname()[:2]
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"


class LoopThreads(ThreadPoolExecutor):
    """The event loop's own threads, in which async functions wait; the loop's end never waits for them.

    asyncio's executor would keep a stopped host alive for as long as the slowest of its calls.
    """

    def __init__(self) -> None:
        super().__init__(thread_name_prefix="asyncio")
        self._unfinished: set[Future[Any]] = set()

    def busy(self, seconds: float) -> int:
        """Calls that have not come back within ``seconds``. One that nobody waits for any more, such as a look-up of a
        name, takes a moment to end."""
        running = [future for future in tuple(self._unfinished) if future.running()]
        return len(wait(running, seconds).not_done)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future = super().submit(fn, *args, **kwargs)
        self._unfinished.add(future)
        future.add_done_callback(self._unfinished.discard)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        super().shutdown(wait=False, cancel_futures=True)


class HostServer(uvicorn.Server):
    """Serves ``app`` on a bound socket until SIGINT or SIGTERM; ``on_ready`` is called when it accepts connections.

    ``listeners`` run beside it on the same loop. At a signal both stop to take work and wait ``grace_seconds`` for
    what is in progress.
    """

    def __init__(
        self,
        app: ASGIApp,
        on_ready: Callable[[], None],
        grace_seconds: int = DEFAULT_GRACE_SECONDS,
        listeners: Sequence[Listener] = (),
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http="h11",
                loop="asyncio",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=grace_seconds,
            )
        )
        self._on_ready = on_ready
        self._grace_seconds = grace_seconds
        self._listeners = listeners
        self.threads = LoopThreads()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        asyncio.get_running_loop().set_default_executor(self.threads)
        await super().startup(sockets)
        if self.started:
            for listener in self._listeners:
                listener.start()
            self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """A second signal ends the wait. uvicorn alone goes on to wait for the connections, from Python 3.12 on."""
        ending = asyncio.create_task(self._end(super().shutdown(sockets)))
        while not (await asyncio.wait([ending], timeout=0.1))[0]:
            if self.force_exit:
                ending.cancel()
        if not ending.cancelled():
            ending.result()

    async def _end(self, serving: Coroutine[Any, Any, None]) -> None:
        """A task of its own, since a group that is cancelled does not say that it was."""
        await asyncio.gather(serving, *(listener.stop(self._grace_seconds) for listener in self._listeners))


@contextmanager
def serving(app: ASGIApp, listeners: Sequence[Listener] = (), grace_seconds: int = 1) -> Iterator[str]:
    """Serves on a free loopback port, in a thread of this process; gives the base URL and stops at the end."""
    bound = bind(LOOPBACK, 0)
    ready = threading.Event()
    server = HostServer(app, ready.set, grace_seconds, listeners)
    thread = threading.Thread(target=asyncio.run, args=(server.serve([bound]),), name="functions-host")
    thread.start()
    try:
        if not ready.wait(timeout=30):
            raise RuntimeError("the host did not start in 30 seconds")
        yield base_url(bound)
    finally:
        server.should_exit = True
        thread.join(timeout=30)
        bound.close()
