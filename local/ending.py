"""The end of a process that may have threads which nobody can end."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from typing import NoReturn


def end_process(code: int) -> NoReturn:
    """Ends the process at once, with what was printed and logged written out.

    A thread cannot be ended from outside, and native code that one still runs would be torn down beneath it by the
    interpreter's own end: the process aborts then. So the interpreter's end is never reached.
    """
    with suppress(OSError, ValueError):
        logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(code)
