"""Lines that a developer reads."""

from __future__ import annotations

import io
import logging

import pytest

from local.functions_host.console import RED, RESET, YELLOW, ColourFormatter, wants_colour
from local.functions_host.executions import Execution


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "environment", "wanted"),
    [
        (Terminal(), {}, True),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"NO_COLOR": ""}, True),
        (Terminal(), {"TERM": "dumb"}, False),
        (io.StringIO(), {}, False),
    ],
)
def test_colours_are_for_terminals(stream: io.StringIO, environment: dict[str, str], wanted: bool) -> None:
    assert wants_colour(stream, environment) is wanted


def shown(level: int, message: str, **extra: object) -> str:
    record = logging.makeLogRecord(
        {"levelno": level, "levelname": logging.getLevelName(level), "msg": message, **extra}
    )
    return ColourFormatter().format(record)


def test_warnings_and_errors_stand_out_and_events_show_what_they_carry() -> None:
    assert shown(logging.INFO, "task_ended", job_id="j", status="failed").endswith(" task_ended job_id=j status=failed")
    assert shown(logging.WARNING, "late").startswith(YELLOW)
    assert "WARNING late" in shown(logging.WARNING, "late")
    assert shown(logging.ERROR, "broken").startswith(RED)
    assert shown(logging.ERROR, "broken").endswith(f"ERROR broken{RESET}")


def test_a_call_is_two_lines(caplog: pytest.LogCaptureFixture) -> None:
    clock = iter([1.0, 1.0125])
    with caplog.at_level("INFO"):
        Execution("resize", "message m, delivery 2", "0123456789abcdef", lambda: next(clock)).succeeded()
    assert [record.getMessage() for record in caplog.records] == [
        "Executing resize (message m, delivery 2, Id=01234567)",
        "Executed resize (Succeeded, message m, delivery 2, 12 ms, Id=01234567)",
    ]


def test_a_failure_has_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    clock = iter([1.0, 2.0])
    Execution("resize", "timer", "0123456789", lambda: next(clock)).failed("ValueError", ValueError("the cause"))
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert record.getMessage() == "Executed resize (Failed, timer, 1000 ms, Id=01234567): ValueError"
    assert "ValueError: the cause" in caplog.text
