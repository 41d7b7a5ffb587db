"""What a call of a test endpoint costs beyond its handler, over HTTP, and what importing the app costs.

``python -m benchmarks.endpoint``. A local host in a process of its own answers one caller on one connection;
the overhead is the round trip less the handler's own time, which is measured by calling it directly. The
import is measured in fresh processes, the median of them, with their peak resident memory.
"""

from __future__ import annotations

import http.client
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.report import Goal, finish, parser
from core.context import StopSignal, TaskContext
from core.scratch import Scratch
from handlers.hello_world import GreetingParams, hello_world_greeting
from local.child_host import child_host
from testing.factories import create_single_task, create_test_core_machine

GOALS = (
    Goal("overhead_p99_ms", "<=", 5.0, "ms"),
    Goal("import_seconds", "<", 1.0, "s"),
    Goal("import_mb", "<", 100.0, "MB"),
)
BODY = json.dumps({"params": {"index": 0, "message": "Hello!"}}).encode()
PATH = "/api/test/execute/hello_world_greeting"
IMPORT = """
import sys, time
started = time.perf_counter()
import function_app
seconds = time.perf_counter() - started
peak_kb = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(seconds, int(peak_kb) / 1024)
assert not {"paddleocr", "numpy", "cv2", "onnxruntime"} & set(sys.modules)
"""


def own_times(repeat: int) -> list[float]:
    """Seconds that the handler takes when it is called directly, sorted."""
    machine, state, _ = create_test_core_machine()
    message = create_single_task(machine, state, "hello_world_greeting", {"index": 0, "message": "Hello!"})
    context = TaskContext(
        message,
        timeout=300.0,
        blobs=machine.blobs,
        clock=machine.clock,
        stop=StopSignal(),
        writes=NoWrites(),
        scratch=Scratch(),
    )
    params = GreetingParams(index=0, message="Hello!")
    return timed(repeat, lambda: hello_world_greeting(params, context))


class NoWrites:
    """The greeting writes nothing under its lease."""

    def save_checkpoint(self, checkpoint_json: str) -> None:
        raise NotImplementedError

    def report_progress(self, percent: float, message: str) -> None:
        raise NotImplementedError


def timed(repeat: int, call: Callable[[], object]) -> list[float]:
    times = []
    for _ in range(repeat):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return sorted(times)


def round_trips(repeat: int) -> list[float]:
    """Seconds from a request to the end of its answer, sorted."""
    environment = {"ENABLE_TEST_ENDPOINTS": "true", "TEST_RATE_PER_MINUTE": "1000000", "TEST_BURST": "1000000"}
    root = Path(__file__).resolve().parent.parent
    with child_host(root, root / "local.settings.json.example", environment) as url:
        address = urlsplit(url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port)
        timed(100, lambda: _post(connection))
        times = timed(repeat, lambda: _post(connection))
        connection.close()
        return times


def _post(connection: http.client.HTTPConnection) -> None:
    connection.request("POST", PATH, BODY, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    body = json.loads(answer.read())
    assert answer.status == 200, body
    assert body["handler_result"]["index"] == 0


def import_cost(repeat: int) -> tuple[float, float]:
    """Seconds and peak resident megabytes of importing the app in a fresh process, medians."""
    environment = {**os.environ, "ENABLE_TEST_ENDPOINTS": "true"}
    lines = [
        subprocess.run([sys.executable, "-c", IMPORT], env=environment, check=True, capture_output=True, text=True)
        for _ in range(repeat)
    ]
    pairs = [tuple(map(float, line.stdout.split()[-2:])) for line in lines]
    return statistics.median(pair[0] for pair in pairs), statistics.median(pair[1] for pair in pairs)


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser(__doc__ or "")
    options.add_argument("--repeat", type=int, default=1_000)
    chosen = options.parse_args(arguments)
    own = statistics.median(own_times(chosen.repeat))
    trips = round_trips(chosen.repeat)
    seconds, megabytes = import_cost(5)
    measured = {
        "calls": chosen.repeat,
        "handler_us": round(own * 1e6, 2),
        "overhead_median_ms": round((statistics.median(trips) - own) * 1e3, 3),
        "overhead_p99_ms": round((trips[int(0.99 * (len(trips) - 1))] - own) * 1e3, 3),
        "import_seconds": round(seconds, 3),
        "import_mb": round(megabytes, 1),
        "python": platform.python_version(),
    }
    print(
        f"{chosen.repeat} calls over HTTP, one connection: overhead median {measured['overhead_median_ms']} ms, "
        f"p99 {measured['overhead_p99_ms']} ms; import {measured['import_seconds']} s, {measured['import_mb']} MB"
    )
    return finish(chosen, measured, GOALS)


if __name__ == "__main__":
    sys.exit(main())
