"""What the PostgreSQL benchmark's numbers rest on, without a server."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from benchmarks import postgres_peers
from benchmarks.peers import child
from benchmarks.peers.child import Measured, WrongResult, check_sum, parse_answer, repeat
from benchmarks.postgres import GOALS, PARTS
from benchmarks.postgres_clients import End, timed_clients
from benchmarks.postgres_peers import SystemFailed, is_there, measure


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


def test_every_goal_belongs_to_a_part() -> None:
    assert set(GOALS) <= set(PARTS)
    assert "benchmarks.peers.dbos_peer" not in sys.modules
