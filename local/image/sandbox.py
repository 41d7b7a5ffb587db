"""A container without a container engine: the image's root, read-only, in namespaces of its own, as its configuration
says it is to be run."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

READY_SECONDS = 120.0
RUN_SECONDS = 300.0

# As docker run --read-only --tmpfs /tmp: the root, /proc, the few devices that a process may count on, /dev/shm, /tmp.
_ENTER = """\
set -e
root=$1 user=$2; shift 2
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for name in null zero full random urandom; do
    touch "$root/dev/$name"
    mount --bind "/dev/$name" "$root/dev/$name"
done
mkdir "$root/dev/shm"
mount -t tmpfs -o mode=1777,size=64m tmpfs "$root/dev/shm"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
exec chroot --userspec="$user" --groups= "$root" /usr/bin/env -i "$@"
"""


@dataclass(frozen=True, slots=True)
class Ended:
    """``code`` is the exit code as a shell has it: 128 and the signal's number where one ended it."""

    code: int
    stdout: str
    stderr: str


@dataclass(frozen=True, slots=True)
class Sandbox:
    """``config`` is the image's, as Docker has it: User, Env, WorkingDir, Entrypoint."""

    root: Path
    config: Mapping[str, Any]
    offline: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)

    def run(self, command: Sequence[str], stdin: str = "") -> Ended:
        """``command`` in place of the entry point, to its end."""
        done = subprocess.run(
            self._command(command), input=stdin, capture_output=True, text=True, check=False, timeout=RUN_SECONDS
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def run_entry(self, *arguments: str, stdin: str = "") -> Ended:
        """The entry point with ``arguments``, to its end."""
        return self.run([*self.config["Entrypoint"], *arguments], stdin)

    def start_entry(self) -> subprocess.Popen[str]:
        """The entry point, which goes on; what it logs is in ``stderr``."""
        return subprocess.Popen(
            self._command(self.config["Entrypoint"]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _command(self, command: Sequence[str]) -> list[str]:
        given = [f"{name}={value}" for name, value in self.variables.items()]
        namespaces = [
            "--mount",
            "--pid",
            "--ipc",
            "--uts",
            "--fork",
            "--kill-child",
            *(["--net"] if self.offline else []),
        ]
        enter = ["sh", "-c", _ENTER, "sh", str(self.root), self.config["User"]]
        inside = [f"--chdir={self.config['WorkingDir']}", *self.config["Env"], *given, *command]
        return ["unshare", *namespaces, *enter, *inside]


def first_process(started: subprocess.Popen[str]) -> int:
    """The number, as we see it, of the sandbox's PID 1."""
    children = Path(f"/proc/{started.pid}/task/{started.pid}/children").read_text("ascii").split()
    return int(children[0])


def terminate(started: subprocess.Popen[str]) -> None:
    """What an engine's ``stop`` does: SIGTERM for PID 1."""
    os.kill(first_process(started), signal.SIGTERM)
