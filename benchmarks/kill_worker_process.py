"""The worker as ``python -m docker_worker`` is, but for the command that starts a task's process."""

from __future__ import annotations

import sys

from docker_worker.process import run
from docker_worker.signals import Received

CHILD = (sys.executable, "-m", "benchmarks.kill_worker_child")


def main() -> int:
    received = Received()
    received.listen()
    return run(received, CHILD)


if __name__ == "__main__":
    sys.exit(main())
