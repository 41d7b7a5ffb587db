"""Payloads of ``process_document`` that were spoilt somewhere, as ``python -m docker_worker --once`` gets them.

``python -m benchmarks.once_mutations``. Each is written to a pipe, read from it by the function that the process calls,
and has to be answered by exactly one line of JSON of one of two shapes, with a code of the closed list. What comes
through whole is processed by a pipeline whose document is a small picture. ``--processes`` gives some of them to the
program itself, whose exit code has to be 0 and whose standard output has to hold that line and nothing else.
"""

from __future__ import annotations

import argparse
import copy
import json
import logging
import os
import platform
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any

from benchmarks.report import Goal, at_least, finish, parser
from core.context import StopSignal
from docker_worker.once.task import document_of
from handlers.portal.codes import ErrorCode
from handlers.portal.registration import portal_handlers
from testing.factories import Registries
from tests.support.portal import Desk, from_storage, payload, photo

CODES = frozenset(ErrorCode)
ODD: tuple[object, ...] = (
    None,
    True,
    0,
    -1,
    2**53,
    10**40,
    1.5,
    "",
    "\0",
    "x" * 3_000,
    "../../etc/passwd",
    "\n",
    "\U0001f600",
    "\u202e",
    [],
    {},
    [[[[]]]],
    {"": {}},
    "NaN",
    "00000000-0000-0000-0000-000000000000",
    "https://127.0.0.1/",
    "raw/a/b/1_c.enc",
)
ROUGH: tuple[bytes, ...] = (
    b"NaN",
    b"-Infinity",
    b"\xff",
    b"\xed\xa0\x80",
    b'"\\ud800"',
    b"\0",
    b"}",
    b"{",
    b'"',
    b"[" * 99,
)


def mutated(random: Random) -> bytes:
    """A payload with one to three things wrong with it, most of the time."""
    value: Any = payload()
    if random.random() < 0.3:
        value["input"] = from_storage("raw/x")
    for _ in range(random.choice((0, 1, 1, 1, 2, 3))):
        value = random.choice(_CHANGES)(copy.deepcopy(value), random)
    content = json.dumps(value, ensure_ascii=random.random() < 0.5).encode("utf-8", "surrogatepass")
    return random.choice(_ROUGHENED)(content, random) if random.random() < 0.4 else content


def wrong_with(answer: bytes) -> str | None:
    """What is wrong with an answer, ``None`` where nothing is."""
    if not answer.endswith(b"\n") or answer.count(b"\n") != 1:
        return "not one line"
    try:
        document = json.loads(answer, parse_constant=lambda text: 1 / 0)
    except (ValueError, ZeroDivisionError):
        return "not JSON"
    if document.get("status") == "success":
        return None if document.get("artifacts") else "a success without artifacts"
    error = document.get("error", {})
    if document.get("status") != "failed" or error.get("code") not in CODES:
        return f"a code that is not listed: {error.get('code')}, {error.get('message')}"
    if error.get("retryable") is not ErrorCode(error["code"]).retryable:
        return "retryable is another than the code's"
    return "an internal error" if error["code"] == ErrorCode.INTERNAL_ERROR else None


def answered_here(content: bytes, registries: Callable[[], Registries]) -> bytes:
    """Through a real pipe, by the function that the process calls."""
    out, into = os.pipe()
    writer = threading.Thread(target=_write, args=(into, content))
    writer.start()
    try:
        return document_of(out, StopSignal(), registries)
    finally:
        os.close(out)
        writer.join()


def answered_by_program(content: bytes) -> tuple[bytes, int]:
    done = subprocess.run(
        [sys.executable, "-m", "docker_worker", "--once"], input=content, capture_output=True, check=False, timeout=300
    )
    return done.stdout, done.returncode


def measure(count: int, processes: int, seed: int) -> dict[str, object]:
    random = Random(seed)  # noqa: S311 - to repeat
    desk = Desk(answer=photo(64, 80))
    registries = Registries.of([], portal_handlers(desk.around))
    codes: Counter[str] = Counter()
    wrong: list[str] = []
    began = time.perf_counter()
    for number in range(count):
        answer = answered_here(mutated(random), lambda: registries)
        wrong += [f"payload {number} of seed {seed}: {found}" for found in [wrong_with(answer)] if found]
        codes[_code(answer)] += 1
    seconds = time.perf_counter() - began
    for number in range(processes):
        answer, exit_code = answered_by_program(mutated(random))
        found = wrong_with(answer) if exit_code == 0 else f"exit code {exit_code}"
        wrong += [f"process {number} of seed {seed}: {found}"] if found else []
    for line in wrong[:20]:
        print(line, file=sys.stderr)
    return {
        "payloads": count,
        "processes": processes,
        "wrong_answers": len(wrong),
        "codes": dict(sorted(codes.items())),
        "seconds": round(seconds, 1),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = _options().parse_args(arguments)
    logging.disable(logging.CRITICAL)
    measured = measure(chosen.payloads, chosen.processes, chosen.seed)
    print("{payloads} payloads in {seconds} s, {processes} processes: {wrong_answers} wrong answers".format(**measured))
    print(", ".join(f"{code} {count}" for code, count in dict(measured["codes"]).items()))  # type: ignore[call-overload]
    goals = (Goal("payloads", ">=", chosen.payloads), Goal("wrong_answers", "<=", 0))
    return finish(chosen, {"python": platform.python_version(), "seed": chosen.seed, **measured}, goals)


def _code(answer: bytes) -> str:
    document = json.loads(answer)
    return "success" if document["status"] == "success" else str(document["error"]["code"])


def _write(into: int, content: bytes) -> None:
    with os.fdopen(into, "wb") as end:
        end.write(content)


def _places(value: object) -> Iterator[tuple[Any, Any]]:
    """Each container with each of its keys."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(items):
        yield value, key
        yield from _places(inner)


def _replaced(value: Any, random: Random) -> Any:
    places = list(_places(value))
    if not places:
        return random.choice(ODD)
    container, key = random.choice(places)
    container[key] = random.choice(ODD)
    return value


def _removed(value: Any, random: Random) -> Any:
    places = list(_places(value))
    if places:
        container, key = random.choice(places)
        del container[key]
    return value


def _added(value: Any, random: Random) -> Any:
    containers = [value, *(container[key] for container, key in _places(value))]
    objects = [one for one in containers if isinstance(one, dict)]
    if objects:
        random.choice(objects)[random.choice(("more", "endpoint", "", "__proto__", "task", "\u0000"))] = random.choice(
            ODD
        )
    return value


def _moved(value: Any, random: Random) -> Any:
    places = list(_places(value))
    if len(places) > 1:
        (one, key), (other, another) = random.sample(places, 2)
        one[key] = copy.deepcopy(other.get(another) if isinstance(other, dict) else None)
    return value


def _cut(content: bytes, random: Random) -> bytes:
    return content[: random.randrange(len(content) + 1)]


def _spoilt(content: bytes, random: Random) -> bytes:
    at = random.randrange(len(content) + 1)
    return content[:at] + random.choice(ROUGH) + content[at + random.choice((0, 0, 1, 5)) :]


def _repeated(content: bytes, random: Random) -> bytes:
    """A key twice, or two documents."""
    if random.random() < 0.5:
        return content.replace(b'"job_id":', b'"job_id": 1, "job_id":', 1)
    return content + content


def _swollen(content: bytes, random: Random) -> bytes:
    return b" " * random.randrange(100_000) + content


_CHANGES: Sequence[Callable[[Any, Random], Any]] = (_replaced, _replaced, _removed, _added, _moved)
_ROUGHENED: Sequence[Callable[[bytes, Random], bytes]] = (_cut, _spoilt, _spoilt, _repeated, _swollen)


def _options() -> argparse.ArgumentParser:
    options = parser(__doc__ or "")
    options.add_argument("--payloads", type=at_least(1), default=10_000, help="that this process answers")
    options.add_argument("--processes", type=int, default=30, help="more, that a program of its own answers each")
    options.add_argument("--seed", type=at_least(0), default=1)
    return options


if __name__ == "__main__":
    sys.exit(main())
