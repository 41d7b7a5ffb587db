"""What a choice of the script does to a schedule."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from core.errors import BlobStoreUnavailable, BusUnavailable, StoreUnavailable
from testing.simulation.actions import STALLS, TICKS, Action
from testing.simulation.ports import Crash, PortCall
from testing.simulation.recorder import Director, Entry, Key, Recorder, plan_of, short, subject_of
from testing.simulation.script import CALM, Script
from testing.simulation.simulate import quiet, simulate
from testing.simulation.world import World


@pytest.fixture(autouse=True)
def _no_log() -> Iterator[None]:
    with quiet():
        yield


def log_of(text: str) -> list[Entry]:
    recorder = Recorder()
    assert simulate(Script.parse(text), recorder=recorder) is None
    return recorder.log


def done(log: list[Entry], actor: str) -> list[str]:
    return [entry.key.operation for entry in log if entry.stream == actor]


def test_in_a_calm_world_one_worker_does_it_all_and_no_time_passes() -> None:
    log = log_of("0:")

    assert {entry.stream for entry in log} == {"s1", "w1"}
    assert {entry.seconds for entry in log} == {0.0}
    assert done(log, "s1") == ["submit_job", "send", "mark_published"]
    assert [operation for operation in done(log, "w1") if operation.startswith(("open", "finish_run"))] == [
        "open_stage",
        "open_stage",
        "finish_run",
    ]


@pytest.mark.parametrize(
    ("action", "submitted"),
    [
        (Action.CRASH_BEFORE, ["submit_job", "submit_job", "send", "mark_published"]),
        (Action.CRASH_AFTER, ["submit_job", "submit_job"]),
        (Action.REFUSE, ["submit_job", "submit_job", "send", "mark_published"]),
        (Action.REPORT_FAILURE, ["submit_job", "submit_job"]),
        (Action.GO, ["submit_job", "send", "mark_published"]),
    ],
)
def test_a_call_that_fails_was_carried_out_or_not(action: Action, submitted: list[str]) -> None:
    """The submitter submits again, and sends only if that made the job."""
    assert done(log_of(f"0:s1.0={action:d}"), "s1") == submitted


def test_half_a_send_is_all_that_is_sent() -> None:
    log = log_of(f"0:w1.3={Action.SEND_HALF:d}")

    sends = [entry.key.subject for entry in log if entry.key.operation == "send"]
    assert sends.count("1:1:n0:1 1:1:n1:1 1:1:n2:1") == 2


@pytest.mark.parametrize("action", STALLS)
def test_who_stalls_goes_on_later_and_others_meanwhile(action: Action) -> None:
    log = log_of(f"0:w1.7={action:d}")

    at = next(place for place, entry in enumerate(log) if entry.effective)
    following = [entry for entry in log[at + 1 :] if entry.stream == "w1"]
    assert log[at + 1].stream == "w2"
    assert following[0].seconds == STALLS[action]


@pytest.mark.parametrize("action", TICKS)
def test_the_clock_moves_while_nobody_else_does(action: Action) -> None:
    log = log_of(f"0:w1.7={action:d}")

    at = next(place for place, entry in enumerate(log) if entry.effective)
    assert log[at + 1].stream == "w1"
    assert log[at + 1].seconds == TICKS[action]


def test_another_actor_goes_first_and_this_one_when_that_one_waits() -> None:
    log = log_of(f"0:w1.7={Action.PREEMPT:d}")

    at = next(place for place, entry in enumerate(log) if entry.effective)
    assert log[at].others[Action.PREEMPT] == "w2"
    assert log[at + 1].stream == "w2"
    assert log[-1].stream == "w1"


def test_a_choice_that_cannot_be_made_is_void() -> None:
    assert not any(entry.effective for entry in log_of(f"0:s1.0={Action.STOP:d},s1.1={Action.REORDER:d}"))


def test_a_stopped_handler_is_called_again() -> None:
    log = log_of(f"0:w1.7={Action.STOP:d}")

    claims = [entry.key.subject for entry in log if entry.key.operation == "claim_task"]
    assert claims.count("1:1:n0") == 2


def test_a_dead_process_writes_nothing() -> None:
    world = World(CALM)
    worker = world.actors[0]
    worker.boot()
    store = worker.store

    worker.restart()

    with pytest.raises(Crash):
        store.load_task(None)  # type: ignore[arg-type]
    assert worker.store is not store


@pytest.mark.parametrize("failure", [StoreUnavailable, BusUnavailable, BlobStoreUnavailable])
def test_each_port_fails_in_its_own_way(
    failure: type[StoreUnavailable | BusUnavailable | BlobStoreUnavailable],
) -> None:
    with pytest.raises(failure):
        World(CALM).actors[0].meet(Action.REFUSE, PortCall("put", print, failure), (), {})


def test_a_plan_tells_the_same_story_as_the_script_it_was_made_from() -> None:
    for seed in range(30):
        script, first = Script.drawn(seed), Recorder()
        simulate(script, recorder=first)

        director = Director(plan_of(first.log))
        simulate(Script(0, {"x": script.streams["x"]}), recorder=director)

        assert list(map(str, director.log)) == list(map(str, first.log)), f"seed {seed}"


def test_what_took_effect_is_all_that_a_script_needs() -> None:
    for seed in range(30):
        script, first, second = Script.drawn(seed), Recorder(), Recorder()
        simulate(script, recorder=first)

        simulate(Script.of(first.deviations).shaped(script.streams["x"]), recorder=second)

        assert list(map(str, second.log)) == list(map(str, first.log)), f"seed {seed}"


def test_keys_count_how_often_something_was_done() -> None:
    claims = [entry.key for entry in log_of("0:") if entry.key.operation == "receive"]

    assert claims[:3] == [
        Key("w", "receive", "jobs", 1),
        Key("w", "receive", "tasks", 1),
        Key("w", "receive", "tasks", 2),
    ]


def test_subjects_are_short() -> None:
    job = "f" * 64

    assert short(f"{job}:1:2:n0") == "1:2:n0"
    assert short(job) == "ffff"
    assert short("jobs") == "jobs"
    assert subject_of(()) == ""
    assert subject_of(([f"{job}:1:1:n0:1", f"{job}:1:1:n1:1"],)) == "1:1:n0:1 1:1:n1:1"
    assert subject_of((3,)) == ""
