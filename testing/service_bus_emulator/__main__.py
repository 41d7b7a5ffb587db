"""``python -m testing.service_bus_emulator --config Config.json``: the emulator alone.

The first line that it prints is the connection string. It ends on SIGTERM and SIGINT.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import signal
import ssl
import sys
from dataclasses import replace
from pathlib import Path

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

from core.errors import CoreMachineError, InvalidInput
from testing.service_bus_emulator.broker.config import EMULATOR_RULES, read_config
from testing.service_bus_emulator.broker.faults import FaultPlan, read_faults
from testing.service_bus_emulator.broker.journal import Journal
from testing.service_bus_emulator.broker.namespace import Namespace
from testing.service_bus_emulator.broker.rules import Tier
from testing.service_bus_emulator.cbs import AccessKey
from testing.service_bus_emulator.server import DEFAULT_KEY, Limits, Server

WRONG_USE = 2
_COLLECTED_EVERY = 50_000  # objects; what waits in a queue is none of the collector's business


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        asyncio.run(_serve(options))
    except CoreMachineError as error:
        sys.stderr.write(f"{error.code}: {error.message}\n")
        return WRONG_USE
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m testing.service_bus_emulator", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="the official emulator's Config.json")
    parser.add_argument("--port", type=int, default=5672, help="0 takes a free one (default: 5672)")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: this machine alone)")
    parser.add_argument("--key", action="append", metavar="NAME=KEY", help="instead of the official emulator's key")
    parser.add_argument("--tier", choices=[tier.value for tier in Tier], default=Tier.STANDARD.value)
    parser.add_argument("--journal", type=Path, help="a file that keeps the messages from one run to the next")
    parser.add_argument("--sync", action="store_true", help="wait for the disk at each change of the journal")
    parser.add_argument("--faults", type=Path, help="JSON: what shall go wrong")
    parser.add_argument("--seed", type=int, default=0, help="of the faults")
    parser.add_argument("--tls-certificate", type=Path, help="PEM; with it the port speaks TLS")
    parser.add_argument("--tls-key", type=Path, help="PEM; where it is not in the certificate's file")
    parser.add_argument("--idle-seconds", type=float, default=Limits().idle_seconds, help="a silent connection's life")
    return parser


async def _serve(options: argparse.Namespace) -> None:
    _prepare_process()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    journal = None if options.journal is None else Journal(options.journal, sync=options.sync)
    try:
        server = _server(options, journal)
        await server.listen(options.host, options.port, _tls(options))
        sys.stdout.write(server.connection_string(options.host) + "\n")
        sys.stdout.flush()
        await stop.wait()
        await server.close()
    finally:
        if journal is not None:
            journal.close()


def _prepare_process() -> None:
    gc.freeze()
    gc.set_threshold(_COLLECTED_EVERY, 20, 20)
    if resource is not None:
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _server(options: argparse.Namespace, journal: Journal | None) -> Server:
    base = replace(EMULATOR_RULES, tier=Tier(options.tier))
    config = read_config(options.config.read_text(encoding="utf-8"), base)
    faults = FaultPlan() if options.faults is None else read_faults(options.faults.read_text("utf-8"), options.seed)
    return Server(
        Namespace(config.queues, journal=journal),
        keys=[_key(text) for text in options.key] if options.key else [DEFAULT_KEY],
        limits=Limits(idle_seconds=options.idle_seconds),
        faults=faults,
    )


def _key(text: str) -> AccessKey:
    name, is_given, key = text.partition("=")
    if not (name and is_given and key):
        raise InvalidInput("a key is given as NAME=KEY")
    return AccessKey(name, key)


def _tls(options: argparse.Namespace) -> ssl.SSLContext | None:
    if options.tls_certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(options.tls_certificate, options.tls_key)
    return context


if __name__ == "__main__":
    sys.exit(main())
