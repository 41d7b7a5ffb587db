"""Each SDK is known to its adapter alone. The import rules in pyproject.toml cannot tell Azure's packages apart."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("core", "handlers", "infrastructure", "testing", "docker_worker", "local")

KNOWN_TO = {
    "azure.storage": ("infrastructure/blob_storage/",),
    "azure.keyvault": ("infrastructure/sealed/key_vault.py",),
    "azure.servicebus": ("infrastructure/service_bus/", "local/functions_host/"),
    "azure.identity": ("infrastructure/tokens.py", "local/functions_host/"),
    "azurefunctions": ("infrastructure/web/", "testing/endpoints/blueprint.py", "local/functions_host/"),
}


@cache
def imported(path: Path) -> frozenset[str]:
    return frozenset(names_in(ast.parse(path.read_text("utf-8"))))


def names_in(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("sdk", KNOWN_TO)
def test_only_its_adapters_import_it(sdk: str) -> None:
    strangers = [
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        if not str(path.relative_to(ROOT).as_posix()).startswith(KNOWN_TO[sdk])
        and any(name == sdk or name.startswith(f"{sdk}.") for name in imported(path))
    ]

    assert strangers == []


@pytest.mark.parametrize("sdk", ["azure.storage"])
def test_the_search_would_find_one(sdk: str) -> None:
    adapter = ROOT / "infrastructure" / "blob_storage" / "store.py"

    assert any(name.startswith(f"{sdk}.") for name in imported(adapter))
