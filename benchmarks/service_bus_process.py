"""The emulator as a process of its own, and what the machine says about it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

_TICKS = os.sysconf("SC_CLK_TCK")
_UTIME, _STIME = 11, 12  # of the fields of /proc/PID/stat behind the name: proc(5)
_END_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class EmulatorProcess:
    pid: int
    connection_string: str

    def cpu_seconds(self) -> float:
        return cpu_seconds(self.pid)

    def rss_mb(self) -> float:
        return rss_mb(self.pid)


def cpu_seconds(pid: int) -> float:
    """Of all threads, user and system, to a hundredth. Raises OSError where the process is gone."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[_UTIME]) + int(fields[_STIME])) / _TICKS


def rss_mb(pid: int) -> float:
    """The resident set, MB of 10**6 bytes. Raises OSError where the process is gone."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise ProcessLookupError(f"process {pid} has no memory any more")


@contextmanager
def emulator_process(queues: Mapping[str, Mapping[str, object]], *options: str) -> Iterator[EmulatorProcess]:
    """An emulator with these queues, which ends with the block. ``queues`` are the ``Properties`` by name."""
    with TemporaryDirectory(prefix="service-bus-") as folder:
        config = Path(folder) / "Config.json"
        config.write_text(json.dumps(_config(queues)), encoding="utf-8")
        command = [sys.executable, "-m", "testing.service_bus_emulator", "--config", str(config), "--port", "0"]
        with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                address = process.stdout.readline().strip()
                if not address:
                    raise ChildProcessError("the emulator ended before it listened")
                yield EmulatorProcess(process.pid, address)
            finally:
                _end(process)


def _config(queues: Mapping[str, Mapping[str, object]]) -> dict[str, object]:
    found = [{"Name": name, "Properties": dict(properties)} for name, properties in queues.items()]
    return {"UserConfig": {"Namespaces": [{"Name": "sbemulatorns", "Queues": found}]}}


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
