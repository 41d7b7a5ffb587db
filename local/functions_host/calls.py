"""The calls of one listener that are in progress, which the host's end may cut off."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from local.functions_host.executions import Execution
from local.functions_host.invocation import InvocationFailed


class Calls:
    def __init__(self) -> None:
        self._running: set[asyncio.Task[object]] = set()

    async def run(self, execution: Execution, call: Coroutine[Any, Any, object]) -> bool:
        """Whether it succeeded, which is in the log then, as is anything else."""
        task = asyncio.create_task(call)
        self._running.add(task)
        try:
            await asyncio.wait([task])
        finally:
            self._running.discard(task)
        if task.cancelled():
            execution.cut_off()
            return False
        error = task.exception()
        if error is None:
            execution.succeeded()
        elif isinstance(error, InvocationFailed):
            execution.failed(str(error), error.cause)
        else:
            execution.failed(type(error).__name__, error)
        return error is None

    def cut_off(self) -> None:
        for task in tuple(self._running):
            task.cancel()
