"""What ships is pinned, agrees with itself, is what is installed, and may be shipped."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.imports import imported

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("requirements.txt", "docker_worker/requirements.txt", "requirements-dev.txt")
FOLDERS = ("core", "handlers", "infrastructure", "testing", "docker_worker", "local", "benchmarks", "tests")
SHIM = ROOT / "docker_worker" / "opencv_contrib_shim" / "pyproject.toml"

# Used unmodified, as separate modules that a user can replace, which the LGPL asks for. Two come with PaddleX; in
# pi-heif it is libheif, a library of its own.
LESSER_GPL = {"crc32c", "pi-heif", "python-bidi", "psycopg", "psycopg-binary", "psycopg-pool"}


def requirements(lock: str) -> list[Requirement]:
    lines = (line.partition("#")[0].strip() for line in (ROOT / lock).read_text("utf-8").splitlines())
    return [Requirement(line) for line in lines if line]


def here(lock: str) -> list[Requirement]:
    """The lines of ``lock`` that hold on this interpreter."""
    return [line for line in requirements(lock) if line.marker is None or line.marker.evaluate()]


def asked_for() -> list[str]:
    """The lines of ``pyproject.toml`` that ask for a package."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return [*project["dependencies"], *(line for lines in project["optional-dependencies"].values() for line in lines)]


def own_files() -> list[Path]:
    return [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")] + [ROOT / "function_app.py"]


def licence(name: str) -> str:
    meta = importlib.metadata.metadata(name)
    classifiers = [value for value in meta.get_all("Classifier") or [] if value.startswith("License ::")]
    said = [meta[field][:200] for field in ("License-Expression", "License") if field in meta]
    return " ".join([*said, *classifiers]).strip()


@pytest.mark.parametrize("lock", LOCKS)
def test_every_line_is_pinned_to_one_version(lock: str) -> None:
    loose = [str(line) for line in requirements(lock) if not re.fullmatch(r"==[^*]+", str(line.specifier)) or line.url]

    assert loose == []


def test_what_is_imported_is_asked_for_by_name() -> None:
    asked = {canonicalize_name(Requirement(line).name) for line in asked_for()}
    provided = {
        name: {canonicalize_name(distribution) for distribution in distributions}
        for name, distributions in importlib.metadata.packages_distributions().items()
    }

    names = set[str]().union(*(imported(path) for path in own_files()))
    own = {path.name.partition(".")[0] for path in ROOT.iterdir()}
    foreign = names - sys.stdlib_module_names - own - {"azure_functions_runtime", "backend"}
    assert sorted(name for name in foreign if not provided.get(name, set()) & asked) == []


@pytest.mark.parametrize("lock", LOCKS[:2])
def test_what_ships_is_what_is_tested(lock: str) -> None:
    tested = {(line.name, str(line.specifier)) for line in requirements("requirements-dev.txt")}

    assert {(line.name, str(line.specifier)) for line in requirements(lock)} <= tested


def test_the_function_app_carries_no_ocr() -> None:
    names = {canonicalize_name(line.name) for line in requirements("requirements.txt")}

    assert not names & {"numpy", "onnxruntime", "opencv-python-headless", "paddleocr", "paddlex"}


@pytest.mark.parametrize("line", here("requirements-dev.txt"), ids=lambda line: line.name)
def test_what_is_installed_is_what_is_pinned(line: Requirement) -> None:
    assert line.specifier.contains(importlib.metadata.version(line.name), prereleases=True)


def test_what_is_installed_fits_together() -> None:
    done = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


def test_the_shim_stands_in_for_the_version_that_paddlex_asks_for() -> None:
    asked = [Requirement(line) for line in importlib.metadata.requires("paddlex") or []]
    specifiers = [line.specifier for line in asked if line.name == "opencv-contrib-python"]
    shim = tomllib.loads(SHIM.read_text("utf-8"))["project"]["version"]

    assert specifiers
    assert all(specifier.contains(shim) for specifier in specifiers)
    assert all(line.name != "opencv-contrib-python" for lock in LOCKS for line in requirements(lock))


@pytest.mark.parametrize("line", here("docker_worker/requirements.txt"), ids=lambda line: line.name)
def test_no_licence_binds_who_ships_it(line: Requirement) -> None:
    terms = licence(line.name)

    assert terms, "the package says nothing of its licence"
    if re.search(r"LGPL|Lesser General Public", terms):
        assert canonicalize_name(line.name) in LESSER_GPL
    else:
        assert not re.search(r"GPL|General Public License|SSPL|BUSL", terms)
