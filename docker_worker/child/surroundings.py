"""What a process shares among the calls that it runs, put back after each: none is to find what another left."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Surroundings:
    """As they are when it is made: working directory, environment, file mode mask, folder of temporary files."""

    def __init__(self) -> None:
        self._directory = os.getcwd()  # noqa: PTH109 - for chdir
        self._environment = dict(os.environ)
        self._mask = os.umask(0)
        os.umask(self._mask)
        self._temporary = tempfile.tempdir

    @contextmanager
    def with_temporary_files_in(self, folder: str) -> Iterator[None]:
        """For this process, whose handlers run one at a time, and for programs that they start."""
        tempfile.tempdir = os.environ["TMPDIR"] = folder
        try:
            yield
        finally:
            self._put_back()

    def _put_back(self) -> None:
        tempfile.tempdir = self._temporary
        os.umask(self._mask)
        if dict(os.environ) != self._environment:
            os.environ.clear()
            os.environ.update(self._environment)
        with suppress(OSError):  # it was removed
            os.chdir(self._directory)
