from __future__ import annotations

import os
from pathlib import Path

import pytest

from docker_worker.ocr.cores import MOST, page_threads


@pytest.fixture
def sixteen_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(16)), raising=False)


def version_2(root: Path, text: str) -> Path:
    file = root / "sys/fs/cgroup/cpu.max"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    return root


def version_1(root: Path, quota: str, period: str) -> Path:
    folder = root / "sys/fs/cgroup/cpu"
    folder.mkdir(parents=True)
    (folder / "cpu.cfs_quota_us").write_text(quota)
    (folder / "cpu.cfs_period_us").write_text(period)
    return root


@pytest.mark.usefixtures("sixteen_cores")
def test_without_a_quota_there_are_as_many_as_are_useful(tmp_path: Path) -> None:
    assert page_threads(tmp_path) == MOST


def test_no_more_than_the_process_may_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 5}, raising=False)

    assert page_threads(tmp_path) == 2


@pytest.mark.usefixtures("sixteen_cores")
@pytest.mark.parametrize(
    ("text", "threads"),
    [("200000 100000\n", 2), ("150000 100000\n", 2), ("50000 100000\n", 1), ("max 100000\n", MOST)],
)
def test_a_containers_quota_counts(tmp_path: Path, text: str, threads: int) -> None:
    assert page_threads(version_2(tmp_path, text)) == threads


@pytest.mark.usefixtures("sixteen_cores")
@pytest.mark.parametrize(("quota", "threads"), [("400000\n", 4), ("-1\n", MOST)])
def test_a_quota_of_version_1_counts(tmp_path: Path, quota: str, threads: int) -> None:
    assert page_threads(version_1(tmp_path, quota, "100000\n")) == threads
