"""Real workers on a real server, killed at any instant: a shorter pass of ``python -m benchmarks.chaos``."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection
from pathlib import Path

import pytest

from benchmarks.chaos_nursery import Nursery
from benchmarks.chaos_report import Plan
from benchmarks.chaos_run import run
from benchmarks.chaos_setting import Setting
from benchmarks.chaos_worker import ASKED_TO

ROOT = Path(__file__).parents[2]
PLAN = Plan(kills=40, restarts=4, pauses=2, pace=0.15, jobs=5, tasks=20)

DEADLINE_SECONDS = 60.0
LOOK_SECONDS = 0.02


def test_nothing_is_lost_and_nothing_is_done_twice() -> None:
    told: list[str] = []

    report = run(PLAN, told.append)

    assert list(report.faults) == [], "\n".join([*told, *report.evidence])
    assert list(report.evidence) == []
    assert report.kills >= PLAN.kills
    assert len(report.restarts) == PLAN.restarts
    assert report.pauses >= PLAN.pauses
    assert report.jobs > 0
    assert report.outcomes["completed"] > 0


def test_a_run_that_is_interrupted_leaves_no_process_behind() -> None:
    told: list[str] = []

    def interrupt(line: str) -> None:
        told.append(line)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(PLAN, interrupt)

    folder = told[0].rpartition(" ")[2]
    assert not Path(folder).exists()
    assert not [line for line in command_lines() if folder in line]


def test_a_nursery_takes_all_that_it_started_along_stopped_or_not(tmp_path: Path) -> None:
    with Nursery(nowhere(tmp_path)) as nursery:
        pids = [nursery.start("worker", f"worker-{number}") for number in range(3)]
        os.kill(pids[0], signal.SIGSTOP)
        assert not any(map(is_gone, pids))

    assert all(map(is_gone, pids))


def test_a_nursery_tells_who_has_ended_and_how(tmp_path: Path) -> None:
    with Nursery(nowhere(tmp_path)) as nursery:
        killed = nursery.start("worker", "killed")
        os.kill(killed, signal.SIGKILL)
        failed = nursery.start("worker", "failed/for want of a folder for its log")

        ended: dict[int, int] = {}
        until = time.monotonic() + DEADLINE_SECONDS
        while len(ended) < 2 and time.monotonic() < until:
            ended |= nursery.ended()

        assert ended == {killed: -signal.SIGKILL, failed: 1}


def test_a_worker_that_is_asked_to_ends_in_order(tmp_path: Path) -> None:
    with Nursery(nowhere(tmp_path)) as nursery:
        pid = nursery.start("worker", "worker")
        wait_for_effects_log(tmp_path)
        os.kill(pid, ASKED_TO)

        ended: dict[int, int] = {}
        until = time.monotonic() + DEADLINE_SECONDS
        while not ended and time.monotonic() < until:
            ended = nursery.ended()

        assert ended in ({pid: 0}, {pid: -ASKED_TO}), (tmp_path / "worker.log").read_text()


def test_the_processes_end_with_whoever_started_them_even_when_that_is_killed(tmp_path: Path) -> None:
    owner_code = f"""
from benchmarks.chaos_nursery import Nursery
from benchmarks.chaos_setting import Setting
with Nursery(Setting.from_json({nowhere(tmp_path).to_json()!r})) as nursery:
    print(nursery.start("bus", "bus"), nursery.start("worker", "worker"), flush=True)
    input()
"""
    with subprocess.Popen(
        [sys.executable, "-c", owner_code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as owner:
        try:
            assert owner.stdout is not None
            pids = [int(pid) for pid in owner.stdout.readline().split()]
            assert len(pids) == 2
        finally:
            owner.kill()

    wait_until_gone(pids)


def nowhere(folder: Path) -> Setting:
    """A setting whose database and bus are not there."""
    return Setting(str(folder), f"postgresql://nobody@/nothing?host={folder}", 0, time.time())


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def wait_until_gone(pids: Collection[int]) -> None:
    until = time.monotonic() + DEADLINE_SECONDS
    while not all(map(is_gone, pids)):
        assert time.monotonic() < until, f"still there: {[pid for pid in pids if not is_gone(pid)]}"
        time.sleep(LOOK_SECONDS)


def wait_for_effects_log(folder: Path) -> None:
    until = time.monotonic() + DEADLINE_SECONDS
    while not nowhere(folder).effects.exists():
        assert time.monotonic() < until
        time.sleep(LOOK_SECONDS)


def command_lines() -> list[str]:
    """Of all processes of this machine."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(entry.read_text("utf-8", "replace"))
        except OSError:
            continue
    return found
