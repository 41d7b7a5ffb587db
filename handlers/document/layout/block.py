"""What lines make up: the parts of a page that writers and readers have names for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from unicodedata import east_asian_width

HYPHENS = "-\u00ad\u2010\u00ac"
"""What a word that goes on in the next line ends with: hyphen-minus, soft hyphen, hyphen, and the sign that stands for
one in some texts."""


class BlockKind(StrEnum):
    """``header`` and ``footer`` are what stands over and under the text on each page, but for its number."""

    TITLE = "title"
    HEADING = "heading"
    PARAGRAPH = "paragraph"
    LIST_ITEM = "list_item"
    TABLE = "table"
    HEADER = "header"
    FOOTER = "footer"
    PAGE_NUMBER = "page_number"


@dataclass(frozen=True, slots=True)
class Cell:
    """Rows and columns count from 0. ``lines`` are indices into the page's lines; ``columns`` are how many it spans."""

    row: int
    column: int
    lines: tuple[int, ...]
    columns: int = 1


@dataclass(frozen=True, slots=True)
class Block:
    """``lines`` are indices into the page's lines, ascending; ``cells`` those of a table, by row and column, and none
    otherwise. Each line of a page is in one block.
    """

    kind: BlockKind
    lines: tuple[int, ...]
    cells: tuple[Cell, ...] = ()

    @property
    def row_count(self) -> int:
        return max((cell.row + 1 for cell in self.cells), default=0)

    @property
    def column_count(self) -> int:
        return max((cell.column + cell.columns for cell in self.cells), default=0)


def goes_on(text: str, following: str) -> bool:
    """Whether the last word of a line is parted by a hyphen, and ends in the ``following`` line.

    A compound that has its hyphen at the end of a line looks the same, and is taken for one that is parted.
    """
    return text[-1:] in HYPHENS and text[-2:-1].isalpha() and following[:1].islower() if text else False


def flowing(texts: Sequence[str]) -> str:
    """Lines as running text: a space between two, but none, and no hyphen, where a word goes on, and none between
    Chinese or Japanese characters.
    """
    parts: list[str] = []
    for text, following in pairwise([*texts, ""]):
        if goes_on(text, following):
            parts.append(text[:-1])
        else:
            parts.append(text if _is_wide(text[-1:]) and _is_wide(following[:1]) else f"{text} ")
    return "".join(parts).rstrip()


def _is_wide(character: str) -> bool:
    return bool(character) and east_asian_width(character) in "WF"
