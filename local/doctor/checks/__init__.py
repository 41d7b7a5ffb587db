"""The checks: pure functions from facts to findings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from local.doctor.checks.concurrency import CONCURRENCY
from local.doctor.checks.host import HOST
from local.doctor.checks.keys import KEYS
from local.doctor.checks.locks import LOCKS
from local.doctor.checks.machine import MACHINE
from local.doctor.checks.queues import QUEUES
from local.doctor.checks.services import SERVICES
from local.doctor.checks.settings import SETTINGS
from local.doctor.facts import Facts
from local.doctor.findings import ORDER, Finding

Check = Callable[[Facts], Iterable[Finding]]

CHECKS: tuple[Check, ...] = (*SETTINGS, *KEYS, *HOST, *CONCURRENCY, *LOCKS, *QUEUES, *SERVICES, *MACHINE)


def examine(facts: Facts, checks: Sequence[Check] = CHECKS) -> list[Finding]:
    """The gravest first, and otherwise in the order of the checks."""
    found = [finding for check in checks for finding in check(facts)]
    return sorted(found, key=lambda finding: ORDER.index(finding.severity))
