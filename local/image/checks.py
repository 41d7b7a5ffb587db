"""What the image has to be, one function a property: it gives what it found, or raises :class:`Wrong`."""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from local.image import files, scripts
from local.image.sandbox import READY_SECONDS, Ended, Sandbox, first_process, terminate

PYTHON = "/venv/bin/python"
LABELS = ("title", "description", "version", "revision", "base.name")
TEXTS = ("Invoice 20481", "Total due 735.90")
PAYLOAD = {"task_type": "hello_world_greeting", "params": {"index": 1, "message": "Hello"}}
READY = re.compile(r"\bworker_ready\b.*?http://127\.0\.0\.1:(?P<port>\d+)")
GRACE_SECONDS = 25.0
"""The default of DOCKER_GRACE_SECONDS: how long a worker takes to end at most."""
AWAY = {
    "DATABASE_URL": "postgresql://worker:none@127.0.0.1:9/none",
    "SERVICE_BUS_CONNECTION": "Endpoint=sb://127.0.0.1:9;SharedAccessKeyName=none;SharedAccessKey=bm9uZQ==;"
    "UseDevelopmentEmulator=true",
    "AZURE_STORAGE_CONNECTION_STRING": "UseDevelopmentStorage=true",
    "DOCKER_HTTP_HOST": "127.0.0.1",
    "DOCKER_HTTP_PORT": "0",
}
"""Settings that are sound, of services that do not answer: the discard port of this machine. The sandbox has this
machine's network, so the worker's own surface is on loopback and on a free port."""


class Wrong(Exception):
    """A property that the image does not have, in one line."""


Check = Callable[[Sandbox], str]


def configuration(sandbox: Sandbox) -> str:
    problems = config_problems(sandbox.config)
    if problems:
        raise Wrong("; ".join(problems))
    return f"user {sandbox.config['User']}, {' '.join(sandbox.config['Entrypoint'])}"


def config_problems(config: Mapping[str, Any]) -> list[str]:
    """Of an image's configuration as Docker has it."""
    labels = config.get("Labels") or {}
    entry = config.get("Entrypoint") or [""]
    user, _, group = str(config.get("User")).partition(":")
    wrong = [f"no label {name}" for name in LABELS if not labels.get(f"org.opencontainers.image.{name}")]
    if not (user.isdecimal() and group.isdecimal() and int(user) and int(group)):
        wrong.append(f"the user is {config.get('User')!r}, and no number beside root's")
    if not entry[0].startswith("/") or entry[0].endswith("sh"):
        wrong.append(f"the entry point is {entry}, and no program by its path")
    if config.get("Cmd"):
        wrong.append(f"the entry point has arguments: {config['Cmd']}")
    if (config.get("Healthcheck") or {}).get("Test", [""])[0] != "CMD":
        wrong.append("no health check without a shell")
    if "8080/tcp" not in (config.get("ExposedPorts") or {}):
        wrong.append("the port is not exposed")
    return wrong


def identity(sandbox: Sandbox) -> str:
    user, _, group = sandbox.config["User"].partition(":")
    said = _good(sandbox.run([PYTHON, "-c", scripts.WHO])).strip()
    if said != f"{user} {group} [] 1":
        raise Wrong(f"uid, gid, groups, pid are {said}")
    return f"uid {user}, gid {group}, no other groups"


def read_only(sandbox: Sandbox) -> str:
    places = _good(sandbox.run([PYTHON, "-c", scripts.WRITES])).split()
    if places != ["/tmp"]:  # noqa: S108 - the place itself is what is asked
        raise Wrong(f"written to {places}")
    found = files.writable(sandbox.root, int(sandbox.config["User"].partition(":")[0]))
    if found:
        raise Wrong(f"the user may change {found[:5]}")
    return "with a read-only root /tmp alone takes files; nothing in the image is the user's"


def imports(sandbox: Sandbox) -> str:
    ours, all_modules, *slow = _good(sandbox.run([PYTHON, "-c", scripts.IMPORTS])).split()
    if slow:
        raise Wrong(f"no byte-code of {slow[:5]}")
    return f"{ours} modules of ours are imported, {all_modules} with theirs, all from byte-code"


def models(sandbox: Sandbox) -> str:
    return f"{_good(sandbox.run([PYTHON, '-c', scripts.VERIFY])).strip()} models have the pinned checksums"


def reads(sandbox: Sandbox) -> str:
    """A picture is drawn in the sandbox and read there, by both sizes of the models, without a network."""
    said = _good(replace(sandbox, offline=True).run([PYTHON, "-c", scripts.OCR, *TEXTS]))
    rows = [line.split("|") for line in said.splitlines()]
    for quality, _, *lines in rows:
        if tuple(lines) != TEXTS:
            raise Wrong(f"{quality} reads {lines}")
    if len(rows) != 2:
        raise Wrong(f"{len(rows)} qualities were tried")
    return ", ".join(f"{quality} in {seconds} s with loading" for quality, seconds, *_ in rows)


def refuses(sandbox: Sandbox) -> str:
    """Without settings the worker says what is missing, and nothing on stdout."""
    ended = sandbox.run_entry()
    if (ended.code, ended.stdout) != (1, "") or "SETTINGS_INVALID" not in ended.stderr:
        raise Wrong(f"without settings: {ended}")
    return "without settings SETTINGS_INVALID on stderr, exit 1"


def lives_and_stops(sandbox: Sandbox) -> str:
    """With services that are away the worker waits for them, and is healthy; SIGTERM for PID 1 ends it with 0."""
    with _Started(replace(sandbox, variables=AWAY)) as worker:
        asking = replace(sandbox, variables={"DOCKER_HTTP_PORT": worker.port()})
        _good(asking.run(sandbox.config["Healthcheck"]["Test"][1:]))
        first = Path(f"/proc/{first_process(worker.process)}/comm").read_text("ascii").strip()
        begun = time.monotonic()
        terminate(worker.process)
        code = worker.ended()
        seconds = time.monotonic() - begun
        if code != 0 or seconds > GRACE_SECONDS:
            raise Wrong(f"SIGTERM ended it with {code} after {seconds:.1f} s: {worker.lines[-3:]}")
    return f"the worker is healthy, and SIGTERM for PID 1 ({first}) ends it with 0 in {seconds:.1f} s"


def answers_once(sandbox: Sandbox) -> str:
    """What ``docker run -i IMAGE --once`` does: one document in, one document out."""
    ended = sandbox.run_entry("--once", stdin=json.dumps(PAYLOAD))
    try:
        answer = json.loads(ended.stdout)
    except ValueError:
        raise Wrong(f"--once: {ended}") from None
    if ended.code != 0 or answer.get("status") != "success":
        raise Wrong(f"--once ended with {ended.code}: {answer}")
    return f"one document in, one out, {len(ended.stdout)} bytes and nothing else"


def reaps(sandbox: Sandbox) -> str:
    entry = sandbox.config["Entrypoint"]
    init = entry[: entry.index("--") + 1]
    if _good(sandbox.run([*init, PYTHON, "-c", scripts.ORPHAN])).strip() != "0":
        raise Wrong("an orphan that has ended stays")
    return "orphans are reaped"


def health(sandbox: Sandbox) -> str:
    probe = sandbox.config["Healthcheck"]["Test"][1:]
    said = _good(sandbox.run([PYTHON, "-c", scripts.LIVEZ, *probe])).split()
    if said != ["0", "1"]:
        raise Wrong(f"its exit codes are {said} for a worker that answers and for none")
    return "0 for a worker that answers /livez, 1 for none"


def contents(sandbox: Sandbox) -> str:
    found = {
        "build tools": files.build_tools(sandbox.root),
        "leftovers": files.leftovers(sandbox.root),
        "not a worker's": files.strangers(sandbox.root),
        "without byte-code": files.uncompiled(sandbox.root),
    }
    wrong = [f"{what}: {names[:5]}" for what, names in found.items() if names]
    if wrong:
        raise Wrong("; ".join(wrong))
    return "no build tools, caches or sources without byte-code, no tests or benchmarks"


def libraries(sandbox: Sandbox) -> str:
    shared = files.objects(sandbox.root)
    said = files.linked(sandbox.root, shared).splitlines()
    if sum(not line.startswith("\t") for line in said) != len(shared) or not shared:
        raise Wrong(f"the loader looked at {len(said)} lines for {len(shared)} shared objects")
    wanted = files.unexpected_libraries(said)
    if wanted:
        raise Wrong("; ".join(f"{name} is wanted by {user}" for name, user in wanted.items()))
    return f"{len(shared)} shared objects need nothing of the base but what every Debian has"


CHECKS: tuple[tuple[str, Check], ...] = (
    ("configuration", configuration),
    ("identity", identity),
    ("contents", contents),
    ("libraries", libraries),
    ("read-only root", read_only),
    ("imports", imports),
    ("models", models),
    ("start", refuses),
    ("health check", health),
    ("--once", answers_once),
    ("orphans", reaps),
    ("life and end", lives_and_stops),
    ("OCR", reads),
)


def _good(ended: Ended) -> str:
    if ended.code != 0:
        raise Wrong(f"exit code {ended.code}: {ended.stderr.splitlines()[-3:]}")
    return ended.stdout


class _Started:
    """The entry point, running; killed at the end where it still does."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.process = sandbox.start_entry()
        self.lines: list[str] = []
        self._up = threading.Event()
        self._reader = threading.Thread(target=self._follow)

    def __enter__(self) -> Self:
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()

    def port(self) -> str:
        """Where it answers, as soon as it says so. Raises :class:`Wrong` where it does not come up."""
        self._up.wait(READY_SECONDS)
        found = [match["port"] for line in self.lines if (match := READY.search(line))]
        if not found:
            raise Wrong(f"it does not come up: {self.lines[-3:]}")
        return found[0]

    def ended(self) -> int:
        """Its exit code. Raises :class:`Wrong` where it goes on."""
        try:
            return self.process.wait(GRACE_SECONDS + 5)
        except subprocess.TimeoutExpired:
            raise Wrong(f"SIGTERM does not end it: {self.lines[-3:]}") from None

    def _follow(self) -> None:
        """Collects what it logs, until it ends."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line.rstrip())
            if READY.search(line):
                self._up.set()
        self._up.set()
