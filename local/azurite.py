"""Azurite, Azure's own emulator of Blob Storage, on this machine."""

from __future__ import annotations

import atexit
import base64
import os
import re
import secrets
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from local.azurite_install import CACHE, PACKAGE, AzuriteError, Node, installed
from local.errors import PortUnavailable

LOOPBACK = "127.0.0.1"
ACCOUNT = "devstoreaccount1"
"""Azurite's own name for its account, which tools for Azure know."""

START_SECONDS = 60.0
STOP_SECONDS = 10.0

_LISTENS = re.compile(r"successfully listens on http://[0-9.]+:(?P<port>[0-9]+)")


class Azurite:
    """Azurite's blob service as a child of this process, installed by the first start that does not find it.

    ::

        with Azurite() as azurite:
            BlobServiceClient.from_connection_string(azurite.connection_string)

    It listens on loopback, on ``port`` or one that the system chooses, which it keeps over stops and starts, and lets
    in who has its key. Blobs are in memory and end with it; with ``data_directory`` they are on the disk, and one that
    was written is there after a kill, for which each write saves the names of all: some thousand blobs are fine. It
    takes any version of the service's protocol, since the SDK's is newer than its own. What it prints while it runs
    goes to ``say``, line by line, in a thread of its own.

    It ends with this process, however that ends: Node watches a pipe that we hold. For one thread at a time. Raises
    :class:`AzuriteError` or :class:`PortUnavailable`, with one line that says why it cannot start.
    """

    def __init__(
        self,
        data_directory: Path | None = None,
        *,
        port: int = 0,
        key: str | None = None,
        cache: Path = CACHE,
        say: Callable[[str], object] | None = None,
    ) -> None:
        self.key = key or base64.b64encode(secrets.token_bytes(64)).decode()
        self._data = data_directory.absolute() if data_directory is not None else None
        self._port = port
        self._cache = cache
        self._say = say
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._owner = os.getpid()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, the first time or again; returns when it takes requests. Without effect where it runs."""
        if self.running:
            return
        self.stop()
        self._reader = None
        self._process = self._launched()
        atexit.register(self.stop)
        try:
            self._port = self._wait_until_ready(self._process)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop it, to be started again or not. Without effect where it does not run, and in a forked process."""
        process, self._process = self._process, None
        if process is None or os.getpid() != self._owner:
            return
        atexit.unregister(self.stop)
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if self._reader is not None:
            self._reader.join()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()

    @property
    def running(self) -> bool:
        """Whether its process is there; False once it was killed or ended by itself."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Raises RuntimeError before the first start and after a stop."""
        if self._process is None:
            raise RuntimeError("Azurite was not started")
        return self._process.pid

    @property
    def port(self) -> int:
        """0 before the first start where none was given."""
        return self._port

    @property
    def blob_endpoint(self) -> str:
        return f"http://{LOOPBACK}:{self._port}/{ACCOUNT}"

    @property
    def connection_string(self) -> str:
        """As ``AZURE_STORAGE_CONNECTION_STRING`` takes it. It holds the key."""
        return (
            f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={self.key};"
            f"BlobEndpoint={self.blob_endpoint};"
        )

    def _launched(self) -> subprocess.Popen[str]:
        node = Node.of_wheel()
        folder = installed(node, self._cache)
        try:
            if self._data is not None:
                self._data.mkdir(parents=True, exist_ok=True)
            return subprocess.Popen(
                [str(node.program), *self._arguments(folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                errors="replace",
                cwd=self._data or folder,
                env=self._environment(),
                start_new_session=True,  # so that Ctrl-C reaches its owner alone, who stops things in order
            )
        except OSError as error:
            raise AzuriteError(f"Azurite cannot be started: {error.filename}: {error.strerror}") from error

    def _arguments(self, folder: Path) -> Sequence[str]:
        main = folder / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
        where = ["--location", str(self._data)] if self._data is not None else ["--inMemoryPersistence"]
        listen = ["--blobHost", LOOPBACK, "--blobPort", str(self._port)]
        options = ["--skipApiVersionCheck", "--disableTelemetry", "--silent"]
        return ["--require", str(PACKAGE / "preload.cjs"), str(main), *listen, *where, *options]

    def _environment(self) -> dict[str, str]:
        """Ours, less what would change Node or Azurite; the key, which an argument would show to other users."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("NODE_", "AZURITE_"))}
        compiled = {"NODE_COMPILE_CACHE": str(self._cache / "compiled")}
        return {**kept, **compiled, "AZURITE_ACCOUNTS": f"{ACCOUNT}:{self.key}"}

    def _wait_until_ready(self, process: subprocess.Popen[str]) -> int:
        """The port."""
        output = process.stdout
        assert output is not None
        said: deque[str] = deque(maxlen=20)
        alarm = threading.Timer(START_SECONDS, process.kill)
        alarm.start()
        try:
            for line in output:
                said.append(line.strip())
                if found := _LISTENS.search(line):
                    self._drain(output)
                    return int(found["port"])
        finally:
            alarm.cancel()
        raise _explained(said, self._port)

    def _drain(self, output: IO[str]) -> None:
        """Reads on, so that a full pipe never stops it."""
        self._reader = threading.Thread(target=self._pass_on, args=(output,), name="azurite-output", daemon=True)
        self._reader.start()

    def _pass_on(self, output: IO[str]) -> None:
        for line in output:
            if self._say is not None:
                self._say(line.rstrip())


def _explained(said: Iterable[str], port: int) -> AzuriteError | PortUnavailable:
    lines = [line for line in said if line]
    text = "\n".join(lines)
    if "EADDRINUSE" in text:
        return PortUnavailable(f"Azurite: port {port} is in use: give another one, or 0 for a free one")
    if "EACCES" in text and "listen" in text:
        return PortUnavailable(f"Azurite: port {port} cannot be listened on: give another one, over 1023")
    if "ENOSPC" in text:
        return AzuriteError("Azurite did not start: the disk is full")
    last = next((line for line in reversed(lines) if "rror" in line), lines[-1] if lines else "it said nothing")
    return AzuriteError(f"Azurite did not start: {last}")
