"""The folder that a handler may fill while it runs."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self


class Scratch:
    """A folder under ``root``, by default the system's temporary one. A context: leaving it removes what was made."""

    def __init__(self, root: Path | None = None) -> None:
        self._root = root
        self._path: Path | None = None

    @property
    def path(self) -> Path:
        """Made when it is first asked for."""
        if self._path is None:
            self._path = Path(tempfile.mkdtemp(prefix="coremachine-", dir=self._root))
        return self._path

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._path is not None:
            shutil.rmtree(self._path, ignore_errors=True)
            self._path = None
