"""One run of the server's process, and the guard that ends it should we vanish."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal

from local.postgres_binaries import Binaries
from local.postgres_cluster import Cluster
from local.postgres_errors import PostgresError, explained, translated
from local.postgres_guard import DONE

StopMode = Literal["fast", "immediate"]
"""``fast`` ends the sessions and writes everything out; ``immediate`` is a crash, with recovery at the next start."""

START_SECONDS = 300.0
STOP_SECONDS = 60.0
POLL_SECONDS = 0.005
LARGEST_LOG = 10_000_000


class ServerProcess:
    def __init__(self, process: subprocess.Popen[bytes], cluster: Cluster, log_start: int) -> None:
        self._process = process
        self._cluster = cluster
        self._log_start = log_start

    @classmethod
    def launched(cls, binaries: Binaries, cluster: Cluster, settings: Mapping[str, str]) -> ServerProcess:
        """Start the server, ready for connections or not. What it says goes to the cluster's log."""
        command = [binaries.program("postgres"), "-D", str(cluster.data)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with translated(cluster.data, cluster.account.name):
            log = os.open(cluster.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                cluster.account.own(log)
                start = os.fstat(log).st_size
                if start > LARGEST_LOG:
                    os.ftruncate(log, 0)
                    start = 0
                return cls(cluster.account.popen(command, log), cluster, start)
            finally:
                os.close(log)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def wait_until_ready(self) -> None:
        """Until it takes connections, recovery included. Raises :class:`local.errors.LocalError`, the process ended."""
        until = time.monotonic() + START_SECONDS
        try:
            while not self._ready():
                self._check(until)
                time.sleep(POLL_SECONDS)
        except BaseException:
            self.stop("immediate")
            raise

    def _check(self, until: float) -> None:
        if not self.running:
            raise explained(self.said(), self._cluster.data, self._cluster.account.name)
        if time.monotonic() > until:
            raise PostgresError(f"PostgreSQL was not ready in {START_SECONDS:.0f} s: see {self._cluster.log}")

    def said(self) -> str:
        """The log since this start."""
        with self._cluster.log.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode("utf-8", "replace")

    def stop(self, mode: StopMode) -> None:
        """Returns when it has ended; it is killed where that takes more than :data:`STOP_SECONDS`."""
        self._process.send_signal(signal.SIGINT if mode == "fast" else signal.SIGQUIT)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _ready(self) -> bool:
        """As ``pg_ctl`` finds it out: the eighth line of the lock file says so, and its first is of this process."""
        with suppress(OSError):
            lines = (self._cluster.data / "postmaster.pid").read_text("utf-8", "replace").splitlines()
            return len(lines) > 7 and lines[0] == str(self.pid) and lines[7].strip() == "ready"
        return False


class Guard:
    """A small process that outlives us just long enough to stop the server and to remove ``folder``."""

    def __init__(self, folder: Path) -> None:
        script = Path(__file__).with_name("postgres_guard.py")
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(script), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )

    def watch(self, pid: int) -> None:
        """0 when no server runs."""
        self._say(str(pid))

    def release(self) -> None:
        self._say(DONE)
        if self._process.stdin is not None:
            with suppress(BrokenPipeError):
                self._process.stdin.close()
        self._process.wait()

    def _say(self, line: str) -> None:
        if self._process.stdin is not None:
            with suppress(BrokenPipeError):
                self._process.stdin.write(f"{line}\n".encode())
                self._process.stdin.flush()
