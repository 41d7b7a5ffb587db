"""The folder that a handler may fill while it runs."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

_log = logging.getLogger(__name__)


class Scratch:
    """A folder under ``root``, by default the system's temporary one. A context: leaving it removes what was made."""

    def __init__(self, root: Path | None = None) -> None:
        self._root = root
        self._path: Path | None = None

    @property
    def path(self) -> Path:
        """Made when it is first asked for. Raises :class:`OSError` where it cannot be."""
        if self._path is None:
            self._path = Path(tempfile.mkdtemp(prefix="coremachine-", dir=self._root))
        return self._path

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._path is not None:
            remove_folder(self._path)
            self._path = None


def remove_folder(path: Path) -> None:
    """With all in it, also where its folders forbid that. What stays nevertheless is logged."""
    shutil.rmtree(path, ignore_errors=True)
    if not path.exists():
        return
    _open_up(path)
    shutil.rmtree(path, ignore_errors=True)
    if path.exists():
        _log.warning("folder_not_removed", extra={"path": os.fspath(path)})


def _open_up(path: Path) -> None:
    """Let the owner into each folder. What links lead to is somebody else's."""
    pending = [path]
    while pending:
        folder = pending.pop()
        with suppress(OSError):
            folder.chmod(0o700)
            with os.scandir(folder) as entries:
                pending += [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]
