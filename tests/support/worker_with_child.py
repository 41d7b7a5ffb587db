"""The worker with a child of a test's own, whose module the variable ``WORKER_CHILD`` names."""

from __future__ import annotations

import os
import sys

from docker_worker.process import run
from docker_worker.signals import Received

if __name__ == "__main__":
    received = Received()
    received.listen()
    sys.exit(run(received, [sys.executable, "-m", os.environ["WORKER_CHILD"]]))
