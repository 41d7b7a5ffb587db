"""Whether this process lives, whether it can work, and what operators want to know of it."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata

from core.system import SystemClock
from infrastructure.web.answers import Answer, AnyAnswer, conditional, json_answer
from infrastructure.web.errors import NotReady
from infrastructure.web.models import (
    AliveReply,
    CheckReply,
    HealthReply,
    NoBody,
    ProvidersReply,
    ReadyReply,
)
from infrastructure.web.parts import WebParts
from infrastructure.web.probes import Check, Probe
from infrastructure.web.query import NoQuery
from infrastructure.web.routes import Call, Service
from infrastructure.web.secrets import without_secrets

CONFIGURATION = "configuration"
"""The check that fails where the parts cannot be made, or not in time."""

STATISTICS = "statistics"
"""Asked for as a check is, and told as one where it fails."""

PACKAGES = ("azure-functions", "azure-servicebus", "azure-storage-blob", "fastapi", "psycopg", "pydantic")

NoCall = Call[NoQuery, NoBody]


async def livez(_service: Service, _call: NoCall) -> AnyAnswer:
    """Asks nothing of anybody: a process whose database is away need not be killed."""
    return json_answer(AliveReply())


async def readyz(service: Service, _call: NoCall) -> AnyAnswer:
    """Raises :class:`NotReady` with the code of each check that failed."""
    _, probes = await _checked(service, lambda parts: parts.checks)
    failed = {probe.name: probe.error.code for probe in probes if probe.error is not None}
    if failed:
        raise _not_ready(failed)
    return json_answer(ReadyReply(checks=[probe.name for probe in probes]))


def _not_ready(failed: Mapping[str, str]) -> NotReady:
    return NotReady("not ready: " + ", ".join(sorted(failed)), checks=dict(failed))


async def health(service: Service, _call: NoCall) -> AnyAnswer:
    """A report, so 200 whatever it tells."""
    parts, probes = await _checked(service, lambda parts: {**parts.checks, STATISTICS: parts.statistics})
    statistics = next((probe.value for probe in probes if isinstance(probe.value, Mapping)), {})
    checks = [_check(probe) for probe in probes if probe.name != STATISTICS or probe.error is not None]
    return json_answer(
        HealthReply(
            status="healthy" if all(check.ok for check in checks) else "unhealthy",
            time=(parts.clock if parts is not None else SystemClock()).now(),
            checks=checks,
            versions=versions(),
            statistics=without_secrets(statistics),
        )
    )


def providers(parts: WebParts, _call: NoCall) -> AnyAnswer:
    """The adapters that were actually resolved."""
    found = {name: without_secrets(told) for name, told in parts.providers().items()}
    return json_answer(ProvidersReply(providers=found))


async def openapi(service: Service, call: NoCall) -> AnyAnswer:
    """The contract, which changes with the code only."""
    answer = Answer(200, service.contract(), headers={"Cache-Control": "no-cache"})
    return conditional(answer, call.headers.get("if-none-match"))


def versions() -> dict[str, str]:
    """Python's, and those of the packages that are there."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


async def _checked(
    service: Service, checks: Callable[[WebParts], Mapping[str, Check]]
) -> tuple[WebParts | None, Sequence[Probe]]:
    """The parts, made as a check is, and what their checks came to; all in the time of one check."""
    began = service.probes.now()
    (made,) = await service.probes.run({CONFIGURATION: service.make_parts}, began)
    if not isinstance(made.value, WebParts):
        return None, [made]
    return made.value, await service.probes.run(checks(made.value), began)


def _check(probe: Probe) -> CheckReply:
    error = probe.error
    return CheckReply(
        name=probe.name,
        ok=error is None,
        code=error.code if error is not None else None,
        message=error.message if error is not None else "",
        milliseconds=probe.milliseconds,
    )
