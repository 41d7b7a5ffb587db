"""The import rules hold, and each is broken by the import that it is there to refuse."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.imports import imported

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("core", "handlers", "infrastructure", "testing", "docker_worker", "local")
LINT = "import sys; from importlinter.cli import lint_imports_command as run; run(['--no-logo', '--no-cache'])"

ONE_WAY = "Imports point one way"
PURE_CORE = "The core is the standard library and pydantic"
PLANTS = [
    ("core", "azure.functions", PURE_CORE),
    ("core", "psycopg", PURE_CORE),
    ("core", "numpy", PURE_CORE),
    ("core", "infrastructure", ONE_WAY),
    ("core", "handlers", ONE_WAY),
    ("handlers", "testing", ONE_WAY),
    ("testing", "infrastructure", ONE_WAY),
    ("infrastructure", "testing", ONE_WAY),
    ("infrastructure", "docker_worker", ONE_WAY),
    ("testing", "function_app", "Nothing below imports function_app"),
    ("handlers", "azure.functions", "Only adapters know Azure"),
    ("infrastructure", "psycopg", "Only infrastructure.postgres knows psycopg"),
    ("docker_worker", "paddleocr", "Only the engine module knows PaddleOCR"),
    ("local", "paddlex", "Only the engine module knows PaddleOCR"),
]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("copy")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, target / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", target)
    return target


@pytest.fixture(scope="module")
def all_planted(copy: Path) -> Iterator[str]:
    """What the linter says with every import of ``PLANTS`` in place: one run, since each takes a second."""
    placed = [copy / package / f"planted_{number}.py" for number, (package, _, _) in enumerate(PLANTS)]
    for path, (_, module, _) in zip(placed, PLANTS, strict=True):
        path.write_text(f"import {module}\n", "utf-8")
    yield lint(copy).stdout
    for path in placed:
        path.unlink()


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", LINT], cwd=folder, capture_output=True, text=True, check=False)


def findings(output: str, contract: str) -> str:
    """The part of the linter's report that is about ``contract``."""
    return output.partition(f"\n{contract}\n{'-' * len(contract)}\n")[2].partition("\n---")[0]


def test_the_tree_as_it_is_passes(copy: Path) -> None:
    done = lint(copy)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("module", ["azure.functions", "psycopg", "infrastructure"])
def test_one_planted_import_in_core_fails_the_run(copy: Path, module: str) -> None:
    planted = copy / "core" / "planted.py"
    planted.write_text(f"import {module}\n", "utf-8")
    try:
        done = lint(copy)
    finally:
        planted.unlink()

    assert done.returncode != 0
    assert f"{ONE_WAY if module == 'infrastructure' else PURE_CORE} BROKEN" in done.stdout


@pytest.mark.parametrize(("number", "package", "module", "contract"), [(n, *plant) for n, plant in enumerate(PLANTS)])
def test_each_planted_import_is_refused_by_its_contract(
    all_planted: str, number: int, package: str, module: str, contract: str
) -> None:
    assert f"{package}.planted_{number} -> {module.partition('.')[0]} " in findings(all_planted, contract)


@pytest.mark.parametrize("path", sorted((ROOT / "core").rglob("*.py")), ids=lambda path: path.name)
def test_core_imports_only_the_standard_library_and_pydantic(path: Path) -> None:
    assert imported(path) <= sys.stdlib_module_names | {"core", "pydantic"}


def test_function_app_reaches_postgresql_and_the_ocr_only_through_others() -> None:
    path = ROOT / "function_app.py"
    names = imported(path) if path.exists() else set()

    assert not names & {"cv2", "numpy", "onnxruntime", "paddle", "paddleocr", "paddlex", "psycopg", "psycopg_pool"}
