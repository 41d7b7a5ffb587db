"""Texts that came from elsewhere, made fit for a terminal."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size

_REFUSED = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories of control, formatting (which may turn the direction of a line) and unassigned characters."""

ELLIPSIS = "…"


def printable(text: object) -> str:
    """``text`` in one line, with every character escaped that a terminal would obey and not show."""
    return "".join(map(_shown, str(text)))


def cut(text: str, cells: int) -> str:
    """The first of ``text`` that fits in ``cells`` columns, with an ellipsis where that is not all."""
    if cell_len(text) <= cells:
        return text
    return set_cell_size(text, max(cells - 1, 0)).rstrip() + ELLIPSIS


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Lines with columns as wide as their widest cell; the last one is as it is."""
    cells = [[printable(cell) for cell in row] for row in (heads, *rows)]
    widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
    return [_line(row, widths) for row in cells]


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)]
    return "  ".join(padded).rstrip()


def _shown(character: str) -> str:
    if " " <= character <= "~" or unicodedata.category(character) not in _REFUSED:
        return character
    return character.encode("unicode_escape").decode("ascii")
