"""What ``python -m local up`` shows when the stack is ready. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

HEADINGS = ("part", "pid", "address", "log")


@dataclass(frozen=True, slots=True)
class Row:
    """``pid`` 0 is a service that the stack uses and did not start."""

    part: str
    pid: int
    address: str
    log: str = ""

    @property
    def cells(self) -> tuple[str, str, str, str]:
        return self.part, str(self.pid) if self.pid else "outside", self.address, self.log


def table(rows: Sequence[Row]) -> str:
    """Columns as wide as what is in them, the last one without spaces at its end."""
    lines = [HEADINGS, *(row.cells for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    return "\n".join(
        "  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def welcome(rows: Sequence[Row], url: str, *, key: bool, data: str, seconds: float) -> str:
    """``key`` says whether one is asked for; ``data`` where what is kept is."""
    lines = ["", table(rows), "", f"Ready in {seconds:.1f} s; the data is in {data}; Ctrl-C stops it in order."]
    if url:
        header = ' -H "x-functions-key: $COREMACHINE_KEY"' if key else ""
        lines += [
            f"API         {url}/api/openapi.json",
            f"Try         curl -X POST{header} --data-binary @scan.jpg '{url}/api/documents?filename=scan.jpg'",
        ]
    if key:
        lines.append("Key         as in local.settings.json; .cache/stack.json has it for the commands of this clone")
    return "\n".join(
        [
            *lines,
            "Settings    python -m local env prints them, keys included, for other processes such as func start",
            "",
        ]
    )
