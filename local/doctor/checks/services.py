"""The services outside: whether they answer, whether they are the ones that the code wants, and their clocks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from infrastructure.postgres.migrations import COMMAND, OLDEST_SERVER
from local.doctor.facts import (
    BusTold,
    DatabaseTold,
    Facts,
    Offset,
    Schema,
    SchemaCurrent,
    SchemaOlder,
    SchemaOther,
    SchemaUnknown,
    StorageTold,
    Unreachable,
)
from local.doctor.findings import Code, Finding, Severity, error

SKEW_WARNING, SKEW_ERROR = 5.0, 60.0
"""Seconds. A lease is measured by the clock of who looks; signatures are refused from five minutes on."""


def answers(facts: Facts) -> Iterator[Finding]:
    for code, about, fact, fix in (
        (Code.DATABASE_UNREACHABLE, "database", facts.database, "check address, sign-in and firewall; does it run?"),
        (Code.BUS_UNREACHABLE, "service bus", facts.bus, "check the host, the key and the firewall; does it run?"),
        (
            Code.STORAGE_UNREACHABLE,
            "storage",
            facts.storage,
            "check the account, the key and the firewall; does it run?",
        ),
    ):
        if isinstance(fact, Unreachable):
            yield error(code, about, f"it was not reached, so nothing can work: {fact.reason}", fix)


def database(facts: Facts) -> Iterator[Finding]:
    if not isinstance(facts.database, DatabaseTold):
        return
    found = facts.database
    if found.major < OLDEST_SERVER:
        problem = f"PostgreSQL {found.major} has not what our statements use"
        yield error(Code.DATABASE_TOO_OLD, "database", problem, f"move to PostgreSQL {OLDEST_SERVER} or later")
    if found.encoding != "UTF8":
        problem = f"it is in {found.encoding}, which cannot hold every text: submitting some jobs fails"
        yield error(Code.DATABASE_ENCODING, "database", problem, "make a database with ENCODING 'UTF8'")
    yield from _schema(found.schema)


def _schema(schema: Schema) -> Iterator[Finding]:
    match schema:
        case SchemaCurrent():
            return
        case SchemaOlder(missing):
            problem = f"it lacks {missing} migration{'' if missing == 1 else 's'} of this code: each call fails"
            yield error(Code.SCHEMA_OLDER, "database schema", problem, f"run {COMMAND}")
        case SchemaOther(reason):
            fix = "deploy the code that made it, or go on with another database"
            yield error(Code.SCHEMA_NEWER, "database schema", f"{reason}: each call fails", fix)
        case SchemaUnknown(reason):
            problem = f"it answers, and its schema cannot be read: {reason}"
            yield error(Code.DATABASE_UNREACHABLE, "database schema", problem, "give its user the right to read it")
        case _:
            assert_never(schema)


def clocks(facts: Facts) -> Iterator[Finding]:
    offsets = (
        ("database", facts.database.offset if isinstance(facts.database, DatabaseTold) else None),
        ("service bus", facts.bus.offset if isinstance(facts.bus, BusTold) else None),
        ("storage", facts.storage.offset if isinstance(facts.storage, StorageTold) else None),
    )
    for about, offset in offsets:
        if offset is not None:
            yield from _skew(about, offset)


def _skew(about: str, offset: Offset) -> Iterator[Finding]:
    certain = abs(offset.seconds) - offset.within
    if certain < SKEW_WARNING:
        return
    grave = Severity.ERROR if certain >= SKEW_ERROR else Severity.WARNING
    side = "behind" if offset.seconds > 0 else "ahead of"
    problem = (
        f"this machine's clock is {abs(offset.seconds):.0f} s {side} that of the {about}: leases end too early or too "
        "late, and from some minutes on signatures are refused"
    )
    yield Finding(Code.CLOCK_SKEW, grave, about, problem, "set the clock by NTP, here or there")


SERVICES = (answers, database, clocks)
