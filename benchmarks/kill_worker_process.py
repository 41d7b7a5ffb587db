"""The worker as ``python -m docker_worker`` is, but that its tasks' process is the module that its argument names."""

from __future__ import annotations

import sys

from docker_worker.process import run
from docker_worker.signals import Received


def main() -> int:
    received = Received()
    received.listen()
    return run(received, (sys.executable, "-m", sys.argv[1]))


if __name__ == "__main__":
    sys.exit(main())
