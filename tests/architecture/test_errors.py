"""The error tree: one stable code a class, and the tree that the docstring draws is the tree that is there."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections import Counter
from collections.abc import Iterator

import pytest

import core
import core.errors
import docker_worker
import handlers
import infrastructure
from core.errors import CoreMachineError

DRAWN = re.compile(r"^[ |]*\+-- (?P<names>[A-Z]\w+(?:, [A-Z]\w+)*)(?P<words>.*)$", re.MULTILINE)

SHIPPED = {"core", "handlers", "infrastructure", "docker_worker"}


def subclasses(base: type[CoreMachineError]) -> Iterator[type[CoreMachineError]]:
    yield base
    for below in base.__subclasses__():
        yield from subclasses(below)


def everywhere() -> list[type[CoreMachineError]]:
    for package in (core, handlers, infrastructure, docker_worker):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    found = {cls for cls in subclasses(CoreMachineError) if cls.__module__.partition(".")[0] in SHIPPED}
    return sorted(found, key=lambda cls: (cls.__module__, cls.__name__))


def drawn() -> dict[str, str]:
    """The words beside each class in the tree of :mod:`core.errors`."""
    tree = core.errors.__doc__ or ""
    return {name: match["words"] for match in DRAWN.finditer(tree) for name in match["names"].split(", ")}


IN_CORE = sorted(
    (cls for cls in subclasses(CoreMachineError) if cls.__module__ == "core.errors"), key=lambda c: c.__name__
)


def test_codes_are_unique() -> None:
    counted = Counter(cls.code for cls in everywhere())

    assert [code for code, count in counted.items() if count > 1] == []


@pytest.mark.parametrize("cls", everywhere(), ids=lambda cls: cls.__name__)
def test_each_class_has_its_own_code_in_capitals(cls: type[CoreMachineError]) -> None:
    assert "code" in vars(cls)
    assert re.fullmatch(r"[A-Z][A-Z0-9_]*", cls.code)


def test_the_tree_names_every_class_once() -> None:
    assert sorted([*drawn(), "CoreMachineError"]) == [cls.__name__ for cls in IN_CORE]


@pytest.mark.parametrize("cls", IN_CORE, ids=lambda cls: cls.__name__)
def test_the_tree_says_which_are_retryable(cls: type[CoreMachineError]) -> None:
    words = [drawn().get(ancestor.__name__, "") for ancestor in cls.__mro__]

    assert cls.retryable is any("retryable" in word and "never retryable" not in word for word in words)
