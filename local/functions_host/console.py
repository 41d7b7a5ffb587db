"""The log as a developer reads it: a line each, with what an event carries as ``name=value``; colours on a terminal.

Source of the switch: https://no-color.org, a ``NO_COLOR`` that is not empty.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import TextIO

from infrastructure.logs import TextFormatter

RESET, DIM, YELLOW, RED = "\x1b[0m", "\x1b[2m", "\x1b[33m", "\x1b[31m"
_CHATTY = ("azure", "uvicorn", "watchfiles", "httpx", "urllib3")


class ColourFormatter(TextFormatter):
    """Warnings yellow, errors red, and the line that a call began in the background."""

    def format(self, record: logging.LogRecord) -> str:
        colour = _colour(record)
        text = super().format(record)
        return f"{colour}{text}{RESET}" if colour else text


def wants_colour(stream: TextIO, environment: Mapping[str, str]) -> bool:
    return stream.isatty() and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"


def log_to(stream: TextIO, environment: Mapping[str, str]) -> None:
    """Everything from information on; what libraries tell below a warning is left out."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(ColourFormatter() if wants_colour(stream, environment) else TextFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").addFilter(_is_not_cancellation)


def _colour(record: logging.LogRecord) -> str:
    if record.levelno >= logging.ERROR:
        return RED
    if record.levelno >= logging.WARNING:
        return YELLOW
    return DIM if record.getMessage().startswith("Executing ") else ""


def _is_not_cancellation(record: logging.LogRecord) -> bool:
    """A request that is cut off at the end ends with CancelledError, which uvicorn logs as if the app were at fault."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))
