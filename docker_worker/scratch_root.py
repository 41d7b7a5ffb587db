"""The folder in which a worker makes those of its tasks, and the end of what killed workers left behind."""

from __future__ import annotations

import os
import sys
import tempfile
import uuid
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, ClassVar, Self

from core.errors import CoreMachineError
from core.scratch import remove_folder

if sys.platform != "win32":
    import fcntl

PREFIX = "coremachine-worker-"
LOCK = ".lock"


class ScratchUnavailable(CoreMachineError):
    """The worker cannot make its folder."""

    code: ClassVar[str] = "SCRATCH_UNAVAILABLE"


class ScratchRoot:
    """A context: a folder of this worker's own under ``root``, by default the system's temporary one.

    It is known by a locked file beside it. The lock ends with the process, however that ends, so whoever comes next
    removes the folders that have none any more. Where the system has no such locks nothing is looked for. Entering
    raises :class:`ScratchUnavailable`.
    """

    def __init__(self, root: Path | None = None) -> None:
        self._root = root or Path(tempfile.gettempdir())
        self._lock: IO[bytes] | None = None
        self.path = self._root / f"{PREFIX}{uuid.uuid4().hex}"

    def __enter__(self) -> Self:
        self._sweep()
        try:
            self._lock = self._lock_file().open("wb")
            _locked(self._lock)
            self.path.mkdir(mode=0o700)
        except OSError as error:
            raise ScratchUnavailable(f"DOCKER_SCRATCH_ROOT: {self._root}: {error.strerror}") from error
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        remove_folder(self.path)
        self._lock_file().unlink(missing_ok=True)
        if self._lock is not None:
            self._lock.close()

    def _lock_file(self) -> Path:
        return self.path.with_name(self.path.name + LOCK)

    def _sweep(self) -> None:
        for lock_file in self._root.glob(f"{PREFIX}*{LOCK}"):
            with suppress(OSError), lock_file.open("rb") as lock:  # another user's, or somebody was quicker
                if _locked(lock):
                    remove_folder(lock_file.with_suffix(""))
                    lock_file.unlink(missing_ok=True)


def _locked(file: IO[bytes]) -> bool:
    """Take the file's lock, if nobody has it and the system has such locks; whether it is taken."""
    if sys.platform == "win32":
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return os.fstat(file.fileno()).st_nlink > 0
