"""Standard input and output kept for one purpose, whatever else the process reads and prints.

By file descriptor, so that what C libraries print is sent to standard error as well.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

STDIN, STDOUT, STDERR = 0, 1, 2


def reserve_stdout() -> int:
    """A descriptor of standard output that programs started from here do not get; from now on 1 is where 2 is.

    Raises :class:`OSError` where there is no standard output.
    """
    with suppress(OSError, ValueError, AttributeError):  # closed, or none, as in a process without a console
        sys.stdout.flush()
    private = os.dup(STDOUT)
    _send_to_stderr()
    return private


def _send_to_stderr() -> None:
    try:
        os.dup2(STDERR, STDOUT)
    except OSError:
        _replace(STDOUT, os.open(os.devnull, os.O_WRONLY))


def reserve_stdin() -> int:
    """A descriptor of standard input that programs started from here do not get; from now on 0 is at its end.

    Raises :class:`OSError` where there is no standard input.
    """
    private = os.dup(STDIN)
    _replace(STDIN, os.open(os.devnull, os.O_RDONLY))
    return private


def _replace(number: int, by: int) -> None:
    os.dup2(by, number)
    os.close(by)
