"""What the API is made of; the composition root hands it over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from core.deadletters import DeadLetters
from core.machine import CoreMachine
from core.operations import JobOperations
from core.ports import BlobStore, Clock
from handlers.portal.schema_store import PortalSchemaStore
from handlers.portal.transfer import Transfers
from infrastructure.settings import Settings


def _none() -> Mapping[str, JsonValue]:
    return {}


@dataclass(frozen=True)
class WebParts:
    """``checks`` are readiness probes by name: each returns, or raises a :class:`core.errors.CoreMachineError`.

    ``providers`` tells the adapters by what they are for, without secrets; ``statistics`` is what operators want to see
    of this process, such as the database pool's numbers. All are called from threads, several at once.
    """

    machine: CoreMachine
    operations: JobOperations
    dead_letters: DeadLetters
    blobs: BlobStore
    transfers: Transfers
    schemas: PortalSchemaStore
    settings: Settings
    checks: Mapping[str, Callable[[], None]]
    providers: Callable[[], Mapping[str, Mapping[str, JsonValue]]]
    clock: Clock
    statistics: Callable[[], Mapping[str, JsonValue]] = field(default=_none)
