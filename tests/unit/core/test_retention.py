from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest

from core.errors import BlobStoreUnavailable
from core.model import RunStatus
from core.retention import Retention, RetentionPolicy, Retired, archive_folder
from testing.clock import FakeClock
from testing.contracts.scenario import START, Scenario, at
from testing.contracts.state_letters import letter
from testing.contracts.state_runs import again
from testing.memory_blobs import MemoryBlobStore
from testing.mock_state import MockStateManager

POLICY = RetentionPolicy(keep_seconds=1_000, batch=2)


class Attic:
    """A store in which time is the scenario's, and its retention."""

    def __init__(self, policy: RetentionPolicy = POLICY, blobs: MemoryBlobStore | None = None) -> None:
        self.clock = FakeClock(START)
        self.store = MockStateManager(self.clock)
        self.blobs = blobs or MemoryBlobStore()
        self.retention = Retention(self.store, self.clock, policy, self.blobs)

    def ended(self, content: str = "a", *names: str) -> Scenario:
        """A run that ended at second 10."""
        scenario = Scenario.started(self.store, *names, content=content)
        for name in names:
            scenario.complete(scenario.claim(name))
        self.store.finish_run(scenario.job_id, 1, RunStatus.COMPLETED, "{}", None, at(10))
        return scenario

    def lines(self, folder: str, kind: str) -> list[dict[str, Any]]:
        """The lines of the archive's parts of one kind, as the run's own blob lists them."""
        (run,) = self.read(f"{folder}/run.jsonl.gz")
        parts = [part for part in run["parts"] if part.startswith(kind)]
        return [line for part in parts for line in self.read(f"{folder}/{part}")]

    def read(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in gzip.decompress(self.blobs.get(name)).splitlines()]


def test_runs_are_kept_for_as_long_as_was_said() -> None:
    attic = Attic()
    scenario = attic.ended("a", "x")
    attic.clock.advance(1_010)

    assert attic.retention.run_once() == Retired()
    assert scenario.run().ended


def test_what_has_not_ended_stays_whatever_its_age() -> None:
    attic = Attic()
    scenario = Scenario.started(attic.store, "x")
    attic.clock.advance(1e8)

    assert attic.retention.run_once() == Retired()
    assert not scenario.run().ended


def test_an_old_run_is_archived_whole_and_then_deleted_in_batches() -> None:
    attic = Attic()
    scenario = attic.ended("a", "x", "y", "z")
    run = scenario.run()
    attic.clock.advance(1_011)

    assert attic.retention.run_once() == Retired(archived=1, deleted=1, transactions=2)

    folder = archive_folder(run)
    assert attic.store.load_run(scenario.job_id, 1) is None
    (record,) = attic.read(f"{folder}/run.jsonl.gz")
    assert (record["job_id"], record["status"], record["result_json"]) == (scenario.job_id, "completed", "{}")
    assert [(task["name"], json.loads(task["result_json"])) for task in attic.lines(folder, "tasks")] == [
        (name, {"answer": 42}) for name in "xyz"
    ]
    kinds = [event["kind"] for event in attic.lines(folder, "events")]
    assert (kinds[0], kinds[-1], len(kinds)) == ("job_submitted", "job_ended", 10)


def test_the_tries_of_a_task_that_did_not_succeed_at_once_are_archived_with_it() -> None:
    attic = Attic()
    scenario = Scenario.started(attic.store, "x")
    scenario.requeue(scenario.claim("x"))
    scenario.complete(scenario.claim("x", 2))
    attic.store.finish_run(scenario.job_id, 1, RunStatus.COMPLETED, "{}", None, at(10))
    folder = archive_folder(scenario.run())
    attic.clock.advance(2_000)

    attic.retention.run_once()

    (task,) = attic.lines(folder, "tasks")
    assert [attempt["outcome"] for attempt in task["attempts"]] == ["retry", "completed"]


def test_the_many_tasks_of_a_cancelled_run_are_archived_without_a_question_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    attic = Attic()
    scenario = Scenario.started(attic.store, "done", "held", "waits")
    scenario.complete(scenario.claim("done"))
    scenario.claim("held")
    scenario.finish()
    folder = archive_folder(scenario.run())
    attic.clock.advance(2_000)
    monkeypatch.setattr(attic.store, "list_attempts", None)

    assert attic.retention.run_once().archived == 1

    assert [(task["name"], task["status"]) for task in attic.lines(folder, "tasks")] == [
        ("done", "completed"),
        ("held", "cancelled"),
        ("waits", "cancelled"),
    ]
    started = [event["task_id"] for event in attic.lines(folder, "events") if event["kind"] == "task_started"]
    assert started == [scenario.task_id("done"), scenario.task_id("held")]


def test_a_pass_that_was_killed_while_it_deleted_does_not_archive_what_is_left_as_the_whole() -> None:
    attic = Attic(RetentionPolicy(keep_seconds=1_000, batch=1, max_tasks=1))
    scenario = attic.ended("a", "x", "y", "z")
    folder = archive_folder(scenario.run())
    attic.clock.advance(2_000)

    passes = [attic.retention.run_once() for _ in range(4)]

    assert [one.archived for one in passes] == [1, 0, 0, 0]
    assert [one.deleted for one in passes] == [0, 0, 0, 1]
    assert len(list(attic.blobs.names(f"{folder}/tasks-"))) == 3


def test_a_pass_that_still_reads_while_another_one_deletes_spoils_nothing() -> None:
    attic = Attic(RetentionPolicy(keep_seconds=1_000, batch=1, max_tasks=2))
    scenario = attic.ended("a", "x", "y", "z")
    folder = archive_folder(scenario.run())
    attic.clock.advance(2_000)

    class Slow(MemoryBlobStore):
        """Another pass archives and deletes while this one writes its first part."""

        overtaken = False

        def put(self, name: str, data: bytes, content_type: str) -> None:
            if not self.overtaken:
                self.overtaken = True
                assert attic.retention.run_once() == Retired(archived=1, transactions=2)
            attic.blobs.put(name, data, content_type)

        def names(self, prefix: str) -> Iterator[str]:
            return attic.blobs.names(prefix)

    slow = Retention(attic.store, attic.clock, RetentionPolicy(keep_seconds=1_000, batch=1), Slow())

    assert slow.run_once() == Retired(archived=0, deleted=1, transactions=2)
    assert [task["name"] for task in attic.lines(folder, "tasks")] == ["x", "y", "z"]
    assert len(attic.lines(folder, "events")) == 10


def test_a_run_that_is_not_let_go_yet_takes_no_more_calls_than_it_needs() -> None:
    attic = Attic(RetentionPolicy(keep_seconds=1_000, batch=1, max_tasks=50))
    first = attic.ended("a", "x")
    attic.ended("b", "y")
    again(first, when=20)
    attic.store.finish_run(first.job_id, 2, RunStatus.CANCELLED, None, None, at(5))
    attic.clock.advance(1_008)

    assert attic.retention.run_once() == Retired(archived=1, transactions=1)
    attic.clock.advance(1_000)
    assert [attic.retention.run_once().deleted for _ in range(3)] == [2, 1, 0]
    assert attic.store.latest_run(first.job_id) is None


def test_nothing_is_deleted_before_the_archive_has_it() -> None:
    class Away(MemoryBlobStore):
        def put(self, name: str, data: bytes, content_type: str) -> None:
            if name.endswith("run.jsonl.gz"):
                raise BlobStoreUnavailable("away")
            super().put(name, data, content_type)

    attic = Attic(blobs=Away())
    scenario = attic.ended("a", "x")
    attic.clock.advance(2_000)

    with pytest.raises(BlobStoreUnavailable):
        attic.retention.run_once()

    assert scenario.task("x").status == "completed"


def test_a_job_that_came_again_after_it_was_deleted_has_an_archive_of_its_own() -> None:
    attic = Attic()
    scenario = attic.ended("a", "x")
    first = scenario.run()
    attic.clock.advance(2_000)
    attic.retention.run_once()

    assert scenario.submit_again(when=2_000).created
    assert archive_folder(scenario.run()) != archive_folder(first)


def test_without_an_archive_runs_are_only_deleted() -> None:
    attic = Attic()
    scenario = attic.ended("a", "x")
    attic.clock.advance(2_000)

    assert Retention(attic.store, attic.clock, POLICY).run_once() == Retired(deleted=1, transactions=1)
    assert attic.store.load_run(scenario.job_id, 1) is None
    assert list(attic.blobs.names("")) == []


def test_a_pass_takes_no_more_runs_than_was_said() -> None:
    attic = Attic(RetentionPolicy(keep_seconds=0, max_runs=2))
    for content in "abc":
        attic.ended(content)
    attic.clock.advance(20)

    assert [attic.retention.run_once().deleted for _ in range(3)] == [2, 1, 0]


def written_down(attic: Attic, *seconds: float) -> None:
    for number, second in enumerate(seconds):
        attic.store.record_dead_letters([letter(f"m{number}")], at(second))


def test_dead_letters_are_kept_for_a_time_of_their_own_and_deleted_in_batches() -> None:
    attic = Attic(RetentionPolicy(keep_seconds=1e9, keep_letters_seconds=100, batch=2))
    written_down(attic, 1, 2, 3, 4)
    attic.clock.advance(104)

    assert attic.retention.run_once() == Retired(letters=3)
    assert [found.letter.message_id for found in attic.store.list_dead_letters(0, 10)] == ["m3"]
    assert attic.retention.run_once() == Retired()


def test_a_pass_deletes_no_more_dead_letters_than_was_said() -> None:
    attic = Attic(RetentionPolicy(keep_letters_seconds=100, batch=2, max_letters=3))
    written_down(attic, 1, 2, 3, 4, 5)
    attic.clock.advance(1_000)

    assert [attic.retention.run_once().letters for _ in range(3)] == [4, 1, 0]
