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
    _have_stderr()
    with suppress(OSError, ValueError, AttributeError):  # closed, or none, as in a process without a console
        sys.stdout.flush()
    private = os.dup(STDOUT)
    os.dup2(STDERR, STDOUT)
    return private


def reserve_stdin() -> int:
    """A descriptor of standard input that programs started from here do not get; from now on 0 is at its end.

    Raises :class:`OSError` where there is no standard input.
    """
    _have_stderr()
    private = os.dup(STDIN)
    _replace(STDIN, os.open(os.devnull, os.O_RDONLY))
    return private


def _have_stderr() -> None:
    """Else the next descriptor that is made would take its number, and with it all that is printed."""
    try:
        os.fstat(STDERR)
    except OSError:
        _replace(STDERR, os.open(os.devnull, os.O_WRONLY))


def _replace(number: int, by: int) -> None:
    if by == number:
        os.set_inheritable(number, True)
    else:
        os.dup2(by, number)
        os.close(by)
