"""All facts of an installation."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from core.errors import CoreMachineError, DependencyMissing
from docker_worker.models import verify
from infrastructure.settings import Settings
from infrastructure.wiring import build_registries
from local.doctor import probes
from local.doctor.facts import (
    BusTold,
    DatabaseTold,
    Facts,
    HandlerFact,
    MachineFact,
    NotNamed,
    QueueTold,
    StorageTold,
    Unreachable,
)
from local.doctor.reading import read_files, read_host, read_settings
from local.stack_bus import bus_config
from local.stack_file import StackFile
from testing.service_bus_emulator.broker.config import read_config
from testing.service_bus_emulator.broker.rules import QueueRules

INSTANCES = "WEBSITE_MAX_DYNAMIC_APPLICATION_SCALE_OUT"
IN_AZURE = "WEBSITE_INSTANCE_ID"


@dataclass(frozen=True, slots=True)
class Place:
    """``root`` has host.json. ``stack`` is what runs here, ``None`` where nothing does or it is not to be looked at.

    ``instances`` is how many function apps there will be; ``offline`` leaves out what is asked over a network.
    """

    root: Path
    settings_file: Path
    environment: Mapping[str, str]
    stack: StackFile | None = None
    instances: int | None = None
    offline: bool = False


@dataclass(frozen=True, slots=True)
class Gathered:
    """``variables`` have the secrets that no output may show."""

    facts: Facts
    variables: Mapping[str, str]


def gather(place: Place, seconds: float = probes.PROBE_SECONDS) -> Gathered:
    stack = place.stack.settings if place.stack is not None else {}
    settings, variables = read_settings(place.settings_file, place.environment, stack)
    facts = Facts(
        settings=settings,
        host=read_host(place.root / "host.json", variables),
        handlers=_handlers(settings.settings),
        files=read_files(place.root),
        machine=_machine(place, settings.settings, variables),
    )
    return Gathered(facts if place.offline else _asked(facts, place, seconds), variables)


def _asked(facts: Facts, place: Place, seconds: float) -> Facts:
    settings = facts.settings.settings
    rules = own_rules(settings, place.stack)
    found = probes.ask(
        {
            "database": lambda: probes.database(settings),
            "bus": lambda: probes.bus(settings, rules),
            "storage": lambda: probes.blobs(settings),
        },
        seconds,
    )
    database, bus, storage = found["database"], found["bus"], found["storage"]
    assert isinstance(database, DatabaseTold | Unreachable | NotNamed)
    assert isinstance(bus, BusTold | Unreachable | NotNamed)
    assert isinstance(storage, StorageTold | Unreachable | NotNamed)
    return replace(facts, database=database, bus=bus, storage=storage)


def own_rules(settings: Settings, stack: StackFile | None) -> Mapping[str, QueueTold]:
    """How the stack's own emulator sets up the queues, for where it is not there to be asked how."""
    part = stack.parts.get("service_bus") if stack is not None else None
    if part is None or part.pid == 0:
        return {}
    config = read_config(bus_config([settings.jobs_queue, settings.tasks_queue, settings.long_running_queue]))
    return {name: _queue(name, rules) for name, rules in config.queues.items()}


def _queue(name: str, rules: QueueRules) -> QueueTold:
    life = rules.default_time_to_live
    return QueueTold(
        queue=name,
        lock=rules.lock_duration.total_seconds(),
        deliveries=rules.max_delivery_count,
        duplicate_window=rules.duplicate_window.total_seconds() if rules.duplicate_window is not None else 0.0,
        time_to_live=None if life is None else life.total_seconds(),
        max_message_bytes=rules.max_message_bytes or rules.tier.message_bytes,
        sessions=rules.requires_session,
        status="Active",
        dead_letters=0,
    )


def _handlers(settings: Settings) -> tuple[HandlerFact, ...] | str:
    try:
        _, handlers = build_registries(settings, _no_engine)
    except CoreMachineError as error:
        return f"{error.code}: {error.message}"
    return tuple(HandlerFact(found.task_type, found.timeout, found.long_running) for found in handlers.values())


def _no_engine(_: object) -> NoReturn:
    raise DependencyMissing("the doctor reads no page")


def _machine(place: Place, settings: Settings, variables: Mapping[str, str]) -> MachineFact:
    return MachineFact(
        python=sys.version_info[:2],
        cores=os.cpu_count() or 1,
        instances=place.instances or _whole(variables.get(INSTANCES, "")) or 1,
        in_azure=bool(variables.get(IN_AZURE)),
        temp_problem=_temp_problem(),
        free_bytes=tuple(_free_bytes(place.root)),
        models=_models(Path(settings.ocr_model_root), place.root) if settings.ocr_engine == "paddle" else None,
    )


def _models(folder: Path, root: Path) -> str | None:
    try:
        verify(folder if folder.is_absolute() else root / folder)
    except DependencyMissing as error:
        return error.message
    return None


def _temp_problem() -> str | None:
    try:
        with tempfile.TemporaryFile(prefix="coremachine-doctor-") as file:
            file.write(b"\0" * 65_536)
    except OSError as error:
        return error.strerror or type(error).__name__
    return None


def _free_bytes(root: Path) -> Iterator[tuple[str, int]]:
    """By disk, under the name of a folder on it."""
    devices: set[int] = set()
    with suppress(OSError):
        for folder in (root, Path(tempfile.gettempdir())):
            device = folder.stat().st_dev
            if device not in devices:
                devices.add(device)
                yield str(folder), shutil.disk_usage(folder).free


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and int(text) > 0 else None
