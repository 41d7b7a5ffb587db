"""Runs one function: async ones on the event loop, sync ones in a pool of threads, both for a limited time.

Sources: `azure_functions_runtime.handle_event.invocation_request` and `utils.threadpool` (the pool has
``PYTHON_THREADPOOL_THREAD_COUNT`` threads; without it, Python's own default).
"""

from __future__ import annotations

import asyncio
import concurrent.futures.thread
import contextvars
import inspect
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import TracebackType

from starlette.requests import ClientDisconnect

from local.functions_host.context import InvocationContext
from local.functions_host.functions import RETURN, IndexedFunction, UserFunction

THREADS_SETTING = "PYTHON_THREADPOOL_THREAD_COUNT"
_OURS = (str(Path(__file__).parent), concurrent.futures.thread.__file__)
_log = logging.getLogger(__name__)


class InvocationFailed(Exception):
    """The function raised, or ran out of time. The text is one line for the log; nothing of it is for a client."""

    def __init__(self, why: str, cause: Exception | None) -> None:
        super().__init__(why)
        self.cause = cause


@dataclass(frozen=True, slots=True)
class InvocableFunction:
    """What is needed to call a function: ``argument`` takes the trigger's value, ``context`` the context when it is
    wanted. ``streams`` says that an HTTP trigger's value is the request of HTTP streams.
    """

    name: str
    call: UserFunction
    argument: str
    wants_context: bool
    directory: str
    returns: bool
    streams: bool = False

    @property
    def is_async(self) -> bool:
        return inspect.iscoroutinefunction(self.call)


def invocable(function: IndexedFunction, streams: bool = False) -> InvocableFunction:
    """For a function that has passed :func:`local.functions_host.rules.validate`."""
    trigger = function.triggers[0]
    arguments = set(inspect.signature(function.call).parameters)
    return InvocableFunction(
        name=function.name,
        call=function.call,
        argument=trigger.name,
        wants_context="context" in arguments and all(binding.name != "context" for binding in function.bindings),
        directory=str(Path(inspect.getfile(inspect.unwrap(function.call))).parent),
        returns=any(binding.name == RETURN for binding in function.bindings),
        streams=streams,
    )


def thread_count(environment: Mapping[str, str]) -> int | None:
    """``None`` is Python's default; a value that is not a whole number above zero is ignored with a warning."""
    text = environment.get(THREADS_SETTING)
    if text is None:
        return None
    if not text.isdecimal() or int(text) < 1:
        _log.warning("%s is not a whole number above zero; the default pool is used", THREADS_SETTING)
        return None
    return int(text)


def _frames_of_the_function(frames: TracebackType | None) -> TracebackType | None:
    """Without those of the host and its pool, which come first."""
    own = frames
    while own is not None and own.tb_frame.f_code.co_filename.startswith(_OURS):
        own = own.tb_next
    return own or frames


class Invoker:
    """Owns the pool of threads. ``timeout`` is that of host.json; ``None`` is no limit."""

    def __init__(self, timeout: timedelta | None, threads: int | None = None) -> None:
        self._timeout = timeout
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="function")
        self._running: set[str] = set()

    @property
    def running(self) -> tuple[str, ...]:
        """``name invocation-id`` of each invocation in a thread that has not come back yet, timed out or not."""
        return tuple(sorted(self._running))

    async def invoke(self, function: InvocableFunction, value: object, context: InvocationContext) -> object:
        """What the function returned for the trigger's ``value``.

        Raises :class:`InvocationFailed`, and :class:`starlette.requests.ClientDisconnect` from a function that read
        the body of a client that went away. A sync function that runs out of time keeps its thread until it returns:
        the real host ends the whole worker process then, which here would end the host.
        """
        scope = asyncio.timeout(None if self._timeout is None else self._timeout.total_seconds())
        try:
            async with scope:
                returned = await self._call(function, value, context)
        except ClientDisconnect:
            raise
        except Exception as error:  # noqa: BLE001 - the boundary around a function
            if scope.expired() and isinstance(error, TimeoutError):
                why = f"Timeout value of {self._timeout} exceeded by function '{function.name}'"
                raise InvocationFailed(why, None) from None
            shown = error.with_traceback(_frames_of_the_function(error.__traceback__))
            raise InvocationFailed(type(error).__name__, shown) from None
        if returned is not None and not function.returns:
            raise InvocationFailed(f"it has no $return binding and returned {type(returned).__name__}", None)
        return returned

    async def _call(self, function: InvocableFunction, value: object, context: InvocationContext) -> object:
        arguments = {function.argument: value}
        if function.wants_context:
            arguments["context"] = context
        if function.is_async:
            return await function.call(**arguments)  # type: ignore[misc]
        in_context = partial(contextvars.copy_context().run, self._run_in_thread, function, arguments, context)
        return await asyncio.get_running_loop().run_in_executor(self._pool, in_context)

    def _run_in_thread(
        self, function: InvocableFunction, arguments: dict[str, object], context: InvocationContext
    ) -> object:
        label = f"{function.name} {context.invocation_id}"
        self._running.add(label)
        context.thread_local_storage.invocation_id = context.invocation_id
        try:
            return function.call(**arguments)
        finally:
            context.thread_local_storage.invocation_id = None
            self._running.discard(label)

    def close(self) -> None:
        """Takes no more calls and does not wait for the threads that are still running."""
        self._pool.shutdown(wait=False, cancel_futures=True)
