"""What PostgreSQL and psycopg raise, in the words of :mod:`core.errors`: one rule for each SQLSTATE.

A rule is looked up by the five characters of the SQLSTATE, then by its class, the first two
(https://www.postgresql.org/docs/current/errcodes-appendix.html). A refused connection brings no SQLSTATE, since
libpq keeps it to itself: there the text is looked at, in the English in which Azure's servers speak.

The messages are our own. What the server says may quote values, and what libpq says of a connection string may quote
a password; both stay in the cause.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import ContextDecorator
from dataclasses import dataclass
from types import TracebackType
from typing import Literal

import psycopg
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests

from core.errors import (
    CapacityExceeded,
    CoreMachineError,
    StoreBusy,
    StoreFull,
    StoreInconsistent,
    StoreMisconfigured,
    StoreReadOnly,
    StoreSchemaMismatch,
    StoreUnavailable,
    TextNotStorable,
)


@dataclass(frozen=True, slots=True)
class Rule:
    error: type[CoreMachineError]
    message: str


AWAY = Rule(StoreUnavailable, "the database does not answer: check that it runs and can be reached, then try again")
STARTING = Rule(StoreUnavailable, "the database is starting, stopping or recovering: try again")
CROWDED = Rule(
    StoreUnavailable, "the database takes no more connections: lower DOCKER_DB_POOL_MAX or raise its max_connections"
)
EXHAUSTED = Rule(
    StoreUnavailable, "no connection of the pool became free in time: raise DOCKER_DB_POOL_MAX, or try again"
)
CLOSED = Rule(StoreUnavailable, "the connection pool is closed: this process is ending")
TIMED_OUT = Rule(StoreBusy, "the statement was cancelled, or ran into DATABASE_STATEMENT_TIMEOUT_SECONDS: try again")
LOCKED = Rule(StoreBusy, "a lock was not free within DATABASE_LOCK_TIMEOUT_SECONDS: try again")
COLLIDED = Rule(StoreBusy, "another transaction was in the way, and this one was rolled back: try again")
IDLE = Rule(StoreUnavailable, "the server ended a session that did nothing for too long: try again")
SERVER_TROUBLE = Rule(StoreUnavailable, "the database server has trouble with its own system: look at its log")
UNKNOWN_HOST = Rule(StoreUnavailable, "the name of the database's host was not resolved: check it, and the DNS")
READ_ONLY = Rule(
    StoreReadOnly,
    "the database takes no writes: it is a standby, or was set to read-only (Azure does so when storage runs out)",
)
FULL = Rule(StoreFull, "the database server is out of disk, memory or a configured limit: give it more, or free some")
SIGN_IN = Rule(
    StoreMisconfigured,
    "the database refused the sign-in: check user and password, the Entra token's identity, and the server's pg_hba",
)
NO_DATABASE = Rule(StoreMisconfigured, "there is no such database: create it, or name another")
PRIVILEGE = Rule(
    StoreMisconfigured, "the database user lacks a privilege: grant it the schema coremachine and what is in it"
)
TLS = Rule(
    StoreMisconfigured,
    "no trusted TLS connection: check the host name and sslrootcert, or choose another sslmode in DATABASE_URL "
    "or POSTGRES_SSLMODE",
)
POOLER = Rule(
    StoreMisconfigured,
    "a pooler between here and the database keeps no sessions: connect to the database itself, or pool by session",
)
BAD_PARAMETER = Rule(StoreMisconfigured, "a connection parameter has a value that cannot be: check DATABASE_URL")
SERVER_SETTINGS = Rule(StoreMisconfigured, "the server's configuration does not allow this: look at its log")
OTHER_SCHEMA = Rule(
    StoreSchemaMismatch, "the schema is not the code's: run python -m infrastructure.postgres.migrations"
)
NOT_STORABLE = Rule(TextNotStorable, "a text holds NUL, half of a surrogate pair, or what the database cannot write")
TOO_LARGE = Rule(CapacityExceeded, "a value or a statement is larger than PostgreSQL takes")
BROKEN_RULE = Rule(
    StoreInconsistent, "a constraint of the schema refused the write: this is a bug, nothing was written"
)
WRONG_SQL = Rule(StoreInconsistent, "the database refused our statement: this is a bug, nothing was written")

BY_CODE: Mapping[str, Rule] = {
    "22021": NOT_STORABLE,
    "22P02": NOT_STORABLE,
    "22P05": NOT_STORABLE,
    "25006": READ_ONLY,
    "25P03": IDLE,
    "25P04": TIMED_OUT,
    "42501": PRIVILEGE,
    "42701": OTHER_SCHEMA,
    "42703": OTHER_SCHEMA,
    "42704": OTHER_SCHEMA,
    "42710": OTHER_SCHEMA,
    "42723": OTHER_SCHEMA,
    "42883": OTHER_SCHEMA,
    "42P01": OTHER_SCHEMA,
    "42P05": POOLER,
    "42P06": OTHER_SCHEMA,
    "42P07": OTHER_SCHEMA,
    "42P10": OTHER_SCHEMA,
    "53300": CROWDED,
    "55006": LOCKED,
    "55P02": SERVER_SETTINGS,
    "55P03": LOCKED,
    "57014": TIMED_OUT,
    "57P04": NO_DATABASE,
    "57P05": IDLE,
}

BY_CLASS: Mapping[str, Rule] = {
    "08": AWAY,
    "0A": OTHER_SCHEMA,  # a cached plan that a migration made void, or a server older than the statement
    "0P": PRIVILEGE,
    "23": BROKEN_RULE,
    "26": POOLER,
    "28": SIGN_IN,
    "3D": NO_DATABASE,
    "3F": OTHER_SCHEMA,
    "40": COLLIDED,
    "44": BROKEN_RULE,
    "53": FULL,
    "54": TOO_LARGE,
    "57": STARTING,
    "58": SERVER_TROUBLE,
    "72": COLLIDED,
    "F0": SERVER_SETTINGS,
}

BY_TEXT: tuple[tuple[re.Pattern[str], Rule], ...] = tuple(
    (re.compile(pattern), rule)
    for pattern, rule in (
        (r'database ".*" does not exist', NO_DATABASE),
        (r'database ".*" is not currently accepting connections', NO_DATABASE),
        (r'role ".*" does not exist|role ".*" is not permitted to log in', SIGN_IN),
        (r"authentication failed|no password supplied|access token", SIGN_IN),
        (r"invalid \S+ value: |invalid port number|invalid integer value", BAD_PARAMETER),
        (r"certificate|server does not support SSL|no encryption", TLS),
        (r"pg_hba\.conf", SIGN_IN),
        (r"permission denied for database", PRIVILEGE),
        (r"session is read-only|server is in hot standby mode", READ_ONLY),
        (r"unsupported startup parameter", POOLER),
        (r"too many clients|too many connections|connection slots are reserved", CROWDED),
        (r"the database system is", STARTING),
        (r"failed to resolve host|could not translate host name", UNKNOWN_HOST),
        (r"unrecognized configuration parameter|invalid value for parameter", SERVER_SETTINGS),
    )
)

SPOILING = frozenset({"0A000", "25006", "26000", "42P05"})
"""After these a session is of no more use: its plans or prepared statements are void, or its server the wrong one."""


class Translated(ContextDecorator):
    """See :func:`translated`."""

    __slots__ = ()

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        if error is not None and isinstance(error, psycopg.Error | UnicodeEncodeError):
            raise translate(error) from error
        return False


_TRANSLATED = Translated()


def translated() -> Translated:
    """``with translated():`` or ``@translated()``: what psycopg raises leaves as an error of :mod:`core.errors`."""
    return _TRANSLATED


def translate(error: psycopg.Error | UnicodeEncodeError) -> CoreMachineError:
    """The error that ``error`` is outside. Its details are the SQLSTATE and the constraint, where there is one."""
    if isinstance(error, UnicodeEncodeError):
        return TextNotStorable(NOT_STORABLE.message)
    rule = rule_for(error)
    constraint = error.diag.constraint_name
    details = {"sqlstate": error.sqlstate, "constraint": constraint}
    return rule.error(rule.message, **{name: value for name, value in details.items() if value is not None})


def rule_for(error: psycopg.Error) -> Rule:
    """The one rule that applies to ``error``. What is not known is not retryable."""
    if error.sqlstate is not None:
        return BY_CODE.get(error.sqlstate) or BY_CLASS.get(error.sqlstate[:2], WRONG_SQL)
    if isinstance(error, PoolTimeout | TooManyRequests):
        return EXHAUSTED
    if isinstance(error, PoolClosed):
        return CLOSED
    text = str(error)
    if isinstance(error, psycopg.OperationalError):
        return _connection_rule(text)
    if isinstance(error, psycopg.DataError) and "NUL" in text:
        return NOT_STORABLE
    return WRONG_SQL


def spoils_session(error: BaseException | None) -> bool:
    """Whether ``error``, or what it was translated from, leaves a session that is of no more use."""
    found = error.__cause__ if isinstance(error, CoreMachineError) else error
    return isinstance(found, psycopg.Error) and found.sqlstate in SPOILING


def _connection_rule(text: str) -> Rule:
    return next((rule for pattern, rule in BY_TEXT if pattern.search(text)), AWAY)
