from __future__ import annotations

import io
from pathlib import Path

import pytest

from local import stack_logs
from local.stack_logs import StackLog, prefix


def test_a_line_goes_to_the_terminal_with_its_part_and_to_the_parts_file(tmp_path: Path) -> None:
    terminal = io.StringIO()
    log = StackLog(tmp_path / "logs", terminal)
    log.of("host")("served")
    log.of("database")("checkpoint")
    log.of("host")("again")
    log.close()

    assert terminal.getvalue() == "host        | served\ndatabase    | checkpoint\nhost        | again\n"
    assert log.path("host").read_text("utf-8") == "served\nagain\n"
    assert log.path("database").read_text("utf-8") == "checkpoint\n"


def test_a_stack_begins_its_files_anew(tmp_path: Path) -> None:
    for line in ("before", "now"):
        log = StackLog(tmp_path, None)
        log.of("host")(line)
        log.close()
    assert (tmp_path / "host.log").read_text("utf-8") == "now\n"


def test_a_long_log_is_put_aside_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack_logs, "LARGEST_FILE", 10)
    log = StackLog(tmp_path, None)
    for number in range(7):
        log.of("host")(f"line {number}")
    log.close()

    assert (tmp_path / "host.1.log").read_text("utf-8") == "line 4\nline 5\n"
    assert (tmp_path / "host.log").read_text("utf-8") == "line 6\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["host.1.log", "host.log"]


def test_a_closed_terminal_and_a_late_line_stop_nothing(tmp_path: Path) -> None:
    terminal = io.StringIO()
    log = StackLog(tmp_path, terminal)
    say = log.of("worker")
    terminal.close()
    say("still in the file")
    log.close()
    say("nowhere")
    assert log.path("worker").read_text("utf-8") == "still in the file\n"


def test_the_name_is_coloured_and_reset() -> None:
    assert prefix("host", coloured=True) == "\x1b[32mhost        |\x1b[0m"
    assert prefix("host", coloured=False) == "host        |"
