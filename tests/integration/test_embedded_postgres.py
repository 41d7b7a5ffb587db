"""The embedded server for real: starts, stops, crashes, and what it says when it cannot start."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest

import local.postgres
from local.errors import LocalError, PortUnavailable
from local.postgres import LOOPBACK, NOT_DURABLE, EmbeddedPostgres
from local.postgres_binaries import embedded_folder
from local.postgres_errors import (
    BinariesMissing,
    DataDirectoryUnusable,
    DiskFull,
    LocaleMissing,
    NotPermitted,
    PostgresError,
)

ROOT = Path(__file__).resolve().parents[2]
NO_FSYNC = {"fsync": "off"}
"""What was committed survives a crash of the server, though not one of the machine."""

for_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as somebody else")


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that the server's user reaches, which for root is not so of pytest's own."""
    with tempfile.TemporaryDirectory(prefix="coremachine-test-") as name:
        path = Path(name)
        path.chmod(0o711)
        yield path


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(settings={**NO_FSYNC, "max_connections": "17", "shared_buffers": "16MB"}) as server:
        yield server


def ask(uri: str, query: str) -> object:
    with psycopg.connect(uri) as connection:
        found = connection.execute(query.encode()).fetchone()
    assert found is not None
    return found[0]


def write(uri: str, word: str) -> None:
    with psycopg.connect(uri) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS words (word text)")
        connection.execute("INSERT INTO words VALUES (%s)", [word])


def words(uri: str) -> set[str]:
    with psycopg.connect(uri) as connection:
        return {row[0] for row in connection.execute("SELECT word FROM words")}


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        threading.Event().wait(0.01)


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


# --- it runs ---


def test_it_has_the_settings_and_listens_to_nobody_but_its_socket(server: EmbeddedPostgres) -> None:
    assert ask(server.uri, "SHOW max_connections") == "17"
    assert ask(server.uri, "SHOW shared_buffers") == "16MB"
    assert ask(server.uri, "SHOW listen_addresses") == ""
    assert ask(server.uri, "SHOW server_version") == server.version
    assert stat.S_IMODE(server.data_directory.stat().st_mode) == 0o700


def test_starting_what_runs_changes_nothing(server: EmbeddedPostgres) -> None:
    pid = server.pid

    server.start()

    assert server.pid == pid


def test_a_stop_and_a_start_keep_the_data_and_the_url(server: EmbeddedPostgres) -> None:
    uri = server.uri
    write(uri, "stopped")

    server.stop()
    assert not server.running
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(uri)
    server.stop()
    server.start()

    assert server.uri == uri
    assert "stopped" in words(uri)
    assert "not properly shut down" not in server.log


def test_an_immediate_stop_is_recovered_from(server: EmbeddedPostgres) -> None:
    write(server.uri, "crashed")
    with closing(psycopg.connect(server.uri)) as session:
        session.execute("INSERT INTO words VALUES ('not committed')")

        server.stop("immediate")
        server.start()

    assert "not properly shut down" in server.log
    assert "crashed" in words(server.uri)
    assert "not committed" not in words(server.uri)


def test_a_killed_server_is_noticed_and_starts_again(server: EmbeddedPostgres) -> None:
    write(server.uri, "killed")

    os.kill(server.pid, signal.SIGKILL)
    wait_until(lambda: not server.running)
    server.start()

    assert "killed" in words(server.uri)


def test_nothing_is_left_of_a_server_that_was_killed_and_not_started_again() -> None:
    with EmbeddedPostgres(settings=NOT_DURABLE) as server:
        segment = (server.data_directory / "postmaster.pid").read_text("ascii").splitlines()[6].split()[1]
        os.kill(server.pid, signal.SIGKILL)
        wait_until(lambda: not server.running)

    there = [row.split()[1] for row in Path("/proc/sysvipc/shm").read_text("ascii").splitlines()]
    assert segment not in there
    assert not server.running


def test_a_start_waits_for_what_a_killed_server_left_running(
    server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(psycopg.connect(server.uri)) as session:
        left = session.info.backend_pid
        os.kill(left, signal.SIGSTOP)
        os.kill(server.pid, signal.SIGKILL)
        wait_until(lambda: not server.running)
        waits: list[float] = []

        def let_it_go(seconds: float) -> None:
            waits.append(seconds)
            if len(waits) == 1:
                os.kill(left, signal.SIGCONT)
                wait_until(lambda: gone(left))

        monkeypatch.setattr(local.postgres, "time", SimpleNamespace(monotonic=time.monotonic, sleep=let_it_go))
        server.start()

    assert waits
    assert ask(server.uri, "SELECT 1") == 1


def test_two_run_side_by_side(server: EmbeddedPostgres) -> None:
    write(server.uri, "first")

    with EmbeddedPostgres(settings=NOT_DURABLE, port=0) as other:
        write(other.uri, "second")

        assert words(other.uri) == {"second"}
        assert "second" not in words(server.uri)
        assert f"@{LOOPBACK}:" in other.uri
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(other.uri.replace("@", "x@"))
        scratch = other.data_directory.parent
        pid = other.pid
    assert not scratch.exists()
    assert gone(pid)


def test_a_data_directory_that_was_given_is_kept_and_its_url_stays(folder: Path) -> None:
    data = folder / "a data" / "directory"
    with EmbeddedPostgres(data, settings=NO_FSYNC) as first:
        write(first.uri, "kept")
        uri = first.uri

    with EmbeddedPostgres(data, settings=NO_FSYNC) as second:
        assert (second.uri, words(second.uri)) == (uri, {"kept"})


def test_a_data_directory_that_is_in_use_is_left_alone(
    server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local.postgres, "RECLAIM_SECONDS", 0.0)

    error = refusal(EmbeddedPostgres(server.data_directory))

    assert isinstance(error, DataDirectoryUnusable)
    assert "in use by another server" in str(error)
    assert ask(server.uri, "SELECT 1") == 1


def test_a_socket_that_would_have_too_long_a_path_is_elsewhere(folder: Path) -> None:
    with EmbeddedPostgres(folder / ("x" * 100), settings=NOT_DURABLE) as server:
        assert ask(server.uri, "SELECT 1") == 1


def test_a_forked_process_does_not_end_it(server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: -1)
        server.close()

    assert server.running


def test_it_ends_with_the_process_that_started_it_even_when_that_is_killed() -> None:
    code = """
from local.postgres import NOT_DURABLE, EmbeddedPostgres
server = EmbeddedPostgres(settings=NOT_DURABLE)
server.start()
print(server.pid, server.data_directory.parent, flush=True)
input()
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as owner:
        try:
            assert owner.stdout is not None
            pid, scratch = owner.stdout.readline().split()
        finally:
            owner.kill()

    wait_until(lambda: not Path(scratch).exists())
    wait_until(lambda: gone(int(pid)))


# --- the command ---


@contextmanager
def command(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "local", "postgres", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def url_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    name, _, url = process.stdout.readline().strip().partition("=")
    assert name == "DATABASE_URL"
    (url,) = shlex.split(url)
    return url


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_prints_one_line_and_a_signal_stops_it(number: signal.Signals) -> None:
    with command() as process:
        url = url_of(process)
        data = str(ask(url, "SHOW data_directory"))
        process.send_signal(number)
        rest, said = process.communicate(timeout=60)

    assert (process.returncode, rest) == (0, "")
    assert "Ctrl-C stops it" in said
    assert not Path(data).exists()


def test_the_command_ends_when_the_server_does_and_keeps_the_data(folder: Path) -> None:
    data = folder / "data"
    with command("--data", str(data), "--port", "0") as process:
        write(url_of(process), "kept")
        os.kill(int((data / "postmaster.pid").read_text("ascii").splitlines()[0]), signal.SIGKILL)
        _, said = process.communicate(timeout=60)

    assert process.returncode == 1
    assert "PostgreSQL ended by itself" in said
    with EmbeddedPostgres(data, settings=NOT_DURABLE) as again:
        assert words(again.uri) == {"kept"}


# --- it cannot start ---


def refusal(server: EmbeddedPostgres) -> LocalError:
    """Why it does not start; with nothing left behind."""
    with tempfile.TemporaryDirectory() as scratch, pytest.MonkeyPatch.context() as patch:
        Path(scratch).chmod(0o755)
        patch.setattr(tempfile, "tempdir", scratch)
        with pytest.raises(LocalError) as caught:
            server.start()
        assert list(Path(scratch).iterdir()) == []
    assert not server.running
    return caught.value


def test_a_port_that_is_taken(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()

        error = refusal(EmbeddedPostgres(folder / "data", port=taken.getsockname()[1], settings=NOT_DURABLE))

    assert isinstance(error, PortUnavailable)
    assert "give another one, or 0" in str(error)
    unknown = refusal(EmbeddedPostgres(folder / "data", settings={**NOT_DURABLE, "no_such": "1"}))
    assert 'unrecognized configuration parameter "no_such"' in str(unknown)


def test_a_folder_that_holds_something_else_is_left_alone(folder: Path) -> None:
    (folder / "letter.txt").write_text("dear", "utf-8")
    owner = folder.stat().st_uid

    error = refusal(EmbeddedPostgres(folder))

    assert isinstance(error, DataDirectoryUnusable)
    assert [path.name for path in folder.iterdir()] == ["letter.txt"]
    assert folder.stat().st_uid == owner


@pytest.mark.parametrize(("made_by", "advice"), [("16", "the binaries of 16"), ("18", "not made to its end")])
def test_a_data_directory_of_another_version_or_unfinished(folder: Path, made_by: str, advice: str) -> None:
    (folder / "PG_VERSION").write_text(f"{made_by}\n", "ascii")

    error = refusal(EmbeddedPostgres(folder))

    assert isinstance(error, DataDirectoryUnusable)
    assert advice in str(error)


def test_a_folder_without_programs(tmp_path: Path) -> None:
    error = refusal(EmbeddedPostgres(bin_dir=tmp_path))

    assert isinstance(error, BinariesMissing)
    assert f"no initdb and no postgres in {tmp_path}" in str(error)


def test_a_locale_that_is_not_there() -> None:
    error = refusal(EmbeddedPostgres(locale="xx_XX.UTF-8"))

    assert isinstance(error, LocaleMissing)


@pytest.mark.parametrize(
    ("says", "kind", "advice"),
    [
        ('could not write to file "base/1/2": No space left on device', DiskFull, "free some of it"),
        ('could not resize shared memory segment "/P": No space left on device', DiskFull, "/dev/shm"),
        ("error while loading shared libraries: libx.so.1: no such file", BinariesMissing, "lacks a library"),
        ("something new", PostgresError, "something new"),
    ],
)
def test_what_initdb_says_becomes_an_error(folder: Path, says: str, kind: type[LocalError], advice: str) -> None:
    program = f"#!/bin/sh\n[ $1 = --version ] && echo 'x (PostgreSQL) 18.9' && exit\necho 'x: {says}' >&2\nexit 1\n"
    for name in ("initdb", "postgres"):
        (folder / name).write_text(program, "utf-8")
        (folder / name).chmod(0o755)

    error = refusal(EmbeddedPostgres(bin_dir=folder))

    assert type(error) is kind
    assert advice in str(error)


# --- under root ---


@for_root
def test_no_mode_above_is_changed_and_a_folder_that_cannot_be_reached_is_named(tmp_path: Path) -> None:
    above = [tmp_path, *tmp_path.parents]
    modes = [path.stat().st_mode for path in above]

    error = refusal(EmbeddedPostgres(tmp_path / "data"))

    assert isinstance(error, NotPermitted)
    assert f"the user nobody may not use {tmp_path / 'data'}" in str(error)
    assert [path.stat().st_mode for path in above] == modes


@for_root
def test_programs_that_its_user_cannot_reach_are_copied(tmp_path: Path) -> None:
    package = embedded_folder().parent.parent
    for source in (package, package.with_name(f"{package.name}.libs")):
        if source.is_dir():
            shutil.copytree(source, tmp_path / source.name)

    with EmbeddedPostgres(bin_dir=tmp_path / package.name / "pginstall" / "bin", settings=NOT_DURABLE) as server:
        assert ask(server.uri, "SELECT 1") == 1


@for_root
def test_it_runs_as_the_owner_of_a_data_directory(folder: Path) -> None:
    data = folder / "data"
    data.mkdir()
    os.chown(data, 1, 1)

    with EmbeddedPostgres(data, settings=NOT_DURABLE) as server:
        assert (data / "postmaster.pid").stat().st_uid == 1
        assert ask(server.uri, "SELECT 1") == 1
