"""What is shown while a command waits."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from local.client.board import JsonBoard, LineBoard, Output, QuietBoard, Row, board_for, line_of
from local.client.live_board import LiveBoard, fitting
from local.client.rates import Pace

ROW = Row("a", "a.png", "processing", "recognise", 50.0, 5, 10, Pace(2.0, 2.5), "f" * 64, 1)


def rows(count: int, ended: int) -> list[Row]:
    return [Row(str(number), f"{number}.png", "x", ended=number < ended) for number in range(count)]


def test_a_line_tells_how_far_and_how_fast() -> None:
    assert line_of(ROW) == " 50%  a.png  processing  recognise  5/10  2.0/s  3 s left"


def test_a_line_before_anything_is_known_has_no_nonsense() -> None:
    assert line_of(Row("a", "a\x1b.png", "queued")) == "  0%  a\\x1b.png  queued"


def test_lines_come_with_changes_alone() -> None:
    out = io.StringIO()
    with LineBoard(out) as board:
        for percent in (0.0, 1.0, 9.9, 10.0, 10.1, 95.0):
            board.show(Row("a", "a", "processing", "s", percent))
        board.show(Row("a", "a", "completed", "", 100.0))

    assert [line.split()[0] for line in out.getvalue().splitlines()] == ["0%", "10%", "95%", "100%"]


def test_scripts_get_an_object_a_line_and_no_repetition() -> None:
    out = io.StringIO()
    with JsonBoard(out) as board:
        board.show(ROW)
        board.show(replace(ROW, pace=Pace(3.0, 1.0)))
        board.tell({"event": "summary", "text": "\x1b"}, "unseen")

    lines = out.getvalue().splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["progress", "summary"]
    assert json.loads(lines[0])["seconds_left"] == 2.5
    assert out.getvalue().isascii()
    assert "\x1b" not in out.getvalue()


def test_quiet_tells_what_is_bad_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    with QuietBoard() as board:
        board.show(ROW)
        board.tell({}, "fine")
        board.tell({}, "broken", bad=True)

    assert capsys.readouterr() == ("", "broken\n")


def test_a_terminal_gets_bars_and_anything_else_lines() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    assert isinstance(board_for(Output.PEOPLE, Terminal()), LiveBoard)
    assert isinstance(board_for(Output.PEOPLE, io.StringIO()), LineBoard)
    assert isinstance(board_for(Output.JSON, Terminal()), JsonBoard)
    assert isinstance(board_for(Output.QUIET, Terminal()), QuietBoard)


def test_bars_show_name_stage_rate_and_time_left() -> None:
    drawn = draw([ROW, Row("b", "[red]b\x1b[2J", "failed", ended=True, well=False)])

    for word in ("a.png", "recognise", "5/10", "2.0/s", "3 s left", "50%", "[red]b\\x1b[2J", "failed"):
        assert word in drawn
    assert "\x1b[2J" not in drawn


def test_bars_that_do_not_fit_are_counted() -> None:
    drawn = draw(rows(100, ended=90), height=20)

    assert "90 of 100 ended; 84 not shown" in drawn
    assert len(drawn.splitlines()) <= 20


def test_the_bars_that_move_come_first_and_then_those_that_ended_last() -> None:
    assert [row.key for row in fitting(rows(10, ended=6), 6)] == ["4", "5", "6", "7", "8", "9"]
    assert [row.key for row in fitting(rows(10, ended=2), 3)] == ["2", "3", "4"]
    assert fitting(rows(3, ended=1), 3) == rows(3, ended=1)


def draw(shown: list[Row], height: int = 40) -> str:
    out = io.StringIO()
    console = Console(file=out, width=140, height=height, highlight=False, markup=False, emoji=False)
    board = LiveBoard(out, console)
    for row in shown:
        board.show(row)
    console.print(board._drawn())
    return out.getvalue()
