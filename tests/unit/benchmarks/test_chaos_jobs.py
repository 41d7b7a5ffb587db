"""The jobs of the chaos runs come to what is expected of them, where nothing goes wrong but what is to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.chaos_client import KINDS, SMALLEST
from benchmarks.chaos_effects import Act, Effect, EffectLog, new_mark, read_effects, within_a_phase
from benchmarks.chaos_jobs import JOBS, PHASES, Handlers, Hopeless, JobParams, Total, is_slow, registries
from benchmarks.chaos_setting import FastClock, Setting
from core.ids import TaskId
from core.model import RunStatus
from testing.clock import EPOCH
from testing.factories import create_test_harness

TASK = TaskId(f"{'a' * 64}:1:2:n0")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "effects.log"


@pytest.fixture
def log(path: Path) -> Iterator[EffectLog]:
    with EffectLog(path) as log:
        yield log


@pytest.mark.parametrize("job_type", JOBS)
@pytest.mark.parametrize("n", [SMALLEST, 25])
def test_each_job_comes_to_what_is_expected(log: EffectLog, path: Path, job_type: str, n: int) -> None:
    params = JobParams(n=n, number=1)
    expected = JOBS[job_type].expected(params)
    harness, _ = create_test_harness(registries(Handlers(log, seed=3, pause=lambda seconds: None)))

    job_id = harness.submit(job_type, params.model_dump()).job_id
    harness.drain(reraise=False)

    run = harness.state.load_run(job_id, 1)
    assert run is not None
    assert (run.status, run.error and run.error.code) == (expected.status, expected.error_code)
    assert run.result_json == (Total(value=expected.total).model_dump_json() if expected.total is not None else None)
    assert [stage.number for stage in run.stages] == list(expected.stages)
    assert {effect.act for effect in read_effects(path)} >= {Act.BEGAN, Act.ENDED}


def test_jobs_end_in_each_of_the_three_ways() -> None:
    expected = {job_type: JOBS[job_type].expected(JobParams(n=SMALLEST, number=1)) for job_type in KINDS}

    assert {one.status for one in expected.values()} == {
        RunStatus.COMPLETED,
        RunStatus.COMPLETED_WITH_ERRORS,
        RunStatus.FAILED,
    }
    assert expected["doomed_sums"].error_code == Hopeless.code


def test_some_tasks_are_slow_and_always_the_same() -> None:
    slow = [number for number in range(1_000) if is_slow(1, TaskId(f"task {number}"))]

    assert 5 < len(slow) < 60
    assert slow == [number for number in range(1_000) if is_slow(1, TaskId(f"task {number}"))]


def test_effects_are_read_as_they_were_written(log: EffectLog, path: Path) -> None:
    effects = [Effect(Act.BEGAN, TASK, 1, new_mark()), Effect(Act.PHASE_SAVED, TASK, 1, new_mark(), PHASES[0])]
    for effect in effects:
        log.write(effect)
    log.repaired({"leases_ended": 2})

    assert list(read_effects(path)) == [*effects, Effect(Act.REPAIRED, TaskId(""), 0, "", '{"leases_ended": 2}')]


def test_who_is_in_the_midst_of_a_phase_is_told_by_the_end_of_the_log(log: EffectLog, path: Path) -> None:
    for number in range(2_000):
        log.write(Effect(Act.PHASE_BEGAN, TASK, 1, f"{number}.old", PHASES[0]))
    for pid in (1, 2):
        log.write(Effect(Act.PHASE_BEGAN, TASK, 1, f"{pid}.mark", PHASES[0]))
    log.write(Effect(Act.PHASE_SAVED, TASK, 1, "1.mark", PHASES[0]))
    log.repaired({})

    found = within_a_phase(path)

    assert found[2] == TASK
    assert 1 not in found
    assert 0 not in found


def test_nobody_is_in_a_phase_where_nothing_was_written(log: EffectLog, path: Path) -> None:
    assert within_a_phase(path) == {}


def test_time_runs_faster_and_is_the_same_for_all(tmp_path: Path) -> None:
    setting = Setting(str(tmp_path), "postgresql://", seed=1, started=0.0, speed=20.0)
    again = Setting.from_json(setting.to_json())

    earlier, later = setting.clock().now(), again.clock().now()

    assert again == setting
    assert EPOCH < earlier <= later
    assert FastClock(0.0, 40.0).now() - EPOCH > 1.9 * (earlier - EPOCH)
