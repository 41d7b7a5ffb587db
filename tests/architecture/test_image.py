"""The worker's image holds what the worker imports, and its build sees nothing else."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

from local.image.dockerfile import base_of, copied, instructions

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "docker_worker" / "Dockerfile").read_text("utf-8")
IGNORED = [line for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line and line[0] != "#"]
PACKAGES = ("core", "docker_worker", "handlers", "infrastructure", "local", "testing", "tests", "benchmarks")


def tracked() -> list[str]:
    command = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def matches(name: str, pattern: str) -> bool:
    """A pattern of .dockerignore names a file, or a folder above it; ``**/`` stands for any folders, and for none."""
    parts = name.split("/")
    above = ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]
    loose = pattern.removeprefix("**/")
    tails = [tail for path in above for tail in (path, path.rpartition("/")[2])] if loose != pattern else above
    return any(fnmatch(tail, loose) and tail.count("/") == loose.count("/") for tail in tails)


def let_in(name: str) -> bool:
    """Docker's rule: the last line of .dockerignore that matches decides."""
    allowed = True
    for line in IGNORED:
        if matches(name, line.removeprefix("!")):
            allowed = line.startswith("!")
    return allowed


def in_image() -> set[str]:
    """The files of the application's folder, of those that git tracks, the build lets in and ``COPY`` takes."""
    stage = DOCKERFILE.partition("AS code")[2].partition("\nFROM")[0]
    sources = [source for line in copied(stage) for source in line[:-1]]
    return {name for name in tracked() if let_in(name) and any(matches(name, source) for source in sources)}


def module_files(module: str) -> Iterator[str]:
    """The files that importing ``module`` runs: its own, and those of the packages above it."""
    parts = module.split(".")
    for length in range(1, len(parts) + 1):
        path = "/".join(parts[:length])
        yield from (name for name in (f"{path}.py", f"{path}/__init__.py") if (ROOT / name).is_file())


def imported(name: str) -> Iterator[str]:
    for node in ast.walk(ast.parse((ROOT / name).read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))


def needed() -> set[str]:
    """The files of this repository that the worker's own modules import, and what those import in turn."""
    waiting = [name for name in in_image() if name.startswith("docker_worker/") and name.endswith(".py")]
    waiting = [name for name in waiting if not name.startswith("docker_worker/opencv_contrib_shim/")]
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        ours = [module for module in imported(name) if module.partition(".")[0] in PACKAGES]
        waiting += [file for module in ours for file in module_files(module)]
    return found


def test_all_that_the_worker_imports_is_copied_into_the_image() -> None:
    assert sorted(needed() - in_image()) == []


def test_of_the_test_kit_only_packages_that_the_worker_imports_of_are_in_the_image() -> None:
    def folders(names: set[str]) -> set[str]:
        return {name.rpartition("/")[0] for name in names if name.startswith("testing/")}

    assert folders(in_image()) == folders(needed())


@pytest.mark.parametrize("source", sorted({word for line in copied(DOCKERFILE) for word in line[:-1]}))
def test_every_source_that_is_copied_exists_and_is_let_in(source: str) -> None:
    assert [name for name in tracked() if matches(name, source) and let_in(name)]


@pytest.mark.parametrize(
    "name",
    [
        ".git/config",
        ".venv/bin/python",
        "local.settings.json",
        "local/up.py",
        "tests/conftest.py",
        "benchmarks/ocr.py",
        "function_app.py",
        "core/__pycache__/machine.cpython-311.pyc",
        "docker_worker/ocr/__pycache__/paddle_engine.cpython-311.pyc",
        "docker_worker/Dockerfile",
        "testing/simulation/world.py",
    ],
)
def test_what_is_secret_made_or_not_the_workers_is_not_let_in(name: str) -> None:
    assert not let_in(name)


def test_the_images_python_is_one_that_the_packages_are_locked_for() -> None:
    assert base_of(DOCKERFILE).python in {"3.11", "3.12", "3.13"}


def test_every_stage_stands_on_the_pinned_base() -> None:
    stages = [found.rest for found in instructions(DOCKERFILE) if found.keyword == "FROM"]

    assert {stage.partition(" AS ")[0] for stage in stages} == {"${BASE}"}


def test_health_check_and_entry_point_are_programs_and_no_shell() -> None:
    found = {line.keyword: line.rest for line in instructions(DOCKERFILE)}

    assert found["ENTRYPOINT"].startswith('["/')
    assert "CMD [" in found["HEALTHCHECK"]
    assert found["USER"] == "10001:10001"
