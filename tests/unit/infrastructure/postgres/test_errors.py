"""Each exception of psycopg and its pool becomes exactly one error of ours."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import psycopg_pool
import pytest
from psycopg import errors

from core.errors import (
    CapacityExceeded,
    CoreMachineError,
    DefinitionError,
    StoreBusy,
    StoreFull,
    StoreInconsistent,
    StoreMisconfigured,
    StoreReadOnly,
    StoreSchemaMismatch,
    StoreUnavailable,
    TextNotStorable,
)
from infrastructure.postgres.errors import BY_CLASS, BY_CODE, rule_for, spoils_session, translate, translated

SECRET = "hunter2"
OURS = {
    CapacityExceeded,
    StoreFull,
    StoreInconsistent,
    StoreMisconfigured,
    StoreBusy,
    StoreReadOnly,
    StoreSchemaMismatch,
    StoreUnavailable,
    TextNotStorable,
}


def tree(base: type[psycopg.Error]) -> Iterator[type[psycopg.Error]]:
    yield base
    for below in base.__subclasses__():
        yield from tree(below)


FOREIGN = sorted({cls for cls in tree(psycopg.Error) if cls.__module__.startswith("psycopg")}, key=lambda c: c.__name__)
SQLSTATES = {cls.sqlstate for cls in FOREIGN if cls.sqlstate}


def test_the_tree_is_the_whole_tree() -> None:
    assert {psycopg_pool.PoolTimeout, psycopg_pool.PoolClosed, psycopg_pool.TooManyRequests} <= set(FOREIGN)
    assert len(SQLSTATES) > 230


@pytest.mark.parametrize("cls", FOREIGN, ids=lambda cls: cls.__name__)
def test_every_class_becomes_one_of_ours_and_says_what_to_do_and_no_secret(cls: type[psycopg.Error]) -> None:
    found = translate(cls(f"connection to password={SECRET} failed"))

    assert type(found) in OURS
    assert len(found.message) > 20
    assert SECRET not in f"{found} {found.message} {found.details!r} {found!r}"


def test_every_rule_is_for_something_that_psycopg_can_raise() -> None:
    assert set(BY_CODE) <= SQLSTATES
    assert set(BY_CLASS) <= {code[:2] for code in SQLSTATES}


@pytest.mark.parametrize(
    ("cls", "expected"),
    [
        (errors.AdminShutdown, StoreUnavailable),
        (errors.CrashShutdown, StoreUnavailable),
        (errors.CannotConnectNow, StoreUnavailable),
        (errors.TooManyConnections, StoreUnavailable),
        (errors.ConnectionFailure, StoreUnavailable),
        (errors.ConnectionException, StoreUnavailable),
        (errors.SerializationFailure, StoreBusy),
        (errors.DeadlockDetected, StoreBusy),
        (errors.LockNotAvailable, StoreBusy),
        (errors.QueryCanceled, StoreBusy),
        (errors.IdleInTransactionSessionTimeout, StoreUnavailable),
        (errors.TransactionTimeout, StoreBusy),
        (errors.IoError, StoreUnavailable),
        (psycopg.OperationalError, StoreUnavailable),
        (errors.ConnectionTimeout, StoreUnavailable),
        (psycopg_pool.PoolTimeout, StoreUnavailable),
        (psycopg_pool.PoolClosed, StoreUnavailable),
        (errors.ReadOnlySqlTransaction, StoreReadOnly),
        (errors.DiskFull, StoreFull),
        (errors.OutOfMemory, StoreFull),
        (errors.ConfigurationLimitExceeded, StoreFull),
        (errors.InvalidPassword, StoreMisconfigured),
        (errors.InvalidCatalogName, StoreMisconfigured),
        (errors.InsufficientPrivilege, StoreMisconfigured),
        (errors.InvalidSqlStatementName, StoreMisconfigured),
        (errors.UndefinedTable, StoreSchemaMismatch),
        (errors.UndefinedColumn, StoreSchemaMismatch),
        (errors.UndefinedFunction, StoreSchemaMismatch),
        (errors.InvalidSchemaName, StoreSchemaMismatch),
        (errors.FeatureNotSupported, StoreSchemaMismatch),
        (errors.UntranslatableCharacter, TextNotStorable),
        (errors.CharacterNotInRepertoire, TextNotStorable),
        (errors.UniqueViolation, StoreInconsistent),
        (errors.CheckViolation, StoreInconsistent),
        (errors.ForeignKeyViolation, StoreInconsistent),
        (errors.SyntaxError, StoreInconsistent),
        (errors.NumericValueOutOfRange, StoreInconsistent),
        (errors.InFailedSqlTransaction, StoreInconsistent),
        (errors.InternalError_, StoreInconsistent),
        (psycopg.InterfaceError, StoreInconsistent),
        (psycopg.ProgrammingError, StoreInconsistent),
        (psycopg.DataError, StoreInconsistent),
        (errors.ProgramLimitExceeded, CapacityExceeded),
        (errors.StatementTooComplex, CapacityExceeded),
    ],
    ids=lambda value: value.__name__,
)
def test_what_becomes_of_the_ones_that_matter(cls: type[psycopg.Error], expected: type[CoreMachineError]) -> None:
    assert type(translate(cls("said in whatever language"))) is expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ('FATAL:  password authentication failed for user "ann"', StoreMisconfigured),
        ("fe_sendauth: no password supplied", StoreMisconfigured),
        ("FATAL:  The access token has expired. Acquire a new token and retry.", StoreMisconfigured),
        ('FATAL:  role "ann" does not exist', StoreMisconfigured),
        ('FATAL:  database "engine" does not exist', StoreMisconfigured),
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.9", user "ann", no encryption', StoreMisconfigured),
        ("server does not support SSL, but SSL was required", StoreMisconfigured),
        ("SSL error: certificate verify failed", StoreMisconfigured),
        ('root certificate file "/x/root.crt" does not exist', StoreMisconfigured),
        ('server certificate for "a.example" does not match host name "b.example"', StoreMisconfigured),
        ("FATAL:  unsupported startup parameter in options: jit", StoreMisconfigured),
        ('invalid sslmode value: "on"', StoreMisconfigured),
        ("session is read-only", StoreReadOnly),
        ("FATAL:  sorry, too many clients already", StoreUnavailable),
        ("FATAL:  the database system is starting up", StoreUnavailable),
        ("FATAL:  the database system is not yet accepting connections", StoreUnavailable),
        ("Connection refused\n\tIs the server running on that host?", StoreUnavailable),
        ("failed to resolve host 'db.example': [Errno -2] Name or service not known", StoreUnavailable),
        ("consuming input failed: SSL SYSCALL error: EOF detected", StoreUnavailable),
        ("the connection is closed", StoreUnavailable),
    ],
)  # fmt: skip
def test_a_refused_connection_is_told_by_its_text(said: str, expected: type[CoreMachineError]) -> None:
    assert rule_for(psycopg.OperationalError(f"connection failed: {said}")).error is expected


def test_a_missing_file_of_certificates_is_no_missing_database() -> None:
    assert "TLS" in rule_for(psycopg.OperationalError('root certificate file "database.crt" does not exist')).message


@pytest.mark.parametrize("code", ["ZZ999", "P0001", "HV000", "XX000", "22012"])
def test_what_is_not_known_is_not_retried(code: str) -> None:
    class Unheard(psycopg.DatabaseError):
        sqlstate = code

    found = translate(Unheard("?"))

    assert type(found) is StoreInconsistent
    assert not found.retryable
    assert found.details == {"sqlstate": code}


def test_a_text_with_nul_is_the_callers() -> None:
    found = translate(psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes"))

    assert type(found) is TextNotStorable
    assert not found.retryable


def test_the_cause_stays_with_the_error() -> None:
    cause = errors.DiskFull("could not extend file")

    with pytest.raises(StoreFull) as caught, translated():
        raise cause

    assert caught.value.__cause__ is cause
    assert caught.value.details == {"sqlstate": "53100"}
    assert caught.value.retryable


def test_half_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(TextNotStorable), translated():
        "\ud800".encode()


def test_it_is_a_decorator_too_and_may_be_nested() -> None:
    @translated()
    def refused() -> None:
        with translated():
            raise errors.UniqueViolation("twice")

    with pytest.raises(StoreInconsistent) as caught:
        refused()

    assert isinstance(caught.value.__cause__, errors.UniqueViolation)


@pytest.mark.parametrize(
    "error", [DefinitionError("ours"), KeyError("a bug"), UnicodeDecodeError("utf8", b"", 0, 1, "")]
)
def test_what_is_not_of_psycopg_is_left_alone(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, translated():
        raise error

    assert caught.value is error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errors.FeatureNotSupported("cached plan must not change result type"), True),
        (errors.ReadOnlySqlTransaction(""), True),
        (errors.InvalidSqlStatementName(""), True),
        (errors.DuplicatePreparedStatement(""), True),
        (errors.UniqueViolation(""), False),
        (KeyError(""), False),
        (None, False),
    ],
)
def test_some_errors_leave_a_session_that_is_of_no_more_use(error: BaseException | None, expected: bool) -> None:
    assert spoils_session(error) is expected
