"""What is known of an installation. No record here holds a secret: hosts and names, never keys.

What could not be asked is a member of a closed union of its own, so that each check says what it does then.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from infrastructure.settings import Settings


@dataclass(frozen=True, slots=True)
class HandlerFact:
    """``timeout`` is in seconds."""

    task_type: str
    timeout: float
    long_running: bool


@dataclass(frozen=True, slots=True)
class HostFact:
    """host.json, with what ``AzureFunctionsJobHost__`` settings put in its place. Times are seconds.

    ``problem`` is why it could not be read; what follows are then the host's defaults. ``calls`` is ``None`` where
    ``maxConcurrentCalls`` is not set, ``function_timeout`` where there is no limit.
    """

    problem: str | None = None
    function_timeout: float | None = 1_800.0
    bundle_id: str = ""
    bundle_version: str = ""
    calls: int | None = None
    prefetch: int = 0
    completes: bool = True
    renewal: float = 300.0
    outdated: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NamedFact:
    """Which of the settings that name a service are given; hosts without what signs in. Empty is not given."""

    given: frozenset[str] = frozenset()
    bus_host: str = ""
    bus_fqdn: str = ""
    trigger_fqdn: str = ""


@dataclass(frozen=True, slots=True)
class SettingsFact:
    """``settings`` has its default where a value is invalid. ``file_names`` are those of local.settings.json.

    ``invalid`` has a line for each such value, and ``file_problem`` is why the file could not be read.
    """

    settings: Settings
    invalid: tuple[str, ...] = ()
    file_problem: str | None = None
    file_names: tuple[str, ...] = ()
    environment_names: tuple[str, ...] = ()
    named: NamedFact = field(default_factory=NamedFact)
    threads: str | None = None
    processes: str | None = None
    init_indexing: str | None = None


@dataclass(frozen=True, slots=True)
class SecretPlace:
    """``kind`` says what it looks like; ``line`` counts from 1."""

    file: str
    line: int
    kind: str


@dataclass(frozen=True, slots=True)
class FilesFact:
    """``settings_readable``: by others than their owner."""

    secrets: tuple[SecretPlace, ...] = ()
    settings_tracked: bool = False
    settings_readable: bool = False


@dataclass(frozen=True, slots=True)
class Unreachable:
    """``reason`` is an error's code and message, made to be shown."""

    reason: str


@dataclass(frozen=True, slots=True)
class NotNamed:
    """The settings name no such service."""


@dataclass(frozen=True, slots=True)
class Offset:
    """Seconds that another clock is ahead of ours, and by how much that may be wrong."""

    seconds: float
    within: float


@dataclass(frozen=True, slots=True)
class SchemaCurrent:
    pass


@dataclass(frozen=True, slots=True)
class SchemaOlder:
    missing: int


@dataclass(frozen=True, slots=True)
class SchemaOther:
    """Newer than the code, or another than the code's history."""

    reason: str


@dataclass(frozen=True, slots=True)
class SchemaUnknown:
    reason: str


Schema = SchemaCurrent | SchemaOlder | SchemaOther | SchemaUnknown


@dataclass(frozen=True, slots=True)
class DatabaseTold:
    """``connections`` are those that the server has for users like us.

    ``letters`` are the dead letters that are written down there, and were not sent again.
    """

    major: int
    encoding: str
    connections: int
    offset: Offset
    schema: Schema
    letters: int = 0


DatabaseFact = DatabaseTold | Unreachable | NotNamed


@dataclass(frozen=True, slots=True)
class QueueTold:
    """Times are seconds. ``duplicate_window`` 0 is off, ``time_to_live`` ``None`` for ever."""

    queue: str
    lock: float
    deliveries: int
    duplicate_window: float
    time_to_live: float | None
    max_message_bytes: int | None
    sessions: bool
    status: str
    dead_letters: int


@dataclass(frozen=True, slots=True)
class QueueAbsent:
    queue: str


@dataclass(frozen=True, slots=True)
class QueueUntold:
    """It is there, and how it is set up is not told."""

    queue: str
    reason: str


@dataclass(frozen=True, slots=True)
class QueueUnreachable:
    queue: str
    reason: str


QueueFact = QueueTold | QueueAbsent | QueueUntold | QueueUnreachable


@dataclass(frozen=True, slots=True)
class BusTold:
    address: str
    queues: tuple[QueueFact, ...]
    offset: Offset | None = None


BusFact = BusTold | Unreachable | NotNamed


@dataclass(frozen=True, slots=True)
class StorageTold:
    """``sealed_by`` are the ids of keys that seal some of what is stored."""

    address: str
    offset: Offset | None = None
    sealed_by: frozenset[str] = frozenset()


StorageFact = StorageTold | Unreachable | NotNamed


@dataclass(frozen=True, slots=True)
class MachineFact:
    """``in_azure``: a plan's Functions host runs us. ``models`` is what is wrong with them, ``None`` if nothing."""

    python: tuple[int, int] = (3, 11)
    cores: int = 1
    instances: int = 1
    in_azure: bool = False
    temp_problem: str | None = None
    free_bytes: tuple[tuple[str, int], ...] = ()
    models: str | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """``handlers`` is what is wrong with the registries where it is a text."""

    settings: SettingsFact
    host: HostFact = field(default_factory=HostFact)
    handlers: tuple[HandlerFact, ...] | str = ()
    files: FilesFact = field(default_factory=FilesFact)
    machine: MachineFact = field(default_factory=MachineFact)
    database: DatabaseFact = field(default_factory=NotNamed)
    bus: BusFact = field(default_factory=NotNamed)
    storage: StorageFact = field(default_factory=NotNamed)
