"""``--once`` as a process: whatever happens to it, one line of JSON on standard output, and nothing else."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from docker_worker.once.payload import MAX_BYTES
from tests.support.once_handlers import AT_THE_END, GOES_ON

ROOT = Path(__file__).resolve().parents[2]
OURS = (sys.executable, "-m", "docker_worker", "--once")
TESTS = (sys.executable, "-m", "tests.support.once_handlers")
SECONDS = 120


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Without any setting: no database, no bus, no storage."""
    return {"PATH": os.environ["PATH"], **(more or {})}


def run(
    content: bytes, command: tuple[str, ...] = TESTS, more: Mapping[str, str] | None = None
) -> tuple[dict[str, Any], bytes]:
    """The document that ``content`` is answered with, and what was written to standard error."""
    done = subprocess.run(
        command, cwd=ROOT, env=environment(more), input=content, capture_output=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr
    return only_line(done.stdout), done.stderr


def only_line(output: bytes) -> dict[str, Any]:
    assert output.endswith(b"\n")
    assert output.count(b"\n") == 1
    document = json.loads(output)
    assert document["status"] in ("success", "failed")
    return dict(document)


def payload(task_type: str, text: str = "") -> bytes:
    return json.dumps({"task_type": task_type, "params": {"text": text}}).encode()


@contextmanager
def running(*, content: bytes | None, more: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """One that goes on; with ``content`` its task has begun, without it waits for its input."""
    process = subprocess.Popen(
        TESTS,
        cwd=ROOT,
        env=environment(more),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        if content is not None:
            assert process.stdin is not None
            assert process.stderr is not None
            process.stdin.write(content)
            process.stdin.close()
            process.stdin = None
            assert GOES_ON in iter(process.stderr.readline, b"")
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=SECONDS)


def answer(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    process.wait(SECONDS)  # before its input is closed
    output, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0
    return only_line(output)


def test_a_task_of_this_project_needs_no_settings() -> None:
    content = b'{"task_type": "hello_world_greeting", "params": {"index": 1, "message": "\xc3\xa9"}}'
    document, _ = run(content, OURS)

    assert document["status"] == "success"
    assert document["result"] == {"index": 1, "greeting": "é (from task 1)"}


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "PAYLOAD_MISSING"),
        (b"\xef\xbb\xbf{}", "PAYLOAD_INVALID"),
        (b"\xff\xfe", "PAYLOAD_INVALID"),
        (b'{"task_type": "\\ud800"}', "PAYLOAD_INVALID"),
        (b"[" * 1_000_000, "PAYLOAD_INVALID"),
        (b" " * (MAX_BYTES + 1), "PAYLOAD_INVALID"),
        (b'{"task_type": "unheard_of"}', "UNKNOWN_TASK_TYPE"),
    ],
    ids=lambda value: repr(value[:20]),
)
def test_what_is_wrong_with_the_input_is_answered(content: bytes, code: str) -> None:
    document, _ = run(content, OURS)

    assert document["error"]["code"] == code


def test_a_wrong_setting_is_answered() -> None:
    document, _ = run(payload("stores"), OURS, {"TEST_BURST": "many"})

    assert (document["error"]["code"], document["error"]["stage"]) == ("SETTINGS_INVALID", None)


def test_whatever_prints_is_sent_to_standard_error() -> None:
    document, told = run(payload("prints", "x"))

    assert document["result"]["text"] == "x"
    for line in (
        b"printed by Python",
        b"left in the buffer",
        b"to the first standard output",
        b"printed by C",
        b"written to 1",
        b"printed by a program",
    ):
        assert line in told.splitlines()


@pytest.mark.parametrize(
    ("task_type", "text", "code", "part"),
    [
        ("leaves", "0", "HANDLER_LOST", "exit code 0"),
        ("leaves", "3", "HANDLER_LOST", "exit code 3"),
        ("is_interrupted", "", "HANDLER_LOST", "exit code 130"),
        ("ends_its_process", "0", "HANDLER_LOST", "exit code 0"),
        ("ends_its_process", "9", "HANDLER_LOST", "exit code 9"),
        ("kills_its_process", "", "HANDLER_LOST", "SIGKILL"),
        ("crashes_its_process", "", "HANDLER_LOST", "SIGSEGV"),
        ("raises", "a secret", "HANDLER_ERROR", "ValueError"),
    ],
)
def test_a_task_that_ends_its_process_is_answered(task_type: str, text: str, code: str, part: str) -> None:
    document, told = run(payload(task_type, text))

    assert document["error"]["code"] == code
    assert part in document["error"]["message"]
    assert b"secret" not in told


def test_what_a_task_leaves_behind_does_not_hold_up_its_answer() -> None:
    process = subprocess.Popen(
        TESTS, cwd=ROOT, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        output, _ = process.communicate(payload("leaves_things_behind", "x"), timeout=SECONDS)
    finally:
        process.kill()

    assert process.returncode == 0
    assert only_line(output)["result"]["text"] == "x"


def test_nothing_that_a_task_started_outlives_its_answer() -> None:
    document, _ = run(payload("leaves_programs"))

    left = [int(number) for number in document["result"]["text"].split()]
    assert len(left) == 2
    assert not any(map(psutil.pid_exists, left))


def test_who_was_there_before_is_let_be() -> None:
    command = ("/bin/sh", "-c", f"sleep 3600 >/dev/null 2>&1 & echo $! >&2; exec {sys.executable} -m {TESTS[2]}")
    document, told = run(payload("leaves_things_behind", "x"), command)

    before = psutil.Process(int(told.split()[0]))
    try:
        assert before.is_running()
        assert document["result"]["text"] == "x"
    finally:
        before.kill()


def test_a_task_that_writes_to_whatever_is_open_does_not_come_between() -> None:
    document, told = run(payload("writes_everywhere", "x"))

    assert document["result"]["text"] == "x"
    assert b"not the answer" in told


def test_an_answer_that_nobody_takes_does_not_keep_it_from_ending() -> None:
    process = subprocess.Popen(
        TESTS, cwd=ROOT, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(payload("says_much"))
        process.stdin.close()
        process.stdin = None
        while not select.select([process.stdout], [], [], 1)[0]:
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        process.wait(SECONDS)
        _, told = process.communicate(timeout=SECONDS)
    finally:
        process.kill()

    assert process.returncode == 1
    assert b"the answer was not taken: told to end" in told


def test_an_answer_that_is_more_than_a_pipe_holds_is_whole() -> None:
    document, _ = run(payload("says_much"))

    assert len(document["result"]["text"]) == 1_000_000


def test_a_folder_as_input_ends_the_interpreter_before_it_can_answer() -> None:
    folder = os.open(ROOT, os.O_RDONLY)
    try:
        done = subprocess.run(
            OURS, cwd=ROOT, env=environment(), stdin=folder, capture_output=True, timeout=SECONDS, check=False
        )
    finally:
        os.close(folder)

    assert (done.returncode, done.stdout) == (1, b"")
    assert b"is a directory" in done.stderr


def test_what_is_to_be_done_at_the_end_of_the_process_is_done() -> None:
    document, told = run(payload("asks_for_the_end"))

    assert document["status"] == "success"
    assert AT_THE_END in told


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_task_that_is_told_to_end_says_so(number: signal.Signals) -> None:
    with running(content=payload("goes_on")) as process:
        os.killpg(process.pid, number)
        document = answer(process)

    assert (document["error"]["code"], document["error"]["retryable"]) == ("INTERRUPTED", True)
    assert document["task_type"] == "goes_on"


def test_one_that_waits_for_its_input_is_told_to_end() -> None:
    with running(content=None) as process:
        while not psutil.Process(process.pid).children():
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        document = answer(process)

    assert document["error"]["code"] == "INTERRUPTED"


def test_a_task_that_does_not_listen_is_ended_after_the_grace_period() -> None:
    with running(content=payload("is_deaf"), more={"DOCKER_GRACE_SECONDS": "0.2"}) as process:
        process.send_signal(signal.SIGTERM)
        document = answer(process)

    assert document["error"]["code"] == "INTERRUPTED"


def test_a_second_signal_does_not_wait_for_the_grace_period() -> None:
    with running(content=payload("is_deaf"), more={"DOCKER_GRACE_SECONDS": "3600"}) as process:
        process.send_signal(signal.SIGTERM)
        while process.poll() is None:
            process.send_signal(signal.SIGTERM)
        document = answer(process)

    assert document["error"]["code"] == "INTERRUPTED"


@pytest.mark.parametrize(
    ("redirection", "code"),
    [
        ("<&-", "PAYLOAD_MISSING"),
        ("2>&-", None),
        ("<&- 2>&-", "PAYLOAD_MISSING"),
    ],
)
def test_descriptors_that_are_closed_are_lived_with(redirection: str, code: str | None) -> None:
    command = f"{sys.executable} -m tests.support.once_handlers {redirection}"
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=ROOT,
        env=environment(),
        input=payload("prints"),
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )

    document = only_line(done.stdout)
    assert done.returncode == 0
    assert document["status"] == ("success" if code is None else "failed")
    assert code is None or document["error"]["code"] == code


def test_where_nobody_takes_the_answer_the_exit_code_says_so() -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        broken = subprocess.run(
            TESTS,
            cwd=ROOT,
            env=environment(),
            input=payload("stores"),
            stdout=write,
            stderr=subprocess.PIPE,
            timeout=SECONDS,
            check=False,
        )
    finally:
        os.close(write)
    closed = subprocess.run(
        ["/bin/sh", "-c", f"{sys.executable} -m tests.support.once_handlers >&-"],
        cwd=ROOT,
        env=environment(),
        input=payload("stores"),
        stderr=subprocess.PIPE,
        timeout=SECONDS,
        check=False,
    )

    assert (broken.returncode, closed.returncode) == (1, 1)
    assert b"the answer was not taken" in broken.stderr
    assert b"no standard output" in closed.stderr


def test_a_task_that_needs_none_of_them_imports_no_sdk_no_database_and_no_ocr() -> None:
    code = (
        "import sys; from docker_worker.once import main; from docker_worker.once.task import registered; registered();"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment(), capture_output=True, timeout=SECONDS, check=True
    )

    heavy = {"azure", "psycopg", "paddleocr", "paddlex", "onnxruntime", "cv2", "numpy", "httpx", "fastapi", "uvicorn"}
    assert "pydantic" in done.stdout.decode().split()
    assert not heavy & set(done.stdout.decode().split())
