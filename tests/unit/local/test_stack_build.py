"""What the parts of a stack say when they are ready, and what is read of it."""

from __future__ import annotations

import json
import logging

import pytest

from docker_worker.process import READY
from infrastructure.logs import JsonFormatter, TextFormatter
from local.stack_build import WORKER_READY


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
@pytest.mark.parametrize("url", ["http://127.0.0.1:40123", "http://[::1]:8080"])
def test_the_workers_address_is_found_in_what_it_logs(formatter: logging.Formatter, url: str) -> None:
    record = logging.makeLogRecord({"msg": READY, "levelno": logging.INFO, "url": url, "queue": "long-running-tasks"})
    found = WORKER_READY.search(formatter.format(record))
    assert found is not None
    assert found["url"] == url


def test_other_lines_are_not_taken_for_it() -> None:
    assert WORKER_READY.search(json.dumps({"message": "worker_stopped", "url": "http://127.0.0.1:1"})) is None
