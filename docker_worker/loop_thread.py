"""A thread of the worker: what ends it before its time is logged, and seen by whoever asks whether it is alive."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from threading import Thread

_log = logging.getLogger(__name__)


class LoopThread:
    """Runs ``run``, which returns once it was told to. The process does not wait for it."""

    def __init__(self, name: str, run: Callable[[], None]) -> None:
        self._run = run
        self._thread = Thread(target=self._guarded, name=name, daemon=True)

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def start(self) -> None:
        self._thread.start()

    def join(self, timeout: float) -> bool:
        """Wait for the end up to ``timeout`` seconds; whether it has come, or there never was a beginning."""
        if self._thread.ident is not None:
            self._thread.join(max(0.0, timeout))
        return not self._thread.is_alive()

    def _guarded(self) -> None:
        """The frames are logged without the error's text, which may hold what a document held."""
        try:
            self._run()
        except BaseException as error:  # noqa: BLE001 - the top of the thread, which ends with it
            frames = "".join(traceback.format_tb(error.__traceback__))
            extra = {"loop": self._thread.name, "error": type(error).__name__}
            _log.critical("worker_thread_ended, most recent call last:\n%s", frames, extra=extra)
