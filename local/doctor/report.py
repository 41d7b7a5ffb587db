"""What the doctor says, for people and for scripts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import assert_never

from local.client.text import printable
from local.doctor.facts import (
    BusFact,
    BusTold,
    DatabaseFact,
    DatabaseTold,
    Facts,
    NotNamed,
    QueueTold,
    StorageFact,
    StorageTold,
    Unreachable,
)
from local.doctor.findings import ORDER, Finding
from local.doctor.hiding import hidden

INDENT = " " * 9


def text_report(findings: Sequence[Finding], facts: Facts, secrets: frozenset[str]) -> str:
    lines = [line for finding in findings for line in _lines(finding)]
    lines += [f"{name:<12}{what}" for name, what in looked_at(facts).items()]
    return "\n".join(hidden(printable(line), secrets) for line in [*lines, "", _counts(findings)])


def json_report(findings: Sequence[Finding], facts: Facts, secrets: frozenset[str]) -> str:
    """One object: ``findings``, ``counts`` by severity, ``looked_at``."""
    return json.dumps(
        {
            "findings": [_record(finding, secrets) for finding in findings],
            "counts": {str(grave): _count(findings, grave) for grave in ORDER},
            "looked_at": {name: hidden(what, secrets) for name, what in looked_at(facts).items()},
        },
        indent=2,
    )


def looked_at(facts: Facts) -> dict[str, str]:
    """What was there to be asked."""
    return {
        "settings": f"{len(facts.settings.file_names)} in the file, {len(facts.settings.named.given)} name services",
        "handlers": "not registered" if isinstance(facts.handlers, str) else f"{len(facts.handlers)}",
        "database": _database(facts.database),
        "bus": _bus(facts.bus),
        "storage": _storage(facts.storage),
    }


def _lines(finding: Finding) -> list[str]:
    return [
        f"{finding.severity:<9}{finding.code}  {finding.about}",
        f"{INDENT}{finding.problem}",
        f"{INDENT}Fix: {finding.fix}",
        "",
    ]


def _record(finding: Finding, secrets: frozenset[str]) -> dict[str, str]:
    return {
        "code": str(finding.code),
        "severity": str(finding.severity),
        "about": hidden(finding.about, secrets),
        "problem": hidden(finding.problem, secrets),
        "fix": hidden(finding.fix, secrets),
    }


def _counts(findings: Sequence[Finding]) -> str:
    told = [f"{_count(findings, grave)} {grave}{'' if _count(findings, grave) == 1 else 's'}" for grave in ORDER]
    return ", ".join(told)


def _count(findings: Sequence[Finding], severity: str) -> int:
    return sum(finding.severity == severity for finding in findings)


def _database(fact: DatabaseFact) -> str:
    match fact:
        case DatabaseTold():
            return f"PostgreSQL {fact.major}, {fact.connections} connections"
        case Unreachable():
            return "not reached"
        case NotNamed():
            return "not named"
        case _:
            assert_never(fact)


def _bus(fact: BusFact) -> str:
    match fact:
        case BusTold():
            told = sum(isinstance(queue, QueueTold) for queue in fact.queues)
            return f"{fact.address}, {told} of {len(fact.queues)} queues told how they are set up"
        case Unreachable():
            return "not reached"
        case NotNamed():
            return "not named"
        case _:
            assert_never(fact)


def _storage(fact: StorageFact) -> str:
    match fact:
        case StorageTold():
            return fact.address
        case Unreachable():
            return "not reached"
        case NotNamed():
            return "not named"
        case _:
            assert_never(fact)
