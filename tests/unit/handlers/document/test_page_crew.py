"""Pages that are read by several threads: what they come to, whatever happens meanwhile."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass

import pytest

from core.context import StopReason
from core.errors import BlobStoreUnavailable, DependencyMissing, LeaseLost, StoreUnavailable
from core.outcome import Interrupted
from handlers.document.errors import DecodeFailed, LanguageNotSupported, OcrFailed, PageTooSlow
from handlers.document.page_ledger import MAX_STRIKES, OWN_STRIKES
from handlers.document.recognise import READING_SECONDS
from tests.support.documents import Context
from tests.support.scripted_pages import Pages, Task

SECONDS = 30.0


def task(pages: int = 8, concurrency: int = 1, **changes: object) -> Task:
    return Task(Pages(pages), list(range(1, pages + 1)), concurrency, **changes)  # type: ignore[arg-type]


def blobs(done: Task) -> dict[str, bytes]:
    return {name: done.context.blobs.get(name) for name in done.context.blobs.names("documents/")}


def finished(done: Task) -> list[int]:
    """The pages that are finished by the checkpoint that was saved last."""
    if done.context.saved is None:
        return []
    return [int(phase[5:]) for phase in json.loads(done.context.saved)["phases"] if phase.startswith("page-")]


def begun(saved: str | None) -> dict[str, int]:
    assert saved is not None
    found: dict[str, int] = json.loads(saved)["data"]["begun"]
    return found


def resume(done: Task, saved: str | None) -> None:
    """The next attempt begins with ``saved``, as after the death of the process that had saved it."""
    done.context = Context(blobs=done.context.blobs, saved=saved)


@pytest.mark.parametrize("concurrency", [1, 2, 5])
def test_pages_come_to_the_same_whatever_the_number_of_threads(concurrency: int) -> None:
    alone, many = task(20), task(20, concurrency)

    assert alone.attempt() is None
    assert many.attempt() is None

    assert blobs(many) == blobs(alone)
    assert many.statuses() == ["read"] * 20
    assert sorted(many.read) == list(range(1, 21))
    assert many.most <= concurrency
    assert many.engines == 1


def test_as_many_pages_are_read_at_once_as_the_engine_reads() -> None:
    three, together = task(8, 3), threading.Barrier(3, timeout=SECONDS)
    three.during = lambda number: (
        (together.wait(), None)[1] if number in (1, 2, 3, 4) and len(three.read) <= 3 else None
    )

    assert three.attempt() is None

    assert three.most == 3


def test_a_page_that_brings_its_text_along_needs_no_engine() -> None:
    texts = Task(Pages(3, texts=[1, 2, 3]), [1, 2, 3])

    assert texts.attempt() is None

    first = texts.records()[0]
    assert first is not None
    assert (texts.engines, texts.read) == (0, [])
    assert (first.origin, first.engine, first.unit, first.text) == ("text_layer", "layers 1", "inch", "page 1")


def test_a_page_that_cannot_be_read_is_stored_as_such_and_loses_no_other() -> None:
    damaged = Task(Pages(5, damaged=[2]), [1, 2, 3, 4, 5], 2)

    def breaks(number: int) -> None:
        if number == 4:
            raise OcrFailed("the engine broke")
        if number == 5:
            raise KeyError("what the document held")

    damaged.during = breaks
    assert damaged.attempt() is None

    assert damaged.statuses() == ["read", "failed", "read", "failed", "failed"]
    records = [record for record in damaged.records() if record is not None]
    codes = [record.error.code for record in records if record.error is not None]
    assert codes == ["DECODE_FAILED", "OCR_FAILED", "HANDLER_ERROR"]
    assert [(warning.code, warning.value) for warning in records[1].warnings] == [("PAGE_FAILED", "DECODE_FAILED")]
    assert (records[1].width, records[1].height, records[1].lines) == (2.0, 10.0, [])
    assert "what the document held" not in records[4].model_dump_json()


@pytest.mark.parametrize("concurrency", [1, 2])
def test_a_page_that_cannot_be_read_ends_the_task_where_that_is_asked_for(concurrency: int) -> None:
    strict = Task(Pages(5, damaged=[2]), [1, 2, 3, 4, 5], concurrency, fail_fast=True)

    with pytest.raises(DecodeFailed):
        strict.attempt()


@pytest.mark.parametrize(
    "error", [DependencyMissing("numpy"), BlobStoreUnavailable("away"), LeaseLost("not ours"), StoreUnavailable("away")]
)
def test_what_is_not_the_pages_fault_ends_the_task(error: Exception) -> None:
    broken = task(8, 2)

    def breaks(number: int) -> None:
        if number == 3:
            raise error

    broken.during = breaks
    with pytest.raises(type(error)):
        broken.attempt()

    assert "failed" not in broken.statuses()


@pytest.mark.parametrize("error", [LanguageNotSupported("no engine reads xx"), OcrFailed("no engine")])
def test_an_engine_that_cannot_be_had_ends_the_task(error: Exception) -> None:
    without = task()

    def refuse() -> object:
        raise error

    without._engine = refuse  # type: ignore[method-assign,assignment]
    with pytest.raises(type(error)):
        without.attempt()

    assert finished(without) == []


def test_asked_to_stop_it_finishes_what_it_reads_and_begins_no_more() -> None:
    stopped = task(8, 2)

    def stop(number: int) -> None:
        if number == 3:
            stopped.context.stop.set("shutdown")

    stopped.during = stop
    assert stopped.attempt() == Interrupted("shutdown")

    assert len(stopped.read) <= 4
    assert sorted(stopped.read) == sorted(finished(stopped))
    assert begun(stopped.context.saved) == {}
    resume(stopped, stopped.context.saved)
    assert stopped.attempt() is None
    assert sorted(stopped.read) == list(range(1, 9))


def test_stopped_before_it_begins_it_asks_for_nothing() -> None:
    stopped = task()
    stopped.context.stop.set("cancelled")

    assert stopped.attempt() == Interrupted("cancelled")

    assert (stopped.read, stopped.engines, stopped.context.saved) == ([], 0, None)


@dataclass
class Death:
    """What is left of a task whose process dies as it reads a page: what was saved and stored by then.

    The threads that the test cannot kill are told to stop, and what they still did is taken back.
    """

    task: Task
    saved: str | None = None
    stored: Collection[str] = ()
    reads: int = 0
    happened: bool = False

    def here(self) -> None:
        if not self.happened:
            self.happened, self.saved = True, self.task.context.saved
            self.stored, self.reads = list(blobs(self.task)), len(self.task.read)
            self.task.context.stop.set("shutdown")

    def at(self, reads: int) -> Callable[[int], None]:
        """What is to happen at each page, so that it dies once so many were read."""
        return lambda _number: self.here() if len(self.task.read) >= reads else None

    def bury(self) -> None:
        del self.task.read[self.reads :]
        for name in blobs(self.task).keys() - self.stored:
            self.task.context.blobs.delete(name)
        resume(self.task, self.saved)


@pytest.mark.parametrize("concurrency", [1, 2, 4])
def test_a_death_repeats_at_most_a_page_for_each_that_the_engine_reads_at_once(concurrency: int) -> None:
    whole, killed = task(12, concurrency), task(12, concurrency)
    assert whole.attempt() is None
    for reads in (2, 1, 1, 3, 2):
        death, at = Death(killed), len(killed.read) + reads
        killed.during = death.at(at)
        killed.attempt()
        death.bury()
    killed.during = lambda number: None
    assert killed.attempt() is None

    assert blobs(killed) == blobs(whole)
    assert 12 < len(killed.read) <= 12 + 5 * concurrency


def test_pages_of_a_process_that_died_are_read_alone_first() -> None:
    killed = task(12, 3)
    saved: list[str | None] = []

    def snapshot(number: int) -> None:
        if number == 5:
            saved.append(killed.context.saved)

    killed.during = snapshot
    killed.attempt()
    suspects = {int(number) for number in begun(saved[0])}
    assert 5 in suspects
    assert len(suspects) <= 4
    resume(killed, saved[0])
    killed.read, order, at_once = [], [], []

    def watch(number: int) -> None:
        order.append(number)
        at_once.append(killed._at_once)

    killed.during = watch
    assert killed.attempt() is None

    assert set(order[: len(suspects)]) == suspects
    assert at_once[: len(suspects)] == [1] * len(suspects)


def test_a_page_that_kills_its_process_again_and_again_is_given_up_and_the_others_are_read() -> None:
    deadly, deaths = task(6, 2), 0
    whole = Task(Pages(6), [1, 2, 3, 5, 6])
    whole.attempt()
    ended: Interrupted | None = Interrupted("")
    for _ in range(3 * MAX_STRIKES):
        seen: list[str | None] = []

        def die(number: int, seen: list[str | None] = seen) -> None:
            if number == 4:
                seen.append(deadly.context.saved)
                deadly.context.stop.set("shutdown")

        deadly.during = die
        ended = deadly.attempt()
        if not seen:
            break
        deaths += 1
        resume(deadly, seen[0])

    assert ended is None
    assert deaths == MAX_STRIKES
    assert deadly.statuses() == ["read", "read", "read", "failed", "read", "read"]
    crashed = deadly.records()[3]
    assert crashed is not None
    assert crashed.error is not None
    assert crashed.error.code == "PAGE_CRASHED"
    assert {name: blobs(deadly)[name] for name in blobs(whole)} == blobs(whole)


def test_each_death_of_a_process_has_a_checkpoint_of_its_own() -> None:
    """So it is free of charge, and no page uses up the attempts of its task."""
    deadly, states = task(3, 2), [None]

    def die(number: int) -> None:
        if number == 2:
            states.append(deadly.context.saved)  # type: ignore[arg-type]
            deadly.context.stop.set("shutdown")

    deadly.during = die
    for _ in range(MAX_STRIKES):
        deadly.attempt()
        resume(deadly, states[-1])

    assert len(set(states)) == len(states) == MAX_STRIKES + 1


def test_memory_that_ran_out_fails_no_page_before_it_was_read_alone() -> None:
    greedy, attempts = task(8, 3), 0

    def exhaust(number: int) -> None:
        if number == 4:
            raise MemoryError

    greedy.during = exhaust
    ended = greedy.attempt()
    while ended is not None:
        assert ended == Interrupted(StopReason.MEMORY)
        attempts += 1
        resume(greedy, greedy.context.saved)
        ended = greedy.attempt()

    assert attempts == 2
    assert greedy.read.count(4) == 2
    assert greedy.statuses() == ["read"] * 3 + ["failed"] + ["read"] * 4


def test_a_page_that_outlasts_the_tasks_time_is_known_to_have() -> None:
    slow, known = task(3), threading.Event()

    def look() -> None:
        if begun(slow.context.saved).get("2") == OWN_STRIKES:
            known.set()

    def outlast(number: int) -> None:
        if number == 2:
            slow.context.stop.set(StopReason.DEADLINE)
            assert known.wait(SECONDS)

    slow.context.on_save, slow.during = look, outlast
    assert slow.attempt() == Interrupted("deadline")

    assert 2 in finished(slow)
    assert begun(slow.context.saved) == {}


@pytest.mark.parametrize("concurrency", [1, 2, 3])
def test_a_page_that_is_read_for_too_long_is_left_behind_and_given_up_the_second_time(concurrency: int) -> None:
    slow, end, attempts = task(6, concurrency), threading.Event(), 0
    whole = Task(Pages(6), [1, 3, 4, 5, 6])
    whole.attempt()

    def hang(number: int) -> None:
        if number == 2:
            slow.context.clock.advance(READING_SECONDS + 1)
            end.wait(SECONDS)

    slow.during = hang
    ended = slow.attempt()
    while ended is not None:
        assert ended == Interrupted(StopReason.MEMORY)
        attempts += 1
        resume(slow, slow.context.saved)
        ended = slow.attempt()
    stored = blobs(slow)
    end.set()

    assert attempts == 2
    assert slow.statuses() == ["read", "failed", "read", "read", "read", "read"]
    given_up = slow.records()[1]
    assert given_up is not None
    assert given_up.error is not None
    assert given_up.error.code == "PAGE_TOO_SLOW"
    assert {name: stored[name] for name in blobs(whole)} == blobs(whole)


def test_a_page_that_is_slow_once_is_read() -> None:
    slow, end = task(3, 2), threading.Event()

    def hang_once(number: int) -> None:
        if number == 2 and slow.read.count(2) == 1:
            slow.context.clock.advance(READING_SECONDS + 1)
            end.wait(SECONDS)

    slow.during = hang_once
    assert slow.attempt() == Interrupted(StopReason.MEMORY)
    resume(slow, slow.context.saved)
    assert slow.attempt() is None
    end.set()

    assert slow.statuses() == ["read"] * 3
    assert begun(slow.context.saved) == {}
    assert json.loads(slow.context.saved or "")["data"]["slow"] == []


def test_a_page_that_is_too_slow_ends_the_task_where_that_is_asked_for() -> None:
    strict, end = task(3, 2, fail_fast=True), threading.Event()

    def hang(number: int) -> None:
        if number == 2:
            strict.context.clock.advance(READING_SECONDS + 1)
            end.wait(SECONDS)

    strict.during = hang
    for _ in range(2):
        assert strict.attempt() == Interrupted(StopReason.MEMORY)
        resume(strict, strict.context.saved)
    with pytest.raises(PageTooSlow):
        strict.attempt()
    end.set()


def test_a_checkpoint_is_written_about_once_a_page() -> None:
    counted, saves = task(40, 2), list[None]()
    counted.context.on_save = lambda: saves.append(None)

    counted.attempt()

    assert len(saves) <= 40 + 4


def test_progress_is_of_all_pages_of_the_task() -> None:
    told = task(4)
    told.during = lambda number: told.context.stop.set("shutdown") if number == 2 else None
    told.attempt()
    reports = list(told.context.reports)
    told.during = lambda number: None
    resume(told, told.context.saved)
    told.attempt()

    messages = [message for _, message in [*reports, *told.context.reports]]
    assert messages == [f"page {n} of 4" for n in range(1, 5)]
