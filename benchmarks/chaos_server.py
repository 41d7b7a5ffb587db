"""PostgreSQL in a chaos run: crashed and started again, and how long it takes until work goes on."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from random import Random
from threading import Event
from typing import NamedTuple

import psycopg

from infrastructure.postgres.sql_blocks import read_blocks
from local.postgres import EmbeddedPostgres

STATEMENTS = {block.name: block.statement for block in read_blocks(Path(__file__).with_name("chaos.sql"))}

LOOK_SECONDS = 0.01
GIVE_UP_SECONDS = 60.0
MAX_ABSENCE = 0.5
LEAST_SECONDS = 0.5
"""From one crash's end to the next."""


class Restart(NamedTuple):
    """Seconds: ``down`` from the crash until the server takes connections, recovery of its data included;
    ``recovered`` from then until a task is claimed or ends. ``None``: it was not seen.
    """

    how: str
    down: float
    recovered: float | None


class Crashes:
    """Crashes a server now and then and starts it again. For one thread."""

    def __init__(self, server: EmbeddedPostgres, random: Random) -> None:
        self._server = server
        self._random = random
        self.restarts: list[Restart] = []

    def run(self, wanted: int, seconds: float, stop: Event) -> None:
        """``wanted`` times or until ``stop`` is set, each ``seconds`` after the one before on average.

        The server runs in the end.
        """
        began = time.monotonic()
        for number in range(wanted):
            due = began + seconds * (number + self._random.random())
            if stop.wait(max(LEAST_SECONDS, due - time.monotonic())):
                return
            self.restarts.append(self._restart(stop))

    def _restart(self, stop: Event) -> Restart:
        began = time.monotonic()
        how = self._random.choice(["immediate", "killed"])
        if how == "killed":
            os.kill(self._server.pid, signal.SIGKILL)
        else:
            self._server.stop("immediate")
        stop.wait(self._random.choice([0.0, self._random.uniform(0, MAX_ABSENCE)]))
        self._server.stop("immediate")
        self._server.start()
        ready = time.monotonic()
        return Restart(how, ready - began, _seconds_to_progress(self._server.uri, ready, stop))


def _seconds_to_progress(url: str, since: float, stop: Event) -> float | None:
    with suppress(psycopg.OperationalError), psycopg.connect(url, autocommit=True) as connection:
        first = _last_number(connection)
        while time.monotonic() < since + GIVE_UP_SECONDS and not stop.wait(LOOK_SECONDS):
            if _last_number(connection) != first:
                return time.monotonic() - since
    return None


def _last_number(connection: psycopg.Connection[tuple[int]]) -> int:
    row = connection.execute(STATEMENTS["last_number"]).fetchone()
    assert row is not None
    return row[0]
