"""What the surface looks at. None of it is asked of the network when it is looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from core.ports import Clock
from core.registry import HandlerRegistry
from docker_worker.counted_bus import BusCounts
from docker_worker.lifecycle import Phase
from docker_worker.runner import ChildStats
from docker_worker.status import WorkerStatus
from infrastructure.postgres.pool import PoolStats
from infrastructure.service_bus.properties import QueueInspected
from infrastructure.tokens import TokenState


class Lifecycle(Protocol):
    """The part of :class:`docker_worker.lifecycle.DockerWorkerLifecycle` that is looked at."""

    @property
    def phase(self) -> Phase: ...

    @property
    def loop_is_dead(self) -> bool: ...


class Leases(Protocol):
    """The part of :class:`core.heartbeat.Heartbeat` that is looked at."""

    @property
    def lease_seconds(self) -> float: ...

    @property
    def renewed(self) -> int: ...

    @property
    def lost(self) -> int: ...


@dataclass(frozen=True, slots=True)
class SurfaceParts:
    """``worker_key`` is empty where nobody may change anything.

    ``queue`` and ``refresh`` ask the network: they block, and raise :class:`core.errors.CoreMachineError`.
    """

    mode: str
    queue_name: str
    worker_key: str = field(repr=False)
    max_body_bytes: int
    clock: Clock
    started_at: datetime
    status: WorkerStatus
    lifecycle: Lifecycle
    leases: Leases
    bus_counts: BusCounts
    handlers: HandlerRegistry
    child: Callable[[], ChildStats]
    pool: Callable[[], PoolStats]
    tokens: Callable[[], Sequence[TokenState]]
    queue: Callable[[], QueueInspected]
    refresh: Callable[[], None]
