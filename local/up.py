"""``python -m local host``: reads the settings, loads the app, serves it until Ctrl-C or SIGTERM."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from local.errors import AppInvalid, SettingsInvalid
from local.functions_host.annotations import extension_imported
from local.functions_host.auth import Keys
from local.functions_host.console import log_to
from local.functions_host.functions import IndexedFunction, index_app
from local.functions_host.host import build_host
from local.functions_host.host_file import HostSettings, read_host_file
from local.functions_host.invocation import Invoker
from local.functions_host.listing import listing
from local.functions_host.loading import load_app
from local.functions_host.rules import validate
from local.functions_host.server import DEFAULT_GRACE_SECONDS, LOOPBACK, HostServer, base_url, bind
from local.settings_file import (
    EXAMPLE_NAME,
    FILE_NAME,
    LocalSettings,
    create_settings_file,
    merged_environment,
    read_settings_file,
)

READY = "Listening on"
CUT_OFF = 1
LAST_MOMENT_SECONDS = 2.0
"""What ends by itself so soon after the host is not cut off."""
HARNESS_THREAD = "test-endpoint"
"""The name of the threads in which :mod:`testing.endpoints.service` runs handlers, past their time limit too."""


@dataclass(frozen=True, slots=True)
class UpOptions:
    """``port`` ``None`` is the settings file's.

    ``host_file`` and ``settings_file`` ``None`` are those in the script root; that settings file is made when it is
    not there. ``while_stdin`` stops the host when its standard input ends, which it does with the process that holds
    the other end.
    """

    script_root: Path = Path()
    host_file: Path | None = None
    settings_file: Path | None = None
    address: str = LOOPBACK
    port: int | None = None
    enable_auth: bool = False
    grace_seconds: int = DEFAULT_GRACE_SECONDS
    while_stdin: bool = False


def up(options: UpOptions) -> int:
    """Runs until a signal. 0 when everything stopped in order, 1 when a function has to be cut off.

    The caller ends the process with :func:`local.ending.end_process`. Raises :class:`local.errors.LocalError` when it
    cannot start.
    """
    if options.while_stdin:
        stop_at_end_of_stdin()
    root = options.script_root.resolve()
    settings = _own_settings(root) if options.settings_file is None else _named_settings(options.settings_file)
    host = read_host_file(options.host_file.resolve() if options.host_file else root / "host.json")
    keys = _enforced_keys(settings.keys, options.enable_auth)
    with bind(options.address, settings.port if options.port is None else options.port) as bound:
        _warn_if_open(options.address, keys)
        os.environ.update(merged_environment(settings.values, os.environ))
        os.chdir(root)
        functions = _load(root)
        application = _Application(functions, host, settings, keys)
        unfinished = _serve(application, bound, options.grace_seconds)
    return _say_how_it_ended(unfinished)


def stop_at_end_of_stdin() -> None:
    """From now on the end of the standard input is a SIGTERM."""
    threading.Thread(target=_stop_at_end_of_stdin, name="stdin", daemon=True).start()


def _stop_at_end_of_stdin() -> None:
    with suppress(OSError):
        while os.read(0, 4096):
            pass
    os.kill(os.getpid(), signal.SIGTERM)


def _named_settings(path: Path) -> LocalSettings:
    if not path.is_file():
        raise SettingsInvalid(f"there is no {path}")
    return read_settings_file(path)


def _own_settings(root: Path) -> LocalSettings:
    if create_settings_file(root):
        print(f"Created {FILE_NAME} from {EXAMPLE_NAME}: it is yours to change, and not in git.")
    return read_settings_file(root / FILE_NAME)


def _enforced_keys(keys: Keys, enable_auth: bool) -> Keys | None:
    """Keys that are there are enforced. Raises :class:`SettingsInvalid` when they should be and there is none."""
    if enable_auth and not keys:
        raise SettingsInvalid(
            f'--enable-auth needs keys: add "Keys": {{"master": "...", "host": {{"default": "..."}}}}'
            f' under "Host" in {FILE_NAME}'
        )
    return keys or None


def _warn_if_open(address: str, keys: Keys | None) -> None:
    if keys is None and address not in (LOOPBACK, "::1", "localhost"):
        print(f"Warning: {address} may be reached from other machines, and no key is asked for.", file=sys.stderr)


def _load(root: Path) -> tuple[IndexedFunction, ...]:
    functions = index_app(load_app(root, os.environ))
    problems = validate(functions, extension_imported(), os.environ)
    if problems:
        lines = "\n".join(f"  {problem}" for problem in problems)
        raise AppInvalid(f"the real host would not run this app:\n{lines}")
    return functions


@dataclass(frozen=True, slots=True)
class _Application:
    functions: Sequence[IndexedFunction]
    host: HostSettings
    settings: LocalSettings
    keys: Keys | None


def _serve(application: _Application, bound: socket.socket, grace_seconds: int) -> tuple[str, ...]:
    """What still runs after the end, by name."""
    url = base_url(bound)
    log_to(sys.stdout, os.environ)
    prefix, keys = application.host.route_prefix, application.keys
    host = build_host(application.functions, application.host, os.environ, keys, extension_imported())
    print(listing(host.functions, url, prefix, enforced=keys is not None))
    app = _with_cors(host.application, application.settings)
    server = HostServer(app, lambda: _say_ready(url), grace_seconds, host.listeners)
    with _ends_at_signals():
        server.run(sockets=[bound])
    host.invoker.close()
    return _unfinished(host.invoker, server)


def _with_cors(app: ASGIApp, settings: LocalSettings) -> ASGIApp:
    if not settings.cors_origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=settings.cors_origins,
        allow_methods=["*"],
        allow_headers=["*"],
        allow_credentials=settings.cors_credentials,
    )


def _say_ready(url: str) -> None:
    print(f"{READY} {url} (Ctrl-C stops)", flush=True)


@contextmanager
def _ends_at_signals() -> Iterator[None]:
    """uvicorn raises the signal again once it has stopped; here that is the end of the command, not of the process."""
    handled = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: None) for number in handled}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _unfinished(invoker: Invoker, server: HostServer) -> tuple[str, ...]:
    harness = [thread.name for thread in threading.enumerate() if thread.name == HARNESS_THREAD]
    waiting = [] if harness else ["a thread of an async function"] * server.threads.busy(LAST_MOMENT_SECONDS)
    return (*invoker.running, *harness, *waiting)


def _say_how_it_ended(unfinished: Sequence[str]) -> int:
    if not unfinished:
        print("Stopped.", flush=True)
        return 0
    print(f"Stopped; cut off: {', '.join(unfinished)}", flush=True)
    return CUT_OFF
