"""``python -m local up`` as a user runs it: what it starts, what it leaves, and how it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.stack_plan import PARTS
from testing.documents import sample_page
from tests.support.clones import MARK, make_clone, marked_processes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the processes are looked for in /proc")


class Clone:
    def __init__(self, folder: Path) -> None:
        self.root = make_clone(folder / "clone")
        self.data = folder / "data"
        self.mark = uuid.uuid4().hex
        self.environment = {**os.environ, MARK: self.mark}

    def popen(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "local", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.root,
            env=self.environment,
        )

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        with self.popen(*arguments) as process:
            output, _ = process.communicate(timeout=120)
        return subprocess.CompletedProcess(arguments, process.returncode, output)

    @contextmanager
    def up(self, *arguments: str) -> Iterator[Running]:
        process = self.popen("up", "--port", "0", "--ocr-engine", "test", "--data", str(self.data), *arguments)
        try:
            yield Running(self, process)
        finally:
            process.kill()
            process.communicate(timeout=60)
            for pid in marked_processes(self.mark):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)  # what a test has stopped cannot end
            self.wait_until_nothing_runs()

    def stack_file(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.root / ".cache" / "stack.json").read_text("utf-8"))
        return found

    def wait_until_nothing_runs(self) -> None:
        while marked_processes(self.mark):
            threading.Event().wait(0.05)


class Running:
    def __init__(self, clone: Clone, process: subprocess.Popen[str]) -> None:
        self.clone = clone
        self.process = process
        self.shown: list[str] = []

    def wait_for(self, pattern: str) -> re.Match[str]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.shown.append(line)
            if found := re.search(pattern, line):
                return found
        raise AssertionError("".join(self.shown))

    def wait_until_ready(self) -> str:
        """The host's address."""
        self.wait_for(r"^Settings ")
        url: str = self.clone.stack_file()["url"]
        return url

    def end(self, number: signal.Signals) -> str:
        self.process.send_signal(number)
        output, _ = self.process.communicate(timeout=120)
        return output


@pytest.fixture
def clone() -> Iterator[Clone]:
    """Outside of pytest's own folders: under root PostgreSQL is another user, who gets into none of them."""
    with tempfile.TemporaryDirectory(prefix="coremachine-test-") as name:
        Path(name).chmod(0o755)
        yield Clone(Path(name))


def test_a_stack_is_announced_serves_and_ends_in_order_and_its_data_stays(clone: Clone) -> None:
    with clone.up() as running:
        url = running.wait_until_ready()
        found = clone.stack_file()
        again = clone.run("up")
        settings = clone.run("env").stdout
        read = clone.run("ocr", "--quiet", "--output", str(clone.root), page(clone))
        output = running.end(signal.SIGTERM)

        assert marked_processes(clone.mark) == {}

    assert running.process.returncode == 0
    assert output.endswith("Stopped.\n")
    assert order_of_end(output) == ["host", "storage"]
    assert (again.returncode, again.stdout) == (
        1,
        f"local: the stack of this clone runs already at {url} (process {running.process.pid})\n",
    )
    assert read.returncode == 0, read.stdout
    assert (clone.root / "page.txt").read_text("utf-8").startswith("Read by the test engine")
    assert found["pid"] == running.process.pid
    assert tuple(found["parts"]) == PARTS
    assert f"export DATABASE_URL='{found['settings']['DATABASE_URL']}'" in settings
    assert not (clone.root / ".cache" / "stack.json").exists()
    for secret in secrets_of(clone):
        assert secret not in "".join(running.shown) + output

    with clone.up() as running:
        url = running.wait_until_ready()
        jobs = httpx.get(f"{url}/api/jobs", trust_env=False, timeout=60).json()["items"]
        running.end(signal.SIGINT)
    assert [job["status"] for job in jobs] == ["completed"]
    assert running.process.returncode == 0


def test_nothing_runs_on_when_the_stack_is_killed(clone: Clone) -> None:
    with clone.up() as running:
        running.wait_until_ready()
        before = marked_processes(clone.mark)
        assert len(before) > len(PARTS)
        running.end(signal.SIGKILL)

        with clone.up("--no-worker") as again:  # which waits for what is left of the one before
            again.wait_until_ready()
            assert not before.keys() & marked_processes(clone.mark).keys()
            again.end(signal.SIGTERM)
    assert again.process.returncode == 0


def test_with_reload_the_host_begins_anew_at_the_same_address(clone: Clone) -> None:
    with clone.up("--no-worker", "--reload") as running:
        url = running.wait_until_ready()
        with (clone.root / "function_app.py").open("a", encoding="utf-8") as source:
            source.write("# changed\n")
        again = running.wait_for(r"^host +\| Listening on (\S+)")
        output = running.end(signal.SIGTERM)

    assert again[1] == url
    assert running.process.returncode == 0, output


def test_without_restart_the_end_of_a_part_is_the_end_of_all(clone: Clone) -> None:
    with clone.up("--no-restart", "--only", "service_bus,storage") as running:
        running.wait_until_ready()
        os.kill(clone.stack_file()["parts"]["storage"]["pid"], signal.SIGKILL)
        output, _ = running.process.communicate(timeout=120)

    assert running.process.returncode == 1
    assert output.endswith("local: storage: it ended by itself: its process is gone\n")


def test_a_second_signal_ends_what_does_not_end(clone: Clone) -> None:
    with clone.up("--only", "service_bus,storage") as running:
        running.wait_until_ready()
        os.kill(clone.stack_file()["parts"]["service_bus"]["pid"], signal.SIGSTOP)
        running.process.send_signal(signal.SIGINT)
        running.wait_for("^Stopping in order")
        output = running.end(signal.SIGINT)

    assert running.process.returncode == 1
    assert output.endswith("Stopped; cut off: service_bus\n")


def test_a_signal_while_it_starts_ends_it(clone: Clone) -> None:
    with clone.up() as running:
        running.wait_for(r"database .*\| ")
        running.end(signal.SIGTERM)
        assert marked_processes(clone.mark) == {}
    assert running.process.returncode == 143


def test_fresh_throws_away_what_was_kept(clone: Clone) -> None:
    left = clone.data / "storage" / "left"
    found = []
    for arguments in ((), (), ("--fresh",)):
        with clone.up("--only", "storage", *arguments) as running:
            running.wait_until_ready()
            found.append(left.exists())
            left.touch()
            running.end(signal.SIGTERM)
    assert found == [False, True, False]


def page(clone: Clone) -> str:
    path = clone.root / "page.png"
    path.write_bytes(sample_page().png)
    return str(path)


def order_of_end(output: str) -> list[str]:
    """The parts that say that they ended, in the order in which they do."""
    ends = re.findall(r"^(\w+) +\| (?:Stopped\.|Azurite Blob service successfully closed)$", output, re.MULTILINE)
    return [str(name) for name in ends]


def secrets_of(clone: Clone) -> list[str]:
    kept = json.loads((clone.data / "coremachine-stack.json").read_text("utf-8"))
    return [kept[name] for name in kept if name.endswith("_key")]
