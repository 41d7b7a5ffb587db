"""CommonMark with the pipe tables of GitHub: headings, paragraphs, lists and tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from handlers.document.layout import Block, BlockKind, flowing
from handlers.document.output.page import PlacedPage
from handlers.document.records import PageRecord

MARKDOWN_TYPE = "text/markdown; charset=utf-8"

PAGE_BREAK = "<!-- PageBreak -->"

_SPECIAL = re.compile(r"([\\`*_\[\]<>|~&$])")
_AT_START = re.compile(r"([#+=\-:]|\d+(?=[.)]))")
_BULLET = re.compile(r"[\u2022\u25e6\u25aa\u25cf\u2023\u00b7*\u2013-]\s+")
_NUMBER = re.compile(r"\(?(\d{1,3})([.)])\s+")
_COMMENTS = {
    BlockKind.HEADER: "PageHeader",
    BlockKind.FOOTER: "PageFooter",
    BlockKind.PAGE_NUMBER: "PageNumber",
}


def write_markdown(pages: Iterable[PageRecord], out: BinaryIO) -> None:
    """UTF-8. Paragraphs run on, words that a line's end parted are whole; what Markdown would take for its own signs is
    escaped. Headers, footers and numbers of pages, and where one ends, are comments named as Azure names them.
    """
    for index, record in enumerate(pages):
        if index:
            out.write(f"\n{PAGE_BREAK}\n\n".encode())
        out.write("\n".join(_page(PlacedPage(record))).encode())


def _page(placed: PlacedPage) -> Iterator[str]:
    """Blocks, each with an empty line after it; the items of a list follow each other without."""
    in_list = False
    for block in placed.blocks:
        if in_list and block.kind is not BlockKind.LIST_ITEM:
            yield ""
        in_list = block.kind is BlockKind.LIST_ITEM
        yield _block(placed, block) if in_list else f"{_block(placed, block)}\n"
    if in_list:
        yield ""


def _block(placed: PlacedPage, block: Block) -> str:
    text = flowing([placed.lines[index].text for index in block.lines])
    match block.kind:
        case BlockKind.TITLE:
            return f"# {_inline(text)}"
        case BlockKind.HEADING:
            return f"## {_inline(text)}"
        case BlockKind.PARAGRAPH:
            return _escaped(text)
        case BlockKind.LIST_ITEM:
            return _item(text)
        case BlockKind.TABLE:
            return "\n".join(_table(placed, block))
        case BlockKind.HEADER | BlockKind.FOOTER | BlockKind.PAGE_NUMBER:
            return f'<!-- {_COMMENTS[block.kind]}="{_in_comment(text)}" -->'


def _item(text: str) -> str:
    """A number keeps the sign behind it; a letter is no marker for Markdown, and stays in the text."""
    number = _NUMBER.match(text)
    if number is not None:
        return f"{number.group(1)}{number.group(2)} {_escaped(text[number.end() :])}"
    bullet = _BULLET.match(text)
    return f"- {_escaped(text[bullet.end() if bullet else 0 :])}"


def _table(placed: PlacedPage, block: Block) -> Iterator[str]:
    """A row each; the first is the header, which Markdown asks for."""
    rows = [[""] * block.column_count for _ in range(block.row_count)]
    for cell in block.cells:
        rows[cell.row][cell.column] = _inline(flowing([placed.lines[index].text for index in cell.lines]))
    for index, row in enumerate(rows):
        yield f"| {' | '.join(row)} |"
        if index == 0:
            yield f"|{' --- |' * block.column_count}"


def _escaped(text: str) -> str:
    """``text`` as the start of a block, where more signs have a meaning than inside of one."""
    start = _AT_START.match(text)
    if start is None:
        return _inline(text)
    sign = start.group()
    return (f"{sign}\\" if sign.isdigit() else f"\\{sign}") + _inline(text[start.end() :])


def _inline(text: str) -> str:
    """A trailing run of number signs would close a heading, and is escaped with all others."""
    return _SPECIAL.sub(r"\\\1", text).replace("#", "\\#")


def _in_comment(text: str) -> str:
    """Without what ends a comment, or its quotation marks."""
    escaped = text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")
    return escaped.replace("--", "-&#45;")
