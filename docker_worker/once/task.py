"""The one task of ``--once``, from its input to its document."""

from __future__ import annotations

import os
from collections.abc import Callable

from core.boundary import guarded
from core.context import StopSignal
from core.outcome import Failed
from docker_worker.engines import engine_provider
from docker_worker.once.answer import answered, not_run
from docker_worker.once.document import Document, encoded
from docker_worker.once.payload import read_payload
from infrastructure.logs import log_to_stderr
from infrastructure.settings import Settings
from infrastructure.wiring import build_registries
from testing.factories import Registries


def registered() -> Registries:
    """Everything of this project. Raises :class:`infrastructure.settings.SettingsInvalid`."""
    settings = Settings.from_environment(os.environ)
    log_to_stderr(settings.log_format)
    return Registries(*build_registries(settings, engine_provider(settings)))


def document_of(descriptor: int, stop: StopSignal, registries: Callable[[], Registries] = registered) -> bytes:
    """The answer to what is read from ``descriptor``."""
    log_to_stderr()
    read = guarded(read_payload, descriptor, stop)
    document = not_run(read, "PAYLOAD") if isinstance(read, Failed) else _document(read, stop, registries)
    written = guarded(encoded, document)
    return encoded(not_run(written, None)) if isinstance(written, Failed) else written


def _document(content: bytes, stop: StopSignal, registries: Callable[[], Registries]) -> Document:
    made = guarded(registries)
    return not_run(made, None) if isinstance(made, Failed) else answered(content, made, stop)
