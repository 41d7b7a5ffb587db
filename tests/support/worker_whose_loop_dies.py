"""The worker on a bus whose adapter has a bug: ``python -m tests.support.worker_whose_loop_dies``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from core.ports import ReceivedMessage
from docker_worker import process
from docker_worker.counted_bus import CountedBus
from docker_worker.signals import Received


class Broken(CountedBus):
    def receive(self, queue: str, limit: int) -> Sequence[ReceivedMessage]:
        raise RuntimeError("hunter" + str(limit + 1))  # which no line of source shows


if __name__ == "__main__":
    process.CountedBus = Broken  # type: ignore[attr-defined]
    received = Received()
    received.listen()
    sys.exit(process.run(received))
