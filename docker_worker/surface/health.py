"""The worker's report on itself, made of what it knows: nothing is asked of database or bus for it."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from functools import cache
from importlib import metadata
from typing import Any

from pydantic import JsonValue, TypeAdapter

from docker_worker.lifecycle import Phase
from docker_worker.status import CurrentTask, WorkerSnapshot, WorkerState
from docker_worker.surface.parts import SurfaceParts

QUEUE_MODE = "service_bus"

_ANYTHING: TypeAdapter[Any] = TypeAdapter(Any)

PACKAGES = (
    "azure-servicebus",
    "azure-storage-blob",
    "fastapi",
    "onnxruntime",
    "paddleocr",
    "paddlex",
    "psycopg",
    "pydantic",
    "uvicorn",
)


def why_not_ready(phase: Phase, state: WorkerState, *, loop_is_dead: bool) -> str | None:
    """``None`` where the worker takes tasks, or would if there were any. ``state`` is that of :func:`state_of`."""
    if loop_is_dead:
        return "the loop that takes tasks has ended"
    match phase:
        case Phase.STARTING:
            return "the worker starts"
        case Phase.RUNNING:
            return "the worker starts" if state is WorkerState.STARTING else None
        case Phase.DRAINING | Phase.DRAINED:
            return "the worker ends and takes no more tasks"


def report(parts: SurfaceParts) -> tuple[bool, dict[str, JsonValue]]:
    """Whether the worker is healthy, and all that it says of itself, as JSON."""
    now, seen, lifecycle = parts.clock.now(), parts.status.snapshot(), parts.lifecycle
    healthy = not lifecycle.loop_is_dead
    told: dict[str, object] = {
        "status": "healthy" if healthy else "unhealthy",
        "phase": lifecycle.phase,
        "state": state_of(parts, seen),
        "time": now,
        "uptime_seconds": (now - parts.started_at).total_seconds(),
        "worker": _worker(parts, seen),
        "current": _task(seen.current, now, parts.leases.lease_seconds),
        "child": asdict(parts.child()),
        "database_pool": parts.pool()._asdict(),
        "tokens": [state._asdict() for state in parts.tokens()],
        "versions": versions(),
    }
    return healthy, jsonable(told)


def state_of(parts: SurfaceParts, seen: WorkerSnapshot) -> WorkerState:
    """The board's, but for a loop that waits at its queue for the first time: that has begun."""
    waits = parts.mode == QUEUE_MODE and parts.lifecycle.phase is Phase.RUNNING
    return WorkerState.IDLE if waits and seen.state is WorkerState.STARTING else seen.state


def _worker(parts: SurfaceParts, seen: WorkerSnapshot) -> Mapping[str, object]:
    return {
        "alive": not parts.lifecycle.loop_is_dead,
        "mode": parts.mode,
        "queue": parts.queue_name,
        "last_poll": seen.last_poll,
        "waiting_for": seen.waiting_for,
        "attempts": seen.ended,
        "busy_seconds": round(seen.busy_seconds, 3),
        "polls": parts.bus_counts.polls,
        "locks": {"renewed": parts.bus_counts.locks_renewed, "lost": seen.locks_lost},
        "leases": {"renewed": parts.leases.renewed, "lost": parts.leases.lost},
    }


def _task(task: CurrentTask | None, now: datetime, lease_seconds: float) -> Mapping[str, object] | None:
    if task is None:
        return None
    rate, left = task.rate(), task.remaining(now)
    return {
        "task_id": task.task_id,
        "task_type": task.task_type,
        "attempt": task.attempt,
        "started_at": task.started_at,
        "seconds": round((now - task.started_at).total_seconds(), 3),
        "percent": task.percent,
        "message": task.message,
        "percent_per_minute": None if rate is None else round(rate, 3),
        "remaining_seconds": None if left is None else round(left, 1),
        "token": task.token,
        "lease_seconds": lease_seconds,
    }


def jsonable(told: object) -> Any:
    """``told`` as JSON values: times as ISO 8601 says, members of enumerations as their values."""
    return _ANYTHING.dump_python(told, mode="json")


@cache
def versions() -> dict[str, str]:
    """Python's, and those of the packages that are there, none of which is imported for it."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
