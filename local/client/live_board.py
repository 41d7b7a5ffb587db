"""Bars that move, on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import IO, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from local.client.board import Row
from local.client.rates import duration, per_second
from local.client.text import cut, printable

BAR, NAME = 24, 32
REFRESHES = 8
ROOM = 4
"""Lines of the terminal that are left free."""

_STYLES = {"completed": "green", "completed_with_errors": "yellow", "failed": "red", "cancelled": "yellow"}


class LiveBoard:
    """A bar a line. Of more than fit, those that move are shown, and how many there are of the others."""

    def __init__(self, stream: IO[str], console: Console | None = None) -> None:
        self._console = console or Console(file=stream, highlight=False, markup=False, emoji=False)
        self._rows: dict[str, Row] = {}
        self._live = Live(console=self._console, get_renderable=self._drawn, refresh_per_second=REFRESHES)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, row: Row) -> None:
        self._rows[row.key] = row

    def tell(self, record: Mapping[str, object], line: str, *, bad: bool = False) -> None:
        self._console.print(Text(line), soft_wrap=True)

    def _drawn(self) -> RenderableType:
        rows = list(self._rows.values())
        shown = fitting(rows, max(self._console.size.height - ROOM, 1))
        table = Table.grid(padding=(0, 1))
        for row in shown:
            table.add_row(*_cells(row))
        if len(shown) == len(rows):
            return table
        ended = sum(row.ended for row in rows)
        return Group(table, Text(f"{ended} of {len(rows)} ended; {len(rows) - len(shown)} not shown", style="dim"))


def fitting(rows: list[Row], room: int) -> list[Row]:
    """At most ``room`` of them in their order: first what moves, then what ended last."""
    if len(rows) <= room:
        return rows
    moving = [row.key for row in rows if not row.ended]
    ended = [row.key for row in rows if row.ended]
    chosen = moving[:room]
    chosen += ended[len(ended) - (room - len(chosen)) :]
    return [row for row in rows if row.key in frozenset(chosen)]


def _cells(row: Row) -> tuple[RenderableType, ...]:
    left = duration(row.pace.left)
    return (
        Text(cut(printable(row.name), NAME)),
        ProgressBar(total=100, completed=min(max(row.percent, 0.0), 100.0), width=BAR),
        Text(f"{row.percent:3.0f}%", justify="right"),
        Text(printable(row.state), style=_STYLES.get(row.state, "" if row.well else "red")),
        Text(printable(row.stage)),
        Text(row.counts, justify="right"),
        Text("" if row.ended else per_second(row.pace.rate), justify="right"),
        Text(f"{left} left" if left and not row.ended else "", justify="right"),
    )
