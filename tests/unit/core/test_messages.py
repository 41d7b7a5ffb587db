from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import MessageInvalid, MessageVersionUnsupported
from core.ids import MAX_ATTEMPT, MAX_RUN, MAX_STAGE, JobId, TaskId, job_id_for, task_id_for
from core.messages import JobQueueMessage, StageCompleteMessage, TaskQueueMessage, decode, task_message_encoder

JOB = JobId("a" * 64)
job_ids = st.text().map(lambda text: job_id_for("job", {"text": text}, "t"))
runs = st.integers(1, MAX_RUN)
stages = st.integers(1, MAX_STAGE)
type_names = st.from_regex(r"[a-z][a-z0-9_]{0,63}", fullmatch=True)
task_names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}", fullmatch=True)


@given(job_ids, runs, type_names)
def test_a_job_message_comes_back_as_it_was_sent(job_id: JobId, run: int, job_type: str) -> None:
    message = JobQueueMessage(job_id=job_id, run=run, job_type=job_type)

    assert decode(message.encode()) == JobQueueMessage.decode(message.encode()) == message


@given(job_ids, runs, type_names, stages)
def test_a_stage_complete_message_comes_back_as_it_was_sent(job_id: JobId, run: int, job_type: str, stage: int) -> None:
    message = StageCompleteMessage(job_id=job_id, run=run, job_type=job_type, stage=stage)

    assert decode(message.encode()) == StageCompleteMessage.decode(message.encode()) == message


@given(job_ids, runs, type_names, stages, task_names, type_names, st.integers(1, MAX_ATTEMPT))
def test_a_task_message_comes_back_as_it_was_sent(
    job_id: JobId, run: int, job_type: str, stage: int, name: str, task_type: str, attempt: int
) -> None:
    message = TaskQueueMessage(
        job_id=job_id,
        run=run,
        job_type=job_type,
        stage=stage,
        task_id=task_id_for(job_id, run, stage, name),
        task_type=task_type,
        attempt=attempt,
    )

    assert decode(message.encode()) == TaskQueueMessage.decode(message.encode()) == message


@given(job_ids, runs, type_names, stages, task_names, type_names)
def test_the_fast_encoder_gives_the_same_bytes(
    job_id: JobId, run: int, job_type: str, stage: int, name: str, task_type: str
) -> None:
    task_id = task_id_for(job_id, run, stage, name)
    slow = TaskQueueMessage(
        job_id=job_id, run=run, job_type=job_type, stage=stage, task_id=task_id, task_type=task_type, attempt=1
    )

    assert task_message_encoder(job_id, run, job_type, stage, task_type)(task_id) == slow.encode()


def body(**changes: object) -> bytes:
    fields: dict[str, object] = {"message_type": "job", "version": 1, "job_id": JOB, "run": 1, "job_type": "a"}
    return json.dumps(fields | changes).encode()


def test_unknown_fields_are_passed_over() -> None:
    assert decode(body(added_later={"x": [1]})) == JobQueueMessage(job_id=JOB, run=1, job_type="a")


@pytest.mark.parametrize("version", [0, 2, 1_000])
@pytest.mark.parametrize("kind", ["job", "task", "stage_complete", "not_known_yet"])
def test_another_version_is_refused_as_such_whatever_else_it_holds(version: int, kind: str) -> None:
    with pytest.raises(MessageVersionUnsupported, match=f"version {version}"):
        decode(body(version=version, message_type=kind))


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        b'"job"',
        b"{",
        b"{}",
        b"1" * 5_000,
        b"[" * 100_000,
        body(message_type="nobody"),
        body(message_type=None),
        body(version="1"),
        body(version=None),
        body(job_id="short"),
        body(job_id="A" * 64),
        body(job_id="a" * 64 + "\n"),
        body(job_id=7),
        body(run=0),
        body(run=-1),
        body(run=MAX_RUN + 1),
        body(run="many"),
        body(job_type=None),
        body(message_type="stage_complete"),
        body(message_type="stage_complete", stage=0),
        body(message_type="stage_complete", stage=MAX_STAGE + 1),
        body(message_type="task", stage=1, task_id="x", task_type="y"),
        body(message_type="task", stage=1, task_id="x", task_type="y", attempt=0),
        body(message_type="task", stage=1, task_id="x", task_type="y", attempt=MAX_ATTEMPT + 1),
    ],
)
def test_what_is_not_a_message_is_refused(bad: bytes) -> None:
    with pytest.raises(MessageInvalid):
        decode(bad)


def test_a_refusal_names_the_fields_and_not_their_values() -> None:
    with pytest.raises(MessageInvalid) as caught:
        decode(body(run="swordfish", job_id="opensesame"))

    assert "run" in str(caught.value)
    assert "job_id" in str(caught.value)
    assert "swordfish" not in str(caught.value)
    assert "opensesame" not in str(caught.value)


def test_a_message_of_another_type_is_not_taken_for_this_one() -> None:
    other = JobQueueMessage(job_id=JOB, run=1, job_type="a").encode()

    with pytest.raises(MessageInvalid):
        TaskQueueMessage.decode(other)


def test_messages_do_not_change() -> None:
    message = JobQueueMessage(job_id=JOB, run=1, job_type="a")

    with pytest.raises(ValueError, match="frozen"):
        message.run = 2


def test_a_task_message_carries_ids_and_stays_small() -> None:
    message = TaskQueueMessage(
        job_id=JOB,
        run=MAX_RUN,
        job_type="j" * 64,
        stage=MAX_STAGE,
        task_id=TaskId("t" * 115),
        task_type="t" * 64,
        attempt=MAX_ATTEMPT,
    )

    assert len(message.encode()) < 600
