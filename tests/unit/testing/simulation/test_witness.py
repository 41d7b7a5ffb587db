"""The rules of the simulation, one by one: what breaks them is told."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from core.ids import TaskId, WorkerId, job_id_for, task_id_for
from core.model import (
    Claimed,
    Finished,
    Lease,
    LeaseExpired,
    NewRun,
    NewStage,
    NewTask,
    NotClaimed,
    OutboundMessage,
    RunStatus,
    TaskStatus,
)
from testing.clock import EPOCH
from testing.simulation.jobs import JOBS, SumParams
from testing.simulation.rules import Violation
from testing.simulation.run_book import RunBook
from testing.simulation.task_book import Ending, TaskBook

JOB = job_id_for("steady", {"n": 2}, "default")
LATER = EPOCH + timedelta(minutes=1)


def message(name: str) -> OutboundMessage:
    return OutboundMessage("tasks", name, "task", b"{}")


def stage(number: int, *values: str, count: int = 2) -> NewStage:
    """Stage ``number``; ``values`` are its tasks' parameters, by default the calm ones of stage 1."""
    parameters = values or tuple(f'{{"value":{value},"call":0}}' for value in range(count))
    tasks = [
        NewTask(task_id_for(JOB, 1, number, f"n{index}"), f"n{index}", text, message(f"n{index}"))
        for index, text in enumerate(parameters)
    ]
    definition = JOBS["steady"].stages[number - 1]
    return NewStage(
        number, definition.name, definition.task_type, definition.failure_policy, tuple(tasks), message("end")
    )


def run_book(job_type: str = "steady", n: int = 2) -> RunBook:
    return RunBook(JOB, 1, JOBS[job_type], SumParams(n=n), LATER)


def opened(job_type: str = "steady") -> tuple[RunBook, TaskBook, TaskBook]:
    run = run_book(job_type)
    first, second = run.open_stage(stage(1))
    return run, first, second


def lease(task: TaskBook, token: int = 1) -> Lease:
    return Lease(task.task_id, task.attempt, token, WorkerId("w"), LATER)


def claim(task: TaskBook, token: int = 1, **other: Any) -> None:
    values = {"charged": task.charged, "checkpoint_json": task.checkpoint} | other
    task.claim(Claimed(lease(task, token), "double", "{}", values["checkpoint_json"], values["charged"]), task.attempt)


def end(task: TaskBook, ending: Ending, status: TaskStatus, run: RunStatus = RunStatus.PROCESSING) -> None:
    task.end(ending, Finished(status, run, ()), '{"value":0,"call":1}')


def complete(task: TaskBook) -> None:
    claim(task)
    end(task, Ending.COMPLETED, TaskStatus.COMPLETED)


def test_a_claim_that_is_granted_keeps_to_the_rules() -> None:
    _, task, _ = opened()
    claim(task)

    with pytest.raises(Violation, match="claimed once an attempt"):
        claim(task, 2)
    end(task, Ending.CHARGED, TaskStatus.QUEUED)
    with pytest.raises(Violation, match="fencing tokens grow"):
        claim(task, 1)
    with pytest.raises(Violation, match="costs what it must"):
        claim(task, 2, charged=0)
    with pytest.raises(Violation, match="resumed from"):
        claim(task, 2, checkpoint_json="{}")
    claim(task, 2)


def test_a_claim_that_is_refused_has_a_reason() -> None:
    run, task, _ = opened()

    with pytest.raises(Violation, match="given to who asks"):
        task.check_refusal(NotClaimed.RUNNING, 1)
    task.check_refusal(NotClaimed.STALE, 2)
    run.pause(True)
    task.check_refusal(NotClaimed.PAUSED, 1)
    with pytest.raises(Violation, match="starts nothing"):
        claim(task)


def test_only_the_holder_writes_and_only_while_it_holds() -> None:
    _, task, _ = opened()
    claim(task, 5)

    task.save(lease(task, 5), "{}", lease(task, 5))
    assert task.progressed
    with pytest.raises(Violation, match="zombie"):
        task.renew(lease(task, 4), lease(task, 4))
    end(task, Ending.FREE, TaskStatus.QUEUED)
    with pytest.raises(Violation, match="zombie"):
        task.check_holder(lease(task, 5))


def test_a_lease_runs_out_when_it_is_over_and_not_before() -> None:
    _, task, _ = opened()
    claim(task)
    expired = LeaseExpired(lease(task), "steady", "double", 0, False)

    task.check_expired(expired, LATER)
    with pytest.raises(Violation, match="live lease"):
        task.check_expired(expired, EPOCH)
    with pytest.raises(Violation, match="lease that is held"):
        task.check_expired(expired._replace(lease=lease(task, 9)), LATER)


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        (Ending.COMPLETED, TaskStatus.QUEUED),
        (Ending.FREE, TaskStatus.COMPLETED),
        (Ending.CHARGED, TaskStatus.FAILED),
        (Ending.FAILED, TaskStatus.QUEUED),
    ],
)
def test_an_attempt_ends_as_its_handler_did(ending: Ending, status: TaskStatus) -> None:
    _, task, _ = opened()
    claim(task)

    with pytest.raises(Violation, match="as its handler did"):
        end(task, ending, status)
    with pytest.raises(Violation, match="after its handler"):
        task.end(None, Finished(status, RunStatus.PROCESSING, ()), None)


def test_the_last_attempt_and_the_last_retry_that_is_paid_for_fail() -> None:
    run, task, other = opened("thrifty")
    for token in (1, 2):
        claim(task, token)
        end(task, Ending.CHARGED, TaskStatus.QUEUED)
    claim(other)

    with pytest.raises(Violation, match="as its handler did"):
        end(other, Ending.CHARGED, TaskStatus.QUEUED)
    end(other, Ending.CHARGED, TaskStatus.FAILED, RunStatus.FAILED)
    assert run.ended is RunStatus.FAILED
    assert task.status is TaskStatus.CANCELLED


def test_a_failed_task_ends_its_run_where_it_must() -> None:
    _, strict, _ = opened("fragile")
    _, tolerated, _ = opened("tolerant")
    claim(strict)
    claim(tolerated)

    with pytest.raises(Violation, match="ends its run where it must"):
        end(strict, Ending.FAILED, TaskStatus.FAILED)
    with pytest.raises(Violation, match="ends its run where it must"):
        end(tolerated, Ending.FAILED, TaskStatus.FAILED, RunStatus.FAILED)


def test_a_stage_is_opened_once_after_the_one_before_and_on_its_results() -> None:
    run, first, second = opened()

    with pytest.raises(Violation, match="opened once"):
        run.open_stage(stage(1))
    with pytest.raises(Violation, match="follows the end"):
        run.open_stage(stage(2))
    complete(first)
    complete(second)
    with pytest.raises(Violation, match="results of the one before"):
        run.open_stage(stage(2, '{"value":0,"call":9}', '{"value":0,"call":1}'))
    assert len(run.open_stage(stage(2, '{"value":0,"call":1}', '{"value":0,"call":1}'))) == 2


def ended_run() -> RunBook:
    run, *tasks = opened()
    for task in tasks:
        complete(task)
    for task in run.open_stage(stage(2, '{"value":0,"call":1}', '{"value":0,"call":1}')):
        complete(task)
    return run


RESULT = '{"values":[0,0],"calls":[1,1]}'


@pytest.mark.parametrize(
    ("status", "result", "told"),
    [
        (RunStatus.COMPLETED, '{"values":[0],"calls":[1]}', "made of its tasks' results"),
        (RunStatus.FAILED, None, "as its tasks did"),
        (RunStatus.CANCELLED, None, "as its tasks did"),
    ],
)
def test_a_run_ends_as_its_tasks_did_unless_somebody_cancels_it(
    status: RunStatus, result: str | None, told: str
) -> None:
    with pytest.raises(Violation, match=told):
        ended_run().finish(status, result, None, "", EPOCH)
    ended_run().finish(RunStatus.CANCELLED, None, None, "somebody", EPOCH)


def test_a_run_that_has_ended_stays_as_it_is() -> None:
    run = ended_run()
    run.finish(RunStatus.COMPLETED, RESULT, None, "", EPOCH)

    with pytest.raises(Violation, match="absorb"):
        run.finish(RunStatus.CANCELLED, None, None, "somebody", EPOCH)
    with pytest.raises(Violation, match="absorb"):
        run.open_stage(stage(2))
    with pytest.raises(Violation, match="paused once"):
        run.pause(True)


def test_a_run_does_not_end_before_its_last_stage() -> None:
    run, *tasks = opened()
    for task in tasks:
        complete(task)

    with pytest.raises(Violation, match="after its last stage"):
        run.finish(RunStatus.COMPLETED, RESULT, None, "", EPOCH)


def test_a_job_runs_again_once_it_has_ended_and_takes_over_what_is_reused() -> None:
    run = ended_run()
    again = NewRun(JOB, 2, message("again"), None, "somebody", reuse_stages=1)
    with pytest.raises(Violation, match="once its run has ended"):
        run.next_run(again)
    run.finish(RunStatus.COMPLETED, RESULT, None, "", EPOCH)

    following = run.next_run(again)

    assert [task.task_id for task in following.stages[0]] == [TaskId(f"{JOB}:2:1:n{index}") for index in (0, 1)]
    assert following.stage_ended
    assert following.ended is None
