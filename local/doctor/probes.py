"""Facts that are asked for: the database, the bus, the storage. Each is one look, bounded in time; none raises."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from datetime import datetime
from email.utils import parsedate_to_datetime
from multiprocessing.pool import ThreadPool
from typing import assert_never
from urllib.parse import urlsplit

from core.errors import BusMisconfigured, CoreMachineError, StoreSchemaMismatch
from core.system import SystemClock
from infrastructure.blob_storage import connection as storage
from infrastructure.blob_storage.store import AzureBlobStore
from infrastructure.hosts import is_loopback
from infrastructure.postgres.connection import Connection, ConnectionSource
from infrastructure.postgres.errors import translated
from infrastructure.postgres.migrations import check_schema
from infrastructure.sealed.survey import keys_in_use
from infrastructure.service_bus import connection as service_bus
from infrastructure.service_bus.bus import AzureServiceBus
from infrastructure.service_bus.properties import (
    PropertiesUnavailable,
    QueueInspected,
    QueueMissing,
    QueueProperties,
)
from infrastructure.settings import Settings
from local.doctor.facts import (
    BusFact,
    BusTold,
    DatabaseFact,
    DatabaseTold,
    NotNamed,
    Offset,
    QueueAbsent,
    QueueFact,
    QueueTold,
    QueueUnreachable,
    QueueUntold,
    Schema,
    SchemaCurrent,
    SchemaOlder,
    SchemaOther,
    SchemaUnknown,
    StorageFact,
    StorageTold,
    Unreachable,
)

ASKED_SECONDS = 5.0
"""For one request."""
PROBE_SECONDS = 30.0
"""For all that is asked of one service."""

_ABOUT_SERVER = """
    SELECT pg_catalog.clock_timestamp(),
           current_setting('max_connections')::integer
               - current_setting('superuser_reserved_connections')::integer
               - coalesce(current_setting('reserved_connections', true)::integer, 0)
"""

MOST_LETTERS = 10_000
"""Are counted of those in the database: by then it is no matter of one more."""

_ABOUT_LETTERS = """
    SELECT count(*) FROM (SELECT FROM coremachine.dead_letters WHERE replays = 0 LIMIT %s) AS waiting
"""

Probe = Callable[[], DatabaseFact | BusFact | StorageFact]
Rules = Mapping[str, QueueTold]


def ask(probes: Mapping[str, Probe], seconds: float = PROBE_SECONDS) -> dict[str, DatabaseFact | BusFact | StorageFact]:
    """All at once. What has not answered by then, or failed in a way of its own, is unreachable."""
    pool = ThreadPool(len(probes))
    asked = {name: pool.apply_async(probe) for name, probe in probes.items()}
    pool.close()  # its threads are daemons: one that hangs ends with the process
    until = time.monotonic() + seconds
    failed: dict[str, str] = {}
    for name, answer in asked.items():
        answer.wait(max(until - time.monotonic(), 0.0))
        if not answer.ready():
            failed[name] = f"it did not answer within {seconds:g} s"
        elif not answer.successful():
            failed[name] = "the look at it failed in a way that nobody foresaw"
    return {name: Unreachable(failed[name]) if name in failed else asked[name].get() for name in probes}


def database(settings: Settings) -> DatabaseFact:
    if not (settings.database_url or settings.postgres_host):
        return NotNamed()
    bounded = settings.model_copy(update={"database_connect_timeout": int(ASKED_SECONDS)})
    try:
        with ConnectionSource.from_settings(bounded).connect() as connection:
            return _server(connection)
    except CoreMachineError as error:
        return Unreachable(_said(error))


def _server(connection: Connection) -> DatabaseTold:
    began = time.time()
    with translated():
        row = connection.execute(_ABOUT_SERVER).fetchone()
    assert row is not None  # a SELECT without FROM has one
    at: datetime = row[0]
    return DatabaseTold(
        major=connection.info.server_version // 10_000,
        encoding=connection.info.parameter_status("server_encoding") or "",
        connections=int(row[1]),
        offset=_offset(at.timestamp(), began, time.time(), 0.0),
        schema=_schema(connection),
        letters=_letters(connection),
    )


def _letters(connection: Connection) -> int:
    """Dead letters that are written down and were not sent again; none where they cannot be read."""
    with suppress(CoreMachineError), translated():
        row = connection.execute(_ABOUT_LETTERS, [MOST_LETTERS]).fetchone()
        return int(row[0]) if row is not None else 0
    return 0


def _schema(connection: Connection) -> Schema:
    try:
        check_schema(connection)
    except StoreSchemaMismatch as error:
        missing = error.details.get("missing")
        return SchemaOlder(missing) if isinstance(missing, int) else SchemaOther(error.message)
    except CoreMachineError as error:
        return SchemaUnknown(_said(error))
    return SchemaCurrent()


def bus(settings: Settings, own_rules: Rules | None = None) -> BusFact:
    """``own_rules`` are those of queues that this machine's stack made, for where the bus does not tell them."""
    if not (settings.service_bus_connection or settings.service_bus_fqdn):
        return NotNamed()
    try:
        connection = service_bus.BusConnection(settings, limits=service_bus.CallLimits(ASKED_SECONDS, 0))
    except CoreMachineError as error:
        return Unreachable(_said(error))
    names = dict.fromkeys((settings.jobs_queue, settings.tasks_queue, settings.long_running_queue))
    queues = _queues(connection, list(names), own_rules or {})
    if all(isinstance(queue, QueueUnreachable) for queue in queues):
        return Unreachable(next(queue.reason for queue in queues if isinstance(queue, QueueUnreachable)))
    offset = None if _is_emulator(connection) else http_offset(f"https://{_host(connection)}/")
    return BusTold(connection.address, tuple(queues), offset)


def _host(connection: service_bus.BusConnection) -> str:
    return urlsplit(f"//{connection.address}").hostname or ""


def _is_emulator(connection: service_bus.BusConnection) -> bool:
    return is_loopback(_host(connection))


def _queues(connection: service_bus.BusConnection, names: list[str], own_rules: Rules) -> list[QueueFact]:
    opened = AzureServiceBus(connection, SystemClock(), 0.0)
    with closing(opened):
        return [_queue(opened, name, own_rules.get(name)) for name in names]


def _queue(opened: AzureServiceBus, name: str, own: QueueTold | None) -> QueueFact:
    """Looked at as we use it, and then asked of the management side; ``own`` holds where that does not answer."""
    missing = _missing(opened, name)
    if missing is not None:
        return missing
    told = _told(opened.queue_properties(name))
    return own if own is not None and isinstance(told, QueueUntold) else told


def _told(found: QueueInspected) -> QueueFact:
    match found:
        case QueueProperties():
            return QueueTold(
                queue=found.queue,
                lock=found.lock_seconds,
                deliveries=found.max_delivery_count,
                duplicate_window=found.duplicate_window,
                time_to_live=found.time_to_live,
                max_message_bytes=found.max_message_bytes,
                sessions=found.requires_session,
                status=found.status,
                dead_letters=found.dead_letters,
            )
        case QueueMissing(queue):
            return QueueAbsent(queue)
        case PropertiesUnavailable(queue, error):
            return QueueUntold(queue, _said(error))
        case _:
            assert_never(found)


def _missing(opened: AzureServiceBus, name: str) -> QueueAbsent | QueueUnreachable | None:
    """``None`` for a queue that can be used."""
    try:
        opened.probe(name)
    except BusMisconfigured as error:
        if error.details.get("sdk_error") == "MessagingEntityNotFoundError":
            return QueueAbsent(name)
        return QueueUnreachable(name, _said(error))
    except CoreMachineError as error:
        return QueueUnreachable(name, _said(error))
    return None


def blobs(settings: Settings) -> StorageFact:
    if not (settings.storage_connection_string or settings.storage_account_url):
        return NotNamed()
    limits = storage.CallLimits(ASKED_SECONDS, ASKED_SECONDS, 0)
    try:
        store = AzureBlobStore(storage.blob_service(settings, limits=limits), settings.storage_container)
        with closing(store):
            next(iter(store.names("readiness/")), None)
            sealed_by = keys_in_use(store)
    except CoreMachineError as error:
        return Unreachable(_said(error))
    parts = urlsplit(store.address)
    return StorageTold(store.address, http_offset(f"{parts.scheme}://{parts.netloc}/"), sealed_by)


def http_offset(url: str) -> Offset | None:
    """By the ``Date`` of whatever is answered, a refusal too; ``None`` where nothing is."""
    proxies = urllib.request.ProxyHandler({}) if is_loopback(urlsplit(url).hostname) else None
    opener = urllib.request.build_opener(*([proxies] if proxies else []))
    began = time.time()
    with suppress(OSError, ValueError, TypeError):
        date = _date(opener, url)
        # A date has no fraction: on average the half of a second is gone.
        return _offset(parsedate_to_datetime(date).timestamp() + 0.5, began, time.time(), 0.5)
    return None


def _date(opener: urllib.request.OpenerDirector, url: str) -> str:
    request = urllib.request.Request(url, method="HEAD")  # noqa: S310 - http and https alone: we built it
    try:
        with opener.open(request, timeout=ASKED_SECONDS) as response:
            return str(response.headers["date"])
    except urllib.error.HTTPError as error:
        with closing(error):
            return str(error.headers["date"])


def _offset(theirs: float, began: float, ended: float, rounding: float) -> Offset:
    """Between two looks at our own clock; half of the time between them is what may be wrong."""
    return Offset(theirs - (began + ended) / 2, (ended - began) / 2 + rounding)


def _said(error: CoreMachineError) -> str:
    return f"{error.code}: {error.message}"
