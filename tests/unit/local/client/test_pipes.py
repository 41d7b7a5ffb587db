"""A reader that goes away, with real processes and pipes: the command ends quietly, as SIGPIPE would have ended it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from local.client.errors import READER_GONE
from tests.unit.local.client.fake_service import Call, FakeService, Reply, answer, status_body

ROOT = Path(__file__).resolve().parents[4]


def listing(call: Call) -> Reply:
    """Pages without end."""
    items = [status_body(f"{number:064x}", "completed") for number in range(int(call.query["limit"]))]
    return answer(200, {"items": items, "next": "more"})


@pytest.fixture
def jobs(service: FakeService) -> list[str]:
    service.routes = {"GET /api/jobs": listing}
    return ["jobs", "--all", "--url", service.url]


def started(*arguments: str, stderr: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "local", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, cwd=ROOT)


def test_a_listing_whose_reader_has_enough_ends_quietly(jobs: list[str]) -> None:
    with started(*jobs, "--json", stderr=subprocess.PIPE) as command:
        assert command.stdout is not None
        assert command.stderr is not None
        assert command.stdout.readline().startswith(b"{")
        command.stdout.close()

        assert command.stderr.read() == b""
    assert command.returncode == READER_GONE == 128 + 13


def test_what_is_written_at_the_very_end_counts_too(service: FakeService) -> None:
    service.routes = {"GET /api/jobs": lambda _: answer(200, {"items": [], "next": None})}
    with started("jobs", "--url", service.url, stderr=subprocess.PIPE) as command:
        assert command.stdout is not None
        assert command.stderr is not None
        command.stdout.close()

        assert command.stderr.read() == b""
    assert command.returncode == READER_GONE


def test_an_error_that_nobody_reads_ends_the_command_as_well() -> None:
    """As with ``2>&1 | head -0``: nothing can be said any more, not even that."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        command = started("jobs", "--url", "http://127.0.0.1:9", stderr=writer)
    finally:
        os.close(writer)
    with command:
        assert command.stdout is not None
        assert command.stdout.read() == b""
    assert command.returncode == READER_GONE
