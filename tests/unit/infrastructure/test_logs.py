from __future__ import annotations

import json
import logging
import sys

from infrastructure.logs import JsonFormatter, TextFormatter, extras


def record(message: str, level: int = logging.INFO, **extra: object) -> logging.LogRecord:
    return logging.getLogger("core.machine").makeRecord(
        "core.machine", level, __file__, 1, message, (), None, extra=extra
    )


def test_what_was_given_beside_the_message_stands_behind_it() -> None:
    line = TextFormatter().format(record("attempt_ended", task_id="a:1", status="completed", reason="two words"))

    assert line.split(" ", 1)[1] == 'attempt_ended task_id=a:1 status=completed reason="two words"'


def test_a_value_cannot_start_a_line_of_its_own() -> None:
    line = TextFormatter().format(record("x", reason="one\n12:00:00 forged"))

    assert "\n" not in line


def test_warnings_say_that_they_are() -> None:
    assert " WARNING worker_waits code=BUS" in TextFormatter().format(
        record("worker_waits", logging.WARNING, code="BUS")
    )


def test_a_line_of_json_holds_all_of_it() -> None:
    found = record("failed", logging.ERROR, at={1, 2})
    try:
        int("bad")
    except ValueError:
        found.exc_info = sys.exc_info()
    line = json.loads(JsonFormatter().format(found))

    assert (line["level"], line["logger"], line["message"]) == ("error", "core.machine", "failed")
    assert line["at"] == "{1, 2}"
    assert "ValueError: invalid" in line["trace"]
    assert line["time"].endswith("+00:00")


def test_only_what_was_given_is_extra() -> None:
    assert extras(record("x", code="A")) == {"code": "A"}
