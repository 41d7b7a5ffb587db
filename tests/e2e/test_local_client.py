"""The clients as a user runs them, in processes of their own, against the whole stack."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import pytest

from benchmarks.portal import faults
from benchmarks.portal_photos import photos
from handlers.portal.schema import PortalSchema
from handlers.portal.seed import SEED
from local.stack import Stack, StackOptions
from testing.documents import sample_page
from tests.support.portraits import FACES
from tests.unit.local.client.fake_service import FakeService, serving, stage

ROOT = Path(__file__).resolve().parents[2]
MODULE = [sys.executable, "-m", "local"]
TEST_ENGINE = "Read by the test engine"


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with Stack(StackOptions(ocr_engine="test")) as running:
        yield running


@pytest.fixture
def pages(tmp_path: Path) -> list[Path]:
    """Three files that are not the same document, nor that of another test."""
    paths = [tmp_path / f"page {number}.png" for number in range(3)]
    for path in paths:
        path.write_bytes(sample_page().png + str(path).encode())
    return paths


def local(stack: Stack, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*MODULE, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "COREMACHINE_URL": stack.url, **environment},
        timeout=120,
        check=False,
    )


def lines(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_documents_go_in_and_their_text_comes_out(stack: Stack, pages: list[Path], tmp_path: Path) -> None:
    done = local(stack, "ocr", *pages, "--output", tmp_path / "out")

    assert (done.returncode, done.stderr) == (0, "")
    assert "3 of 3 read" in done.stdout
    for number in range(3):
        assert (tmp_path / "out" / f"page {number}.txt").read_text("utf-8").startswith(TEST_ENGINE)
        assert json.loads((tmp_path / "out" / f"page {number}.json").read_bytes())["pages"]
        assert (tmp_path / "out" / f"page {number}-0001.jpg").read_bytes().startswith(b"\xff\xd8")


def test_what_is_no_document_is_told_and_the_others_are_read(stack: Stack, pages: list[Path], tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"this is no picture " + str(tmp_path).encode())
    (tmp_path / "empty.png").touch()

    done = local(
        stack, "ocr", pages[0], tmp_path / "bad.png", tmp_path / "empty.png", "--json", "--output", tmp_path / "out"
    )
    documents = {Path(one["file"]).name: one for one in lines(done) if one["event"] == "document"}

    assert done.returncode == 1
    assert {name: one["read"] for name, one in documents.items()} == {
        "page 0.png": True,
        "bad.png": False,
        "empty.png": False,
    }
    assert re.match(r"[A-Z_]+: ", documents["bad.png"]["error"])


@pytest.fixture(scope="module")
def portraits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a photo of one before a white wall, and one of the same in a room."""
    folder = tmp_path_factory.mktemp("portraits")
    for photo in photos(FACES):
        if photo.name in ("white small", "in a room"):
            cv2.imwrite(str(folder / f"{photo.name}.jpg"), photo.pixels)
    return folder


@pytest.mark.parametrize("portal", SEED, ids=lambda portal: portal.name)
def test_a_photo_becomes_what_a_portal_takes(stack: Stack, portraits: Path, portal: PortalSchema) -> None:
    output = portraits / portal.name
    command = ("portal", portraits / "white small.jpg", "--schema", portal.name, "--output", output)
    done = local(stack, *command)

    assert (done.returncode, done.stderr) == (0, "")
    rules = re.findall(r"^pass  (\w+) .*\(.+\)$", done.stdout, re.MULTILINE)
    assert {"width", "height", "dpi", "min_kb", "max_kb", "format", "face"} <= set(rules)
    [file] = output.iterdir()
    assert f"{file}: {file.stat().st_size} bytes" in done.stdout
    assert faults(file.read_bytes(), portal.schema_definition) == ()


def test_a_photo_that_breaks_a_rule_is_refused_by_what_was_measured(stack: Stack, portraits: Path) -> None:
    done = local(stack, "portal", portraits / "in a room.jpg", "--schema", "NEET 2026", "--output", portraits / "out")

    assert done.returncode == 1
    assert re.search(r"SCHEMA_FAILED: .*background.* \d+% of the edge is white", done.stderr)
    assert not (portraits / "out").exists()


def test_a_job_is_submitted_followed_found_and_its_timeline_told(stack: Stack) -> None:
    submitted = local(stack, "submit", "hello_world", "--params", '{"n": 30, "message": "e2e"}', "--follow", "--json")
    job = lines(submitted)[0]["job_id"]
    listed = local(stack, "jobs", "--type", "hello_world", "--all", "--json")
    shown = local(stack, "jobs", job[:16])
    told = local(stack, "events", job[:16], "--follow", "--json")

    assert submitted.returncode == 0
    assert lines(submitted)[-1]["status"] == "completed"
    assert job in {one["job_id"] for one in lines(listed)}
    assert "1 greeting  [########################]  30/30  completed" in shown.stdout
    kinds = [one["kind"] for one in lines(told)]
    assert (kinds[0], kinds[-1], kinds.count("task_completed")) == ("job_submitted", "job_ended", 60)


def test_what_failed_is_replayed_and_what_ended_is_not_cancelled(stack: Stack) -> None:
    params = '{"n": 6, "failure_rate": 0.5, "message": "again"}'
    failed = local(stack, "submit", "hello_world", "--params", params, "--follow", "--json")
    job = lines(failed)[-1]["job_id"]
    cancelled = local(stack, "cancel", job)
    replayed = local(stack, "replay", job[:16], "--follow", "--actor", "e2e")
    told = local(stack, "events", job)

    assert failed.returncode == 1
    assert lines(failed)[-1]["status"] == "completed_with_errors"
    assert cancelled.returncode == 1
    assert "RUN_ENDED" in cancelled.stderr
    assert "failed  GREETING_FAILED" in replayed.stdout
    assert f"Run 2 of {job[:12]} is completed_with_errors" in replayed.stdout
    assert "job_resubmitted     by e2e" in told.stdout


def test_a_paused_job_waits_until_it_is_resumed(stack: Stack) -> None:
    submitted = local(stack, "submit", "hello_world", "--params", '{"n": 2000, "message": "pause"}', "--json")
    job = lines(submitted)[0]["job_id"]
    paused = local(stack, "pause", job, "--json")
    found = local(stack, "jobs", "--status", "paused", "--json")
    resumed = local(stack, "resume", job, "--json")
    cancelled = local(stack, "cancel", job, "--json")

    assert (paused.returncode, lines(paused)[0]["status"]) == (0, "paused")
    assert job in {one["job_id"] for one in lines(found)}
    assert (resumed.returncode, lines(cancelled)[0]["status"]) == (0, "cancelled")


def test_there_are_no_dead_letters_and_none_is_sent_again(stack: Stack) -> None:
    assert local(stack, "dead-letters").stdout == "No dead letters.\n"

    again = local(stack, "dead-letters", "replay", 12345)

    assert again.returncode == 1
    assert "DEAD_LETTER_NOT_FOUND: there is no dead letter 12345" in again.stderr


def test_a_reader_that_goes_away_is_no_error_of_ours(stack: Stack) -> None:
    command = subprocess.Popen(
        [*MODULE, "jobs", "--all", "--json", "--url", stack.url],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    )
    assert command.stdout is not None
    assert command.stderr is not None
    with command:
        command.stdout.close()
        assert command.stderr.read() == b""


def test_the_doctor_finds_nothing_wrong_with_the_stack(stack: Stack) -> None:
    """With the settings that a clone begins with; its own, if it has any, may be anything."""
    done = local(stack, "doctor", "--json", "--settings", "local.settings.json.example", **stack.settings)
    found = json.loads(done.stdout)

    assert done.returncode == 0, done.stdout
    assert found["looked_at"]["database"].startswith("PostgreSQL ")
    assert "3 queues" in found["looked_at"]["bus"]
    assert found["looked_at"]["storage"].startswith("http://127.0.0.1:")


def test_the_doctor_misses_a_queue_that_is_not_there(stack: Stack) -> None:
    done = local(stack, "doctor", "--json", **{**stack.settings, "TASKS_QUEUE": "none-such"})
    found = {one["code"]: one for one in json.loads(done.stdout)["findings"]}

    assert done.returncode == 1
    assert found["QUEUE_MISSING"]["about"] == "queue none-such"


RUNNING = {"status": "processing", "stages": [stage(2, "recognise", "running", 4, 1)], "percent": 30.0}


def test_ctrl_c_ends_the_command_and_not_the_jobs(pages: list[Path], tmp_path: Path) -> None:
    with serving(FakeService([RUNNING])) as service:
        command = subprocess.Popen(
            [*MODULE, "ocr", *map(str, pages), "--url", service.url, "--output", str(tmp_path / "out")],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
        )
        assert command.stdout is not None
        with command:
            shown = ""
            while shown.count("recognise") < 3:
                line = command.stdout.readline()
                assert line, shown
                shown += line
            command.send_signal(signal.SIGINT)
            shown += command.stdout.read()

        assert command.returncode == 130
        assert "3 jobs of this command run on" in shown
        assert re.search(r"python -m local cancel( [0-9a-f]{12}){3}$", shown, re.MULTILINE)
        assert "Traceback" not in shown
        assert not [path for path in service.paths("POST") if path.endswith("/cancel")]


def test_a_terminal_shows_bars_that_move_and_is_given_back(pages: list[Path], tmp_path: Path) -> None:
    steps = [{**RUNNING, "percent": percent} for percent in (30.0, 60.0, 90.0)]
    with serving(FakeService([*steps, {"status": "completed"}])) as service:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 140, 0, 0))
        command = subprocess.Popen(
            [*MODULE, "ocr", *map(str, pages), "--url", service.url, "--output", str(tmp_path / "out")],
            stdout=theirs,
            stderr=theirs,
            cwd=ROOT,
            env={**os.environ, "TERM": "xterm-256color"},
        )
        os.close(theirs)
        shown = read_terminal(ours)
        command.wait(timeout=60)
        os.close(ours)

    assert command.returncode == 0
    assert "3 of 3 read" in shown
    assert "recognise" in shown
    assert "\u2501" in shown or "-" * 8 in shown
    assert shown.rfind("\x1b[?25h") > shown.rfind("\x1b[?25l")


def read_terminal(descriptor: int) -> str:
    """Everything until the other end is closed."""
    shown = b""
    while select.select([descriptor], [], [], 60.0)[0]:
        try:
            shown += os.read(descriptor, 65_536)
        except OSError:  # what Linux says at the end
            break
    return shown.decode("utf-8", "replace")


def test_a_host_that_is_killed_meanwhile_costs_time_and_no_document(stack: Stack, tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(8)]
    for path in paths:
        path.write_bytes(sample_page().png + str(path).encode())
    command = subprocess.Popen(
        [*MODULE, "ocr", *map(str, paths), "--url", stack.url, "--output", str(tmp_path / "out"), "--jobs", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
    )
    assert command.stdout is not None
    with command:
        shown = ""
        while "Read " not in shown:
            line = command.stdout.readline()
            assert line, shown
            shown += line
        stack.kill("host")
        shown += command.stdout.read()

    assert command.returncode == 0, shown
    assert "8 of 8 read" in shown
    assert len(list((tmp_path / "out").glob("*.txt"))) == 8
