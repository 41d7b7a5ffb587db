"""Migrations: numbered files that are applied once and in order, by any number of processes that start at once.

``python -m infrastructure.postgres.migrations`` applies what is missing, ``--check`` only says whether something is. A
file that was applied is never changed: what it did is changed by the next one. ``schema.sql`` is what all of them come
to; it is there to be read.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
from psycopg import Connection
from psycopg.pq import TransactionStatus

from core.errors import CoreMachineError, StoreMisconfigured, StoreSchemaMismatch
from infrastructure.postgres.connection import ConnectionSource
from infrastructure.postgres.errors import translate, translated
from infrastructure.postgres.sql_blocks import load_blocks
from infrastructure.settings import Settings

FOLDER = Path(__file__).with_name("migrations")
OLDEST_SERVER = 15

COMMAND = "python -m infrastructure.postgres.migrations"

AnyConnection = Connection[Any]


@dataclass(frozen=True, slots=True)
class Migration:
    """``name`` is that of the file without its ending, ``sha256`` that of its text with Unix line ends."""

    version: int
    name: str
    statements: str

    @property
    def sha256(self) -> str:
        return sha256(self.statements.encode()).hexdigest()


def read_migrations(folder: Path = FOLDER) -> tuple[Migration, ...]:
    """Every ``NNNN_name.sql`` of a folder, in order.

    Raises :class:`ValueError` for a file of another name, and where the numbers are not 1, 2, 3 and so on.
    """
    found = sorted(folder.glob("*.sql"))
    migrations = tuple(_read(path) for path in found)
    for migration, expected in zip(migrations, count(1), strict=False):
        if migration.version != expected:
            raise ValueError(f"{migration.name}: the next number is {expected:04}")
    return migrations


def migrate(connection: AnyConnection, migrations: Sequence[Migration] | None = None) -> tuple[str, ...]:
    """Apply what is not yet applied, each in a transaction of its own; the names of those.

    Whoever comes while another process migrates waits for it, ten minutes at most. Raises
    :class:`StoreSchemaMismatch` where the database has a migration that is not among ``migrations``, or has one
    otherwise; then, and where a migration fails, that migration has changed nothing. ``connection`` is in no
    transaction. Its user needs no right to create anything where nothing is missing.
    """
    wanted = read_migrations() if migrations is None else migrations
    done: list[str] = []
    with translated(), _autocommit(connection):
        _check_server(connection)
        while (name := _apply_next(connection, wanted)) is not None:
            done.append(name)
    return tuple(done)


def check_schema(connection: AnyConnection, migrations: Sequence[Migration] | None = None) -> None:
    """Return where the database has exactly the schema of ``migrations``.

    Raises :class:`StoreSchemaMismatch` where it is older, newer or another, and :class:`StoreMisconfigured` for a
    server that is too old or a database that is not in UTF-8.
    """
    wanted = read_migrations() if migrations is None else migrations
    idle = connection.info.transaction_status is TransactionStatus.IDLE
    with translated(), _autocommit(connection) if idle else nullcontext():
        _check_server(connection)
        missing = _missing(connection, wanted)
    if missing:
        raise StoreSchemaMismatch(f"the schema is older than the code: run {COMMAND}", missing=len(missing))


def _read(path: Path) -> Migration:
    match = re.fullmatch(r"(\d{4})_[a-z0-9_]+", path.stem)
    if match is None:
        raise ValueError(f"{path.name}: a migration is called NNNN_name.sql")
    return Migration(int(match[1]), path.stem, path.read_text("utf-8"))


def _apply_next(connection: AnyConnection, wanted: Sequence[Migration]) -> str | None:
    if not _missing(connection, wanted):
        return None
    with connection.transaction():
        for step in ("see_what_others_did", "be_patient", "one_at_a_time"):
            connection.execute(_sql()[step])
        missing = _missing(connection, wanted)
        if not missing:
            return None
        connection.execute(_sql()["give_way"])
        _prepare(connection)
        _apply(connection, missing[0])
    return missing[0].name


def _apply(connection: AnyConnection, migration: Migration) -> None:
    try:
        connection.execute(migration.statements.encode())
    except psycopg.Error as error:
        found = translate(error)
        raise type(found)(f"{migration.name} was not applied: {found.message}", **found.details) from error
    values = {"version": migration.version, "name": migration.name, "sha256": migration.sha256}
    connection.execute(_sql()["record"], values)


def _prepare(connection: AnyConnection) -> None:
    if not _flag(connection, "schema_exists"):
        connection.execute(_sql()["create_schema"])
    if not _flag(connection, "bookkeeping_exists"):
        connection.execute(_sql()["create_bookkeeping"])


def _missing(connection: AnyConnection, wanted: Sequence[Migration]) -> Sequence[Migration]:
    """What is to be applied. Raises :class:`StoreSchemaMismatch` where what was applied is not what we know."""
    applied = connection.execute(_sql()["applied"]).fetchall() if _flag(connection, "bookkeeping_exists") else []
    for position, (_, name, digest) in enumerate(applied):
        if position >= len(wanted):
            message = f"the schema is newer than the code: the database has {name}, so run the code that brought it"
            raise StoreSchemaMismatch(message, migration=name)
        if (wanted[position].name, wanted[position].sha256) != (name, digest):
            message = f"{wanted[position].name} is not what was applied: restore it, and change the schema in a new one"
            raise StoreSchemaMismatch(message, migration=name)
    return wanted[len(applied) :]


def _check_server(connection: AnyConnection) -> None:
    major = connection.info.server_version // 10_000
    if major < OLDEST_SERVER:
        raise StoreMisconfigured(f"PostgreSQL {major} is too old: {OLDEST_SERVER} or later is needed")
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise StoreMisconfigured(f"the database is in {encoding}, which cannot hold every text: create one in UTF8")


def _flag(connection: AnyConnection, name: str) -> bool:
    row = connection.execute(_sql()[name]).fetchone()
    return row is not None and bool(row[0])


@contextmanager
def _autocommit(connection: AnyConnection) -> Iterator[None]:
    before = connection.autocommit
    connection.autocommit = True
    try:
        yield
    finally:
        if not connection.closed:
            connection.autocommit = before


@cache
def _sql() -> dict[str, Any]:
    return dict(load_blocks("migrations.sql"))


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """The exit code: 0 where the schema is the code's in the end, 1 otherwise."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="Bring the database's schema up to the code's.")
    parser.add_argument("--check", action="store_true", help="apply nothing; fail where something is missing")
    only_check = parser.parse_args(arguments).check
    try:
        source = ConnectionSource.from_settings(Settings.from_environment(environment))
        with source.connect() as connection:
            if only_check:
                check_schema(connection)
            else:
                _say([f"applied {name}" for name in migrate(connection)])
    except CoreMachineError as error:
        sys.stderr.write(f"{error.code}: {error.message}\n")
        return 1
    _say([f"the schema is that of {read_migrations()[-1].name}"])
    return 0


def _say(lines: Sequence[str]) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:], os.environ))
