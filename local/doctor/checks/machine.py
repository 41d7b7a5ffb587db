"""This machine: Python, the OCR models, disk and temporary folder."""

from __future__ import annotations

from collections.abc import Iterator

from docker_worker.models import FETCH_HINT
from local.doctor.facts import Facts
from local.doctor.findings import Code, Finding, error, warning

OLDEST_PYTHON, NEWEST_PYTHON = (3, 11), (3, 13)
"""``requires-python`` of pyproject.toml."""

FEW_BYTES, TOO_FEW_BYTES = 1_000_000_000, 100_000_000
"""A stack's database, its storage and the documents that arrive take some hundred megabytes."""


def python(facts: Facts) -> Iterator[Finding]:
    major, minor = facts.machine.python
    if not OLDEST_PYTHON <= (major, minor) <= NEWEST_PYTHON:
        yield error(
            Code.PYTHON_UNSUPPORTED,
            f"Python {major}.{minor}",
            "the locked packages are not made for it, and some of them do not install or fail",
            "use Python 3.11, 3.12 or 3.13; 'make setup' finds one that is there",
        )


def models(facts: Facts) -> Iterator[Finding]:
    """Only the paddle engine has any."""
    if facts.machine.models is not None and facts.settings.settings.ocr_engine == "paddle":
        problem = f"no page can be read: {facts.machine.models}"
        yield error(Code.MODELS_UNUSABLE, "OCR_MODEL_ROOT", problem, FETCH_HINT)


def disk(facts: Facts) -> Iterator[Finding]:
    for folder, free in facts.machine.free_bytes:
        if free >= FEW_BYTES:
            continue
        found = error if free < TOO_FEW_BYTES else warning
        problem = f"{free // 1_000_000} MB are free: uploads, the local database and its storage need more"
        yield found(Code.DISK_NEARLY_FULL, folder, problem, "make room, or point TMPDIR to a larger disk")


def temp(facts: Facts) -> Iterator[Finding]:
    if facts.machine.temp_problem is not None:
        problem = f"nothing can be written there ({facts.machine.temp_problem}): uploads fail"
        yield error(Code.TEMP_NOT_WRITABLE, "temporary folder", problem, "point TMPDIR to a folder that can be written")


MACHINE = (python, models, disk, temp)
