"""How the local host ends while a test call still runs: told in a line and an exit code, never by an abort."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[2]
HANGING = ROOT / "tests" / "support" / "apps" / "hanging"


@contextmanager
def host(timeout_seconds: float, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "local", "host", "--script-root", str(HANGING), "--port", "0", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env={**os.environ, "HANGING_TIMEOUT": str(timeout_seconds)},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=60)


def wait_for(process: subprocess.Popen[str], pattern: str) -> re.Match[str]:
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.match(pattern, line):
            return found
    raise AssertionError(f"it ended with {process.wait()}")


def address(process: subprocess.Popen[str]) -> httpx.URL:
    return httpx.URL(wait_for(process, r"Listening on (\S+) ")[1])


def post_and_wait_until_it_runs(process: subprocess.Popen[str], url: httpx.URL) -> socket.socket:
    connection = socket.create_connection((url.host, url.port or 0), timeout=20)
    connection.sendall(
        b"POST /api/test/execute/hang HTTP/1.1\r\nHost: x\r\nContent-Length: 14\r\n\r\n" + b'{"params": {}}'
    )
    wait_for(process, "hang runs")
    return connection


def test_a_call_that_ran_out_of_time_is_cut_off_with_exit_code_1() -> None:
    with host(0.05) as process:
        url = address(process)
        answer = httpx.post(f"{url}/api/test/execute/hang", json={"params": {}}, timeout=60, trust_env=False)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)

    assert answer.status_code == 504
    assert process.returncode == 1
    assert output.endswith("Stopped; cut off: test-endpoint\n")


def test_a_call_in_progress_is_cut_off_after_the_grace_without_a_traceback() -> None:
    with host(3_000, "--grace", "0") as process, post_and_wait_until_it_runs(process, address(process)):
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)

    assert process.returncode == 1
    assert output.endswith("Stopped; cut off: test-endpoint\n")
    assert "Traceback" not in output
    assert "CancelledError" not in output


def test_a_second_signal_ends_the_grace_without_a_traceback() -> None:
    with host(3_000, "--grace", "3000") as process:
        url = address(process)
        with post_and_wait_until_it_runs(process, url):
            process.send_signal(signal.SIGINT)
            wait_until_closed(url)
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=60)

    assert process.returncode == 1
    assert output.endswith("Stopped; cut off: test-endpoint\n")
    assert "Traceback" not in output
    assert "CancelledError" not in output


def wait_until_closed(url: httpx.URL) -> None:
    """Until the host has taken in the first signal: it accepts no more connections then."""
    while True:
        try:
            socket.create_connection((url.host, url.port or 0), timeout=20).close()
        except OSError:
            return


def test_a_host_ends_with_the_process_that_started_it_even_when_that_is_killed() -> None:
    parent_code = f"""
from pathlib import Path
from local.child_host import child_host
folder = Path({str(HANGING)!r})
with child_host(folder, folder / "host.json", {{"HANGING_TIMEOUT": "1"}}) as url:
    print(url, flush=True)
    input()
"""
    with subprocess.Popen(
        [sys.executable, "-c", parent_code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as parent:
        try:
            assert parent.stdout is not None
            url = httpx.URL(parent.stdout.readline().strip())
        finally:
            parent.kill()

    wait_until_closed(url)


def test_the_end_of_standard_input_ends_the_host_that_was_asked_to_watch_it() -> None:
    with host(3_000, "--while-stdin") as process:
        address(process)
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
        output, _ = process.communicate(timeout=60)

    assert process.returncode == 0
    assert output.endswith("Stopped.\n")
