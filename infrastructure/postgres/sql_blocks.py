"""Named blocks of SQL, read from the ``.sql`` files of this package.

A block is a name, a description and one statement::

    -- name: load_run
    -- A run with its stages. One row, or none.
    SELECT * FROM coremachine.runs WHERE run_key = %(run_key)s

Parameters are named, ``%(name)s``; a percent sign that is none is doubled.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import LiteralString

FOLDER = Path(__file__).with_name("sql")

_NAME = re.compile(r"^-- name: (?P<name>[a-z][a-z0-9_]*)$", re.MULTILINE)
_MEANT = re.compile(r"^[^\S\n]*--[^\S\n]*name[^\S\n]*:.*$", re.MULTILINE)
_COMMENT = re.compile(r"^((?:[^'-]|'[^']*'|-(?!-))*)--.*$")
_STRAY_PERCENT = re.compile(r"%(?!%|\([a-z][a-z0-9_]*\)[sbt])")


@dataclass(frozen=True, slots=True)
class SqlBlock:
    """``statement`` is without comments and indentation: psycopg caches what it made of the first 4,096 bytes only."""

    name: str
    description: str
    statement: LiteralString


def load_blocks(filename: str) -> Mapping[str, LiteralString]:
    """The statements of ``sql/<filename>`` by name. Raises :class:`ValueError` as :func:`parse_blocks` does."""
    return {block.name: block.statement for block in read_blocks(FOLDER / filename)}


def read_blocks(path: Path) -> tuple[SqlBlock, ...]:
    """The blocks of a file, in order. Raises :class:`ValueError`, with the file and the block that is wrong."""
    try:
        return parse_blocks(path.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from error


def parse_blocks(text: str) -> tuple[SqlBlock, ...]:
    """The blocks of ``text``, in order.

    Raises :class:`ValueError` for a name that is there twice or is none, a block without a description or a
    statement, a placeholder without a name, and anything but comments before the first block.
    """
    for line in _MEANT.findall(text):
        if not _NAME.fullmatch(line):
            raise ValueError(f"a name is lower-case words with underscores, alone in its line: {line.strip()[:80]}")
    head, *parts = _NAME.split(text)
    if _bare(head):
        raise ValueError("there is a statement before the first name")
    blocks = tuple(_block(name, lines) for name, lines in zip(parts[::2], parts[1::2], strict=True))
    names = [block.name for block in blocks]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f"a name is there twice: {', '.join(sorted(twice))}")
    return blocks


def _block(name: str, text: str) -> SqlBlock:
    lines = text.strip().splitlines()
    comments = list(takewhile(lambda line: line.startswith("--"), lines))
    description = " ".join(line.removeprefix("--").strip() for line in comments).strip()
    if not description:
        raise ValueError(f"{name}: the lines after the name describe the block, and there are none")
    return SqlBlock(name, description, _statement(name, _bare("\n".join(lines))))


def _statement(name: str, text: str) -> str:
    statement = text.removesuffix(";").rstrip()
    if not statement:
        raise ValueError(f"{name}: there is no statement")
    if ";" in statement:
        raise ValueError(f"{name}: more than one statement")
    if any(line.count("'") % 2 for line in statement.splitlines()):
        raise ValueError(f"{name}: no literal goes over the end of a line")
    if _STRAY_PERCENT.search(statement.replace("%%", "")):
        raise ValueError(f"{name}: parameters are named, as %(name)s, and any other % is doubled")
    return statement


def _bare(text: str) -> str:
    """``text`` without comments, empty lines and indentation."""
    lines = (_COMMENT.sub(r"\1", line).strip() for line in text.splitlines())
    return "\n".join(line for line in lines if line)
