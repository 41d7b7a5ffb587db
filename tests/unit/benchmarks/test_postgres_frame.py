"""What the PostgreSQL benchmark's numbers rest on, without a server."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from benchmarks import chaos, postgres_peers
from benchmarks.peers import child
from benchmarks.peers.child import Measured, WrongResult, check_sum, parse_answer, repeat
from benchmarks.postgres import GOALS, PARTS
from benchmarks.postgres_clients import End, timed_clients
from benchmarks.postgres_peers import SystemFailed, is_there, measure
from benchmarks.postgres_retention import Sample, numbers_of
from benchmarks.postgres_systems import ratios
from benchmarks.report import at_least


@pytest.mark.parametrize(("clients", "tasks", "batch"), [(1, 5, 1), (3, 10, 1), (4, 10, 3), (2, 1, 100)])
def test_every_task_is_ended_once_by_the_clients_together(clients: int, tasks: int, batch: int) -> None:
    ended: list[int] = []
    sizes: list[int] = []
    lock = threading.Lock()

    @contextmanager
    def client() -> Iterator[End]:
        def end(numbers: Sequence[int]) -> None:
            with lock:
                ended.extend(numbers)
                sizes.append(len(numbers))

        yield end

    timed_clients(clients, tasks, batch, client)

    assert sorted(ended) == list(range(tasks))
    assert max(sizes) <= batch


def test_a_client_that_fails_fails_the_measurement() -> None:
    @contextmanager
    def client() -> Iterator[End]:
        def end(numbers: Sequence[int]) -> None:
            raise ValueError(str(numbers))

        yield end

    with pytest.raises(ValueError, match="range"):
        timed_clients(2, 10, 5, client)


def test_a_wrong_sum_is_refused() -> None:
    check_sum(499_500, 1_000)

    with pytest.raises(WrongResult):
        check_sum(499_501, 1_000)


def test_the_first_call_is_not_counted_and_none_is_made_where_none_is_asked_for() -> None:
    calls: list[int] = []

    assert len(repeat(3, lambda: calls.append(1))) == 3
    assert repeat(0, lambda: calls.append(1)) == []
    assert len(calls) == 4


def test_what_a_process_answers_is_read_as_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    measured = Measured("1.2", "as it comes", {"queue": [0.5]}, {"direct": [0.1, 0.2]})

    child.answer(measured)

    assert parse_answer(capsys.readouterr().out) == measured


def test_a_system_that_is_not_installed_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_peers, "MODULES", {"absent": "no_such_package.at_all", "present": "json"})

    assert (is_there("absent"), is_there("present")) == (False, True)


def test_a_process_that_ends_without_an_answer_says_why() -> None:
    with pytest.raises(SystemFailed, match=r"no_such_system did not answer\n(.*\n)*.*no_such_system_peer"):
        measure("no_such_system", "postgresql://")


def test_our_ways_are_held_against_the_best_peer_that_stores_its_results() -> None:
    rates = {
        ("coremachine", "bus_inside"): 3_000.0,
        ("coremachine", "bus_outside"): 900.0,
        ("one", "queue"): 400.0,
        ("one", "steps"): 1_000.0,
        ("other", "memory"): 9_000.0,
        ("other", "stored"): 500.0,
    }

    assert ratios(rates) == {
        "jobs_ratio": 3.0,
        "jobs_ratio_bus_inside": 3.0,
        "jobs_ratio_bus_outside": 0.9,
        "jobs_ratio_one": 3.0,
        "jobs_ratio_other": 6.0,
    }


def test_without_a_peer_there_is_no_ratio_and_so_the_goal_is_missed() -> None:
    assert ratios({("coremachine", "bus_inside"): 3_000.0}) == {}
    assert GOALS["jobs"][0].missed({})


def test_to_be_as_fast_as_the_best_is_not_to_be_ahead() -> None:
    for goal in GOALS["jobs"]:
        assert goal.missed({goal.name: 1.0})
        assert goal.missed({goal.name: 1.01}) is None


def test_the_size_at_the_end_is_held_against_that_after_the_first_fifth() -> None:
    samples = [Sample(tasks * 100_000, tasks, (100 + tasks) * 2**20, 0, 0) for tasks in range(1, 11)]

    found = numbers_of([*samples[:-1], samples[-1]._replace(bytes=153 * 2**20)])

    assert (found["retention_growth"], found["retention_late_growth"]) == (1.5, 1.46)
    assert (found["retention_mb"], found["retention_mb_max"]) == (153.0, 153.0)


def test_a_database_that_grows_with_its_tasks_misses_the_goal() -> None:
    found = numbers_of([Sample(tasks, 1.0, tasks * 100, 0, 0) for tasks in range(100_000, 1_100_000, 100_000)])

    assert (found["retention_growth"], found["retention_late_growth"]) == (5.0, 2.0)
    assert all(goal.missed(found) for goal in GOALS["retention"])


@pytest.mark.parametrize("text", ["-1", "1.5", "many", ""])
def test_a_number_that_cannot_be_is_refused_where_it_is_given(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    for option in ("kills", "restarts"):
        with pytest.raises(SystemExit) as refused:
            chaos.main([f"--{option}={text}"])

        assert refused.value.code == 2
        assert f"argument --{option}: " in capsys.readouterr().err


def test_a_number_at_its_bound_is_taken() -> None:
    assert (at_least(0)("0"), at_least(1)("7")) == (0, 7)


def test_every_goal_belongs_to_a_part() -> None:
    assert set(GOALS) <= set(PARTS)
    assert "benchmarks.peers.dbos_peer" not in sys.modules
