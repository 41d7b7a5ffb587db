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

CONJUNCTIONS = frozenset({"and", "or", "und", "oder", "bzw.", "et", "ou", "y", "o"})
"""Words before which a hyphen stands for what two compounds share, in English, German, French and Spanish. Rests of
parted words are longer, and few words end in ``and``."""

FIRST_PARTS = frozenset({"half", "self", "well"})
"""Of English compounds, which are seldom a first syllable. So is no single letter (``e-mail``, ``x-ray``): a line does
not end with one."""


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

    A compound that has its hyphen at the end of a line looks the same, and is taken for one that is parted, but where
    it has another (``mother-in-`` and ``law``), or begins as one (:data:`FIRST_PARTS`). A hyphen before a conjunction
    stands for what two compounds share (``hand- and footnotes``), and parts nothing.
    """
    if text[-1:] not in HYPHENS or not text[-2:-1].isalpha() or not following[:1].islower():
        return False
    last = text.rsplit(maxsplit=1)[-1][:-1]
    if len(last) == 1 or last.lower() in FIRST_PARTS:
        return False
    return not any(sign in last for sign in HYPHENS) and not _is_suspended(following)


def flowing(texts: Sequence[str]) -> str:
    """Lines as running text: a space between two, but none, and no hyphen, where a word goes on, none after the hyphen
    of a compound, and none between Chinese or Japanese characters.
    """
    parts: list[str] = []
    for text, following in pairwise([*texts, ""]):
        if goes_on(text, following):
            parts.append(text[:-1])
        elif _is_compound(text, following) or (_is_wide(text[-1:]) and _is_wide(following[:1])):
            parts.append(text)
        else:
            parts.append(f"{text} ")
    return "".join(parts).rstrip()


def _is_compound(text: str, following: str) -> bool:
    """Whether a hyphen that is printed stands between the two: ``Anglo-`` and ``Saxon``, ``1914-`` and ``1918``."""
    return text[-1:] in HYPHENS and text[-2:-1].isalnum() and following[:1].isalnum() and not _is_suspended(following)


def _is_suspended(following: str) -> bool:
    return following.partition(" ")[0] in CONJUNCTIONS


def _is_wide(character: str) -> bool:
    return bool(character) and east_asian_width(character) in "WF"
