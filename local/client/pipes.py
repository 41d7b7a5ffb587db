"""A reader that goes away, as ``head`` does when it has enough: the command ends, and says nothing of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress

from local.client.errors import READER_GONE


def until_reader_leaves(act: Callable[[], int]) -> int:
    """What ``act`` comes to with all that it printed written out, or :data:`READER_GONE`."""
    try:
        code = act()
        sys.stdout.flush()
    except BrokenPipeError:
        _let_go_of_output()
        return READER_GONE
    return code


def _let_go_of_output() -> None:
    """What is still in the buffers goes nowhere, so that the last flush of the process has nothing to complain of."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            with suppress(OSError):
                os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
