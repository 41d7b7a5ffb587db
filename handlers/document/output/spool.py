"""Parts of a file that are made side by side and stand in it one after the other."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import SpooledTemporaryFile
from typing import IO, BinaryIO

IN_MEMORY = 256 * 1024
"""Bytes of a part that are kept in memory; what is more is in a temporary file."""


@contextmanager
def spooled() -> Iterator[IO[bytes]]:
    """A file to write a part into, which is gone afterwards."""
    with SpooledTemporaryFile(max_size=IN_MEMORY) as part:
        yield part


def append(part: IO[bytes], out: BinaryIO) -> None:
    """Copy all of ``part`` to the end of ``out``."""
    part.seek(0)
    shutil.copyfileobj(part, out)
