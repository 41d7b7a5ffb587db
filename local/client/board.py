"""What a command shows while it waits: live bars on a terminal, lines elsewhere, JSON for scripts, or nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from types import TracebackType
from typing import IO, Protocol, Self

from local.client.rates import UNKNOWN, Pace, duration, per_second
from local.client.text import printable


class Output(Enum):
    PEOPLE = "people"
    JSON = "json"
    QUIET = "quiet"


@dataclass(frozen=True, slots=True)
class Row:
    """A bar. ``key`` tells it from others, ``percent`` is 0 to 100, ``done`` of ``total`` are tasks of ``stage``."""

    key: str
    name: str
    state: str
    stage: str = ""
    percent: float = 0.0
    done: int = 0
    total: int = 0
    pace: Pace = UNKNOWN
    job_id: str = ""
    run: int = 0
    ended: bool = False
    well: bool = True

    @property
    def counts(self) -> str:
        return f"{self.done}/{self.total}" if self.total else ""


class Board(Protocol):
    """Used by one thread. As a context manager it gives the terminal back at the end."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, row: Row) -> None:
        """The bar as it is now."""
        ...

    def tell(self, record: Mapping[str, object], line: str, *, bad: bool = False) -> None:
        """Something that is said once: the ``record`` to scripts, the ``line`` to people; what is bad, to all."""
        ...


def board_for(output: Output, stream: IO[str] | None = None) -> Board:
    out = stream or sys.stdout
    match output:
        case Output.JSON:
            return JsonBoard(out)
        case Output.QUIET:
            return QuietBoard()
        case Output.PEOPLE if _is_terminal(out):
            from local.client.live_board import LiveBoard  # noqa: PLC0415 - a tenth of a second that bars alone need

            return LiveBoard(out)
        case Output.PEOPLE:
            return LineBoard(out)


class _Plain:
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class QuietBoard(_Plain):
    def __enter__(self) -> Self:
        return self

    def show(self, row: Row) -> None:
        return None

    def tell(self, record: Mapping[str, object], line: str, *, bad: bool = False) -> None:
        if bad:
            print(line, file=sys.stderr, flush=True)


class JsonBoard(_Plain):
    """An object a line, in ASCII. A bar is told when it changed otherwise than in its rate."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._shown: dict[str, Mapping[str, object]] = {}

    def __enter__(self) -> Self:
        return self

    def show(self, row: Row) -> None:
        record = progress_record(row)
        before = self._shown.get(row.key)
        steady = {name: value for name, value in record.items() if name not in ("rate", "seconds_left")}
        if steady != before:
            self._shown[row.key] = steady
            self._write(record)

    def tell(self, record: Mapping[str, object], line: str, *, bad: bool = False) -> None:
        self._write(record)

    def _write(self, record: Mapping[str, object]) -> None:
        print(json.dumps(record), file=self._stream, flush=True)


class LineBoard(_Plain):
    """A line where a bar came to another state or stage, or a further tenth of it was done."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._shown: dict[str, tuple[object, ...]] = {}

    def __enter__(self) -> Self:
        return self

    def show(self, row: Row) -> None:
        mark = (row.state, row.stage, int(row.percent // 10))
        if self._shown.get(row.key) != mark:
            self._shown[row.key] = mark
            print(line_of(row), file=self._stream, flush=True)

    def tell(self, record: Mapping[str, object], line: str, *, bad: bool = False) -> None:
        print(line, file=self._stream, flush=True)


def line_of(row: Row) -> str:
    left = duration(row.pace.left)
    words = [
        f"{row.percent:3.0f}%",
        printable(row.name),
        printable(row.state),
        printable(row.stage),
        row.counts,
        per_second(row.pace.rate),
        f"{left} left" if left and not row.ended else "",
    ]
    return "  ".join(word for word in words if word)


def progress_record(row: Row) -> dict[str, object]:
    record = asdict(row)
    pace = record.pop("pace")
    for unsaid in ("key", "ended", "well"):
        del record[unsaid]
    return {"event": "progress", **record, "rate": pace["rate"], "seconds_left": pace["left"]}


def _is_terminal(stream: IO[str]) -> bool:
    return stream.isatty()
