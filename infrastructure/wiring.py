"""The composition root's parts: what is registered, from which settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import TYPE_CHECKING

from core.operations import JobOperations
from core.registry import HandlerRegistry, JobRegistry
from handlers.document import DocumentLimits, SourceReader, document_handlers, document_jobs
from handlers.document.engine import EngineProvider
from handlers.document.fetching import Fetcher
from handlers.document.password import PasswordSeal
from handlers.hello_world import hello_world_handlers, hello_world_jobs
from handlers.portal.envelope import DEFAULT_STORE
from handlers.portal.memory_schemas import MemoryPortalSchemas
from handlers.portal.registration import adapted, portal_handlers, portal_jobs
from handlers.portal.schema_store import PortalSchemaStore
from handlers.portal.surroundings import Surroundings
from infrastructure.settings import Settings
from infrastructure.web.parts import WebParts

if TYPE_CHECKING:
    from infrastructure.backend import Backend


def build_registries(
    settings: Settings,
    engine_provider: EngineProvider,
    schemas: Callable[[], PortalSchemaStore] = MemoryPortalSchemas,
) -> tuple[JobRegistry, HandlerRegistry]:
    """Every job and handler that this project has.

    ``engine_provider`` gives the OCR engine when a page is first read; it may raise
    :class:`core.errors.DependencyMissing`. ``schemas`` gives the store that is asked when a portal's job is submitted.
    """
    limits = document_limits(settings)
    sources = SourceReader(settings.source_roots, limits.max_bytes, _fetcher(settings), settings.document_fetch_seconds)
    seal = _password_seal(settings)
    seconds = settings.document_task_seconds, settings.document_reading_seconds
    documents = document_handlers(engine_provider, sources, limits, seconds[0], seal, seconds[1])
    portal = portal_handlers(_portal(settings, engine_provider, sources, limits))
    handlers = HandlerRegistry([*hello_world_handlers(), *documents, *portal])
    return JobRegistry([*hello_world_jobs(), *document_jobs(seal), *portal_jobs(schemas)], handlers), handlers


def _portal(
    settings: Settings, engine_provider: EngineProvider, sources: SourceReader, limits: DocumentLimits
) -> Surroundings:
    from infrastructure.sealed.ring import sealed_over  # noqa: PLC0415 - cryptography, which not every process needs

    return Surroundings({DEFAULT_STORE: sealed_over(settings)}, sources, engine_provider, adapted, limits)


def _password_seal(settings: Settings) -> PasswordSeal | None:
    """``None`` where nothing outlives the process. Raises :class:`SettingsInvalid`."""
    if not settings.password_keys and not settings.has_bus:
        return None
    from infrastructure.password_seal import SivPasswordSeal, parse_password_keys  # noqa: PLC0415 - OpenSSL

    return SivPasswordSeal(parse_password_keys(settings.password_keys))


def _fetcher(settings: Settings) -> Fetcher | None:
    """``None`` where no host is listed: every URL is refused then. Raises :class:`SettingsInvalid`."""
    if not settings.fetch_hosts:
        return None
    from infrastructure.fetch.fetcher import HttpFetcher  # noqa: PLC0415 - httpx takes a quarter of a second

    return HttpFetcher.from_settings(settings)


def document_limits(settings: Settings) -> DocumentLimits:
    """Each limit is the setting of its name, behind ``document_``."""
    return DocumentLimits(
        **{limit.name: getattr(settings, f"document_{limit.name}") for limit in fields(DocumentLimits)}
    )


def build_backend(settings: Settings, engine_provider: EngineProvider, *, wait_seconds: float = 0.0) -> Backend:
    """Everything of this project on the real store, bus and blobs. Raises as :class:`Backend`."""
    from infrastructure.backend import Backend  # noqa: PLC0415 - the SDKs are 40 MB, which a host without a bus saves

    registries = build_registries(settings, engine_provider, lambda: made.schemas)
    made = Backend(settings, *registries, wait_seconds=wait_seconds)
    return made


def web_parts(backend: Backend) -> WebParts:
    """What the HTTP API works on."""
    machine = backend.request_machine()
    return WebParts(
        machine=machine,
        operations=JobOperations(machine),
        dead_letters=backend.dead_letters,
        blobs=backend.blobs,
        transfers=backend.transfers,
        schemas=backend.schemas,
        settings=backend.settings,
        checks=backend.checks(),
        providers=backend.providers,
        clock=backend.clock,
        statistics=lambda: {"database_pool": backend.pool.stats()._asdict()},
    )
