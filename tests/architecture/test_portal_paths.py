"""Storage paths of portals are made in one module: nothing else writes an area's name before a slash, or ``.enc``."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OWNER = "handlers/portal/paths.py"
PACKAGES = ("core", "handlers", "infrastructure", "testing", "docker_worker", "local")

MADE_BY_HAND = re.compile(
    r"(?:^|/)(?:raw|master|output|derived|incoming|outgoing)/(?:\{|$)|\.enc\b|_output\.zip|\.part$"
)

WORTH_PARSING = re.compile(r"(?:raw|master|output|derived|incoming|outgoing)/|[.]enc|_output|[.]part")


def strings(tree: ast.AST) -> Iterator[str]:
    """The texts of a module but its docstrings; what is filled in stands as ``{}``."""
    told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    within = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told | within:
            yield node.value


def found_in(source: str) -> list[str]:
    if not WORTH_PARSING.search(source):
        return []
    return [text for text in strings(ast.parse(source)) if MADE_BY_HAND.search(text)]


def modules() -> list[Path]:
    return [
        *(path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))),
        ROOT / "function_app.py",
    ]


def test_nothing_else_makes_a_storage_path() -> None:
    strangers = {
        name: found
        for path in modules()
        if (name := path.relative_to(ROOT).as_posix()) != OWNER and (found := found_in(path.read_text("utf-8")))
    }

    assert strangers == {}


@pytest.mark.parametrize(
    "line",
    [
        'name = f"raw/{user}/{job}/1_a.enc"',
        'name = f"{area}/{user}.enc"',
        'name = "master/" + user',
        'names = blobs.names("incoming/")',
        'name = "/".join(("output", user)) + "_output.zip"',
        'name = f"derived/{job}"',
    ],
)
def test_the_search_would_find_one(line: str) -> None:
    assert found_in(line)


def test_the_search_passes_over_what_is_only_told() -> None:
    assert not found_in('"""A file of raw/{user}, as a.enc"""\nkind = "raw"\nfolder = "raw data/x"\n')


def test_the_owner_makes_them() -> None:
    assert found_in((ROOT / OWNER).read_text("utf-8"))
