"""``python -m docker_worker``: takes the long tasks from their queue, until SIGTERM or SIGINT.

Exit codes: 0 told to stop, 1 it cannot start or could not go on.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from core.context import StopSignal
from core.errors import CoreMachineError
from core.worker import Worker
from docker_worker.engines import engine_provider
from infrastructure.logs import log_to_stderr
from infrastructure.settings import Settings
from infrastructure.wiring import build_backend

READY = "worker_ready"
WAIT_SECONDS = 1.0
"""How long the loop waits at the queue, and so how late it may learn that it is to stop."""

_log = logging.getLogger(__name__)


def main() -> int:
    log_to_stderr()
    stop, told = StopSignal(), threading.Event()
    try:
        settings = Settings.from_environment(os.environ)
        log_to_stderr(settings.log_format)
        with _ends_at_signals(stop, told):
            _work(settings, stop, told)
    except CoreMachineError as error:
        _log.error("worker_failed", extra={"code": error.code, "reason": error.message})
        return 1
    return 0


def _work(settings: Settings, stop: StopSignal, told: threading.Event) -> None:
    with build_backend(settings, engine_provider(settings), wait_seconds=WAIT_SECONDS) as backend:
        worker = Worker(backend.worker_machine(), backend.bus, [settings.long_running_queue], told.wait, polls=True)
        with worker:
            _log.info(READY, extra={"queue": settings.long_running_queue})
            worker.run(stop)
    _log.info("worker_stopped", extra={"reason": stop.reason})


@contextmanager
def _ends_at_signals(stop: StopSignal, told: threading.Event) -> Iterator[None]:
    """The first signal asks the loop to end; the second one counts as usual."""
    handled = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.getsignal(number) for number in handled}

    def on_signal(number: int, _frame: object) -> None:
        stop.set(f"signal {signal.Signals(number).name}")
        told.set()
        signal.signal(number, before[signal.Signals(number)])

    for number in handled:
        signal.signal(number, on_signal)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    sys.exit(main())
