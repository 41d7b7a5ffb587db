"""``python -m docker_worker.child``: started by the worker, which talks to it over standard input and output.

Exit codes: 0 the worker has ended, 1 it cannot start.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable

from core.errors import CoreMachineError
from core.system import SystemClock
from docker_worker.child.server import Channel, serve

_log = logging.getLogger(__name__)


def main() -> int:
    channel = Channel()  # before anything is imported that might print
    from infrastructure.logs import log_to_stderr  # noqa: PLC0415

    log_to_stderr()
    try:
        _serve(channel)
    except CoreMachineError as error:
        _log.error("child_failed", extra={"code": error.code, "reason": error.message})
        return 1
    return 0


def _serve(channel: Channel) -> None:
    from docker_worker.child.secret_settings import forget_secrets  # noqa: PLC0415
    from docker_worker.engines import engine_provider  # noqa: PLC0415
    from infrastructure.blob_storage.connection import blob_service  # noqa: PLC0415
    from infrastructure.blob_storage.store import AzureBlobStore  # noqa: PLC0415
    from infrastructure.logs import log_to_stderr  # noqa: PLC0415
    from infrastructure.settings import Settings  # noqa: PLC0415
    from infrastructure.wiring import build_registries  # noqa: PLC0415

    settings = Settings.from_environment(os.environ)
    forget_secrets(os.environ)
    log_to_stderr(settings.log_format)
    engines = engine_provider(settings)
    _, handlers = build_registries(settings, engines)
    blobs = AzureBlobStore(blob_service(settings), settings.storage_container)
    serve(handlers, blobs, SystemClock(), warm_up=_warm_up(settings.docker_warm_up, engines), channel=channel)


def _warm_up(quality: str, engines: Callable[..., object]) -> Callable[[], object]:
    from handlers.document.engine import EngineChoice, Quality  # noqa: PLC0415

    return (lambda: None) if quality == "none" else (lambda: engines(EngineChoice(Quality(quality))))


if __name__ == "__main__":
    sys.exit(main())
