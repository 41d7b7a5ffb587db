"""``.cache/stack.json``: where the stack of this clone runs, for the commands that use it.

::

    {
      "url": "http://127.0.0.1:7071",            "" where it runs without the host
      "key": "",                                 for the header x-functions-key; "" where none is asked for
      "pid": 123,                                of the process that keeps the parts
      "parts": {"database": {"pid": 124, "address": "postgresql://..."}, ...},
      "settings": {"DATABASE_URL": "...", ...}   by which another process finds the same services
    }

Only its owner can read it: it holds keys.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

FOLDER = ".cache"
NAME = "stack.json"


@dataclass(frozen=True, slots=True)
class StackPart:
    """``pid`` is 0 for a service that the stack uses and did not start; ``address`` holds no secret."""

    pid: int
    address: str


@dataclass(frozen=True, slots=True)
class StackFile:
    url: str
    key: str = field(repr=False)
    pid: int
    parts: Mapping[str, StackPart]
    settings: Mapping[str, str] = field(default_factory=dict, repr=False)


class _Part(BaseModel):
    model_config = ConfigDict(strict=True)

    pid: int
    address: str


class _Document(BaseModel):
    model_config = ConfigDict(strict=True)

    url: str
    key: str
    pid: int
    parts: dict[str, _Part]
    settings: dict[str, str] = {}


def read_stack_file(root: Path) -> StackFile | None:
    """The stack that runs in the clone ``root``; None where none does, a killed one's file or not."""
    try:
        document = _Document.model_validate_json(path_of(root).read_bytes())
    except (OSError, ValidationError):
        return None
    if not _is_alive(document.pid):
        return None
    parts = {name: StackPart(part.pid, part.address) for name, part in document.parts.items()}
    return StackFile(document.url, document.key, document.pid, parts, document.settings)


def write(root: Path, file: StackFile) -> None:
    """It appears whole, in the place of the one before. Raises OSError."""
    path = path_of(root)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, partial = tempfile.mkstemp(dir=path.parent, prefix=f"{NAME}.")  # of mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as output:
            json.dump(asdict(file), output, indent=2)
        Path(partial).replace(path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise


def remove(root: Path) -> None:
    with suppress(FileNotFoundError):
        path_of(root).unlink()


def path_of(root: Path) -> Path:
    return root / FOLDER / NAME


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:  # another user's
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return pid > 0
