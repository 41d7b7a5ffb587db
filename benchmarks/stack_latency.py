"""How long a job of one task takes on the whole stack, one at a time, and where the time goes."""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.stack_client import StackClient, StackFailed, instant
from local.stack import Stack, StackOptions, own_settings_file
from local.stack_plan import SERVICES

ROOT = Path(__file__).resolve().parent.parent
APP = Path(__file__).with_name("stack_app")
LISTENS = re.compile(r"^Listening on (?P<url>http://\S+)")
WARM_UP = 30
END_SECONDS = 30.0
COARSE, FINE = 0.05, 0.003
"""Seconds between two looks at a job: where the events tell the time, and where the looks do."""

STEPS = {
    "stage_started": "submitted, until the stage was opened",
    "task_started": "until the task was claimed",
    "task_completed": "until it was completed",
    "job_ended": "until the job had ended",
}


def latency(jobs: int) -> dict[str, object]:
    """Milliseconds. Half of the jobs are timed by their events, half by who submits them and asks for their end."""
    with _stack() as (url, key), StackClient(url, key) as client:
        for number in range(WARM_UP):
            client.wait(_submit(client, -1 - number), COARSE, END_SECONDS)
        steps = [_by_events(client, number) for number in range(jobs // 2)]
        seen = [_by_asking(client, number) for number in range(jobs // 2, jobs)]
    whole = [sum(one.values()) for one in steps]
    return {
        "latency_jobs": len(whole) + len(seen),
        "latency_ms": round(statistics.median(whole), 1),
        "latency_p99_ms": round(_percentile(whole, 0.99), 1),
        "latency_seen_ms": round(statistics.median(seen), 1),
        "latency_seen_p99_ms": round(_percentile(seen, 0.99), 1),
        "latency_steps_ms": {
            told: round(statistics.median(one[kind] for one in steps), 1) for kind, told in STEPS.items()
        },
    }


@contextmanager
def _stack() -> Iterator[tuple[str, str]]:
    """The services as they always are, and a host with one more job; its URL and key."""
    with (
        TemporaryDirectory(prefix="stack-latency-") as folder,
        Stack(StackOptions(data=Path(folder), only=SERVICES)) as stack,
        _host(stack.settings) as url,
    ):
        yield url, stack.key


@contextmanager
def _host(settings: Mapping[str, str]) -> Iterator[str]:
    command = [sys.executable, "-m", "local", "host", "--port", "0", "--while-stdin", "--script-root", str(APP)]
    command += ["--host-json", str(ROOT / "host.json"), "--settings-file", str(own_settings_file())]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **settings},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            found = next(filter(None, map(LISTENS.match, process.stdout)), None)
            if found is None:
                raise StackFailed("the host did not start")
            with _drained(process.stdout):
                yield found["url"]
        finally:
            process.kill()


@contextmanager
def _drained(lines: Iterator[str]) -> Iterator[None]:
    """What it goes on to say is read and let go."""
    threading.Thread(target=lambda: list(lines), daemon=True).start()
    yield


def _submit(client: StackClient, number: int) -> str:
    return client.submit("one_task", {"value": number}, f"latency-{number}")


def _by_events(client: StackClient, number: int) -> dict[str, float]:
    """The milliseconds of each step."""
    job_id = _submit(client, number)
    time.sleep(COARSE)
    client.wait(job_id, COARSE, END_SECONDS)
    times = {event["kind"]: instant(event["at"]) for event in client.events(job_id)}
    marks = [times["job_submitted"], *(times[kind] for kind in STEPS)]
    return {
        kind: (after - before).total_seconds() * 1e3
        for kind, (before, after) in zip(STEPS, pairwise(marks), strict=True)
    }


def _by_asking(client: StackClient, number: int) -> float:
    """The milliseconds from the call that submits it to an answer that says that it has ended."""
    began = time.perf_counter()
    client.wait(_submit(client, number), FINE, END_SECONDS)
    return (time.perf_counter() - began) * 1e3


def _percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that so large a share does not exceed."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]
