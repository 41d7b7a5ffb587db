"""docs/api.md: its routes are those of the app, and its codes those of the error tree, each with its status."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import core
import handlers
import infrastructure
from core.errors import CoreMachineError
from handlers.document.warnings import WarningCode
from infrastructure.web.refusals import retry_seconds, status_of
from infrastructure.web.routes import AnyRoute
from infrastructure.web.table import ROUTES

PAGE = (Path(__file__).parents[4] / "docs" / "api.md").read_text("utf-8")
CODE_ROW = re.compile(r"^\| `([A-Z_]+)` \| (\d{3}) \| (\d*) \| \S.* \|$", re.MULTILINE)
TASK_ROW = re.compile(r"^\| `([A-Z_]+)` \| [^|\d][^|]* \|$", re.MULTILINE)
ERROR_INFO = re.compile(r"""ErrorInfo\(\s*"([A-Z_]+)"|^HANDLER_ERROR = "([A-Z_]+)\"""", re.MULTILINE)
PACKAGES = (core, handlers, infrastructure)


def tree(kind: type[CoreMachineError]) -> Iterator[type[CoreMachineError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from tree(below)


def shipped() -> set[type[CoreMachineError]]:
    for package in PACKAGES:
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    names = {package.__name__ for package in PACKAGES}
    return {kind for kind in tree(CoreMachineError) if kind.__module__.partition(".")[0] in names}


def _key(route: AnyRoute) -> str:
    return "none" if route.anonymous else "master" if route.admin else "function"


def test_the_routes_are_those_of_the_app() -> None:
    rows = [
        f"| `{route.method} {route.path}` | {route.summary} | {_key(route)} | "
        f"{', '.join(str(success.status) for success in route.successes)} |"
        for route in ROUTES
    ]

    assert [line for line in PAGE.splitlines() if re.match(r"\| `(GET|POST) ", line)] == rows


def test_every_code_is_there_once_with_its_status_and_when_to_try_again() -> None:
    rows = {(code, int(status), int(seconds) if seconds else None) for code, status, seconds in CODE_ROW.findall(PAGE)}

    assert rows == {(kind.code, status_of(kind), retry_seconds(kind)) for kind in shipped()}
    assert len(CODE_ROW.findall(PAGE)) == len(rows)


def test_the_codes_that_only_runs_and_tasks_have_are_there() -> None:
    root = Path(__file__).parents[4]
    written = {
        found
        for package in PACKAGES
        for path in (root / package.__name__).rglob("*.py")
        for pair in ERROR_INFO.findall(path.read_text("utf-8"))
        for found in pair
        if found
    }

    errors = PAGE.partition("\n## Errors\n")[2]
    assert set(TASK_ROW.findall(errors)) == written - {kind.code for kind in shipped()}


def test_the_warnings_are_those_of_documents_in_their_order() -> None:
    table = PAGE.partition("\n## Warnings of a document\n")[2].partition("\n## ")[0]

    assert re.findall(r"^\| `([A-Z_]+)` \| \S", table, re.MULTILINE) == [code.value for code in WarningCode]
