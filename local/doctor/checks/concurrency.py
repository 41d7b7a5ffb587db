"""How many calls run at once, and what they need: threads, database connections."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from local.doctor.facts import DatabaseTold, Facts
from local.doctor.findings import Code, Finding, error, warning

TRIGGERS = 2
"""Those of the jobs and the tasks queue; each has ``maxConcurrentCalls`` of its own."""

TIMERS = 3
"""Reconciler, dead-letter watch, retention: at most one call each."""

CALLS_A_CORE = 16
"""The host's default of ``maxConcurrentCalls``, for each core (``ServiceBusOptions`` of the extension)."""

WORKERS = 1
"""Docker workers: each has a pool of its own."""

CALLS_NAME = "maxConcurrentCalls"
CALLS = f"host.json: extensions.serviceBus.{CALLS_NAME}"
THREADS, POOL = "PYTHON_THREADPOOL_THREAD_COUNT", "DOCKER_DB_POOL_MAX"


def calls(facts: Facts) -> int:
    """The queue messages that an instance works on at once."""
    each = facts.host.calls
    return TRIGGERS * (CALLS_A_CORE * facts.machine.cores if each is None else each)


def processes(facts: Facts) -> int:
    """Python processes of an instance; the host gives the calls to them in turn."""
    return max(1, _whole(facts.settings.processes) or 1)


def threads(facts: Facts) -> int:
    """Of a process; without the setting Python's own default for a pool (``concurrent.futures``)."""
    return _whole(facts.settings.threads) or min(32, facts.machine.cores + 4)


def calls_set(facts: Facts) -> Iterator[Finding]:
    if facts.host.calls is None and facts.host.problem is None:
        yield warning(
            Code.CALLS_NOT_SET,
            CALLS,
            f"the default is {CALLS_A_CORE} for each core: {calls(facts)} calls at once here, elsewhere others, "
            "while the pools stay as they are",
            "set it to what threads and database connections are there for",
        )


def enough_threads(facts: Facts) -> Iterator[Finding]:
    need = math.ceil(calls(facts) / processes(facts)) + TIMERS
    have = threads(facts)
    if have < need:
        yield error(
            Code.THREADS_FEWER_THAN_CALLS,
            THREADS,
            f"{have} threads for {need} calls at once ({TRIGGERS} queues, {TIMERS} timers): the others wait inside the "
            "process while the locks of their messages run out",
            f"set {THREADS} to {need} or more, or {CALLS_NAME} to {_calls_for(have, facts)}",
        )


def enough_connections(facts: Facts) -> Iterator[Finding]:
    need = math.ceil(calls(facts) / processes(facts))
    settings = facts.settings.settings
    if settings.database_pool_max < need:
        yield error(
            Code.POOL_SMALLER_THAN_CALLS,
            POOL,
            f"{settings.database_pool_max} connections for {need} calls at once: the others wait for one, and give up "
            f"after {settings.database_pool_timeout:g} s",
            f"set {POOL} to {need} or more, or {CALLS_NAME} to "
            f"{max(1, settings.database_pool_max * processes(facts) // TRIGGERS)}",
        )


def server_takes_them(facts: Facts) -> Iterator[Finding]:
    if not isinstance(facts.database, DatabaseTold):
        return
    pool = facts.settings.settings.database_pool_max
    apps = facts.machine.instances * processes(facts)
    need = pool * (apps + WORKERS)
    if need > facts.database.connections:
        yield error(
            Code.DATABASE_CONNECTIONS_EXCEEDED,
            POOL,
            f"{apps} function app process{'' if apps == 1 else 'es'} and {WORKERS} worker want {need} connections; "
            f"the server has {facts.database.connections}, and refuses the others under load",
            f"set {POOL} to {facts.database.connections // (apps + WORKERS)}, raise max_connections, or put a pooler "
            "before the server",
        )


def _calls_for(have: int, facts: Facts) -> int:
    return max(1, (have - TIMERS) * processes(facts) // TRIGGERS)


def _whole(text: str | None) -> int | None:
    """``None`` for what the worker does not take either."""
    return int(text) if text is not None and re.fullmatch(r"[1-9][0-9]{0,5}", text.strip()) else None


CONCURRENCY = (calls_set, enough_threads, enough_connections, server_takes_them)
