"""What worker and child tell each other: it comes out as it went in, and nothing else is understood."""

from __future__ import annotations

import pytest

import core.errors
from core.errors import BlobConflict, CoreMachineError, HandlerLost, InvalidInput, StoreUnavailable
from core.ids import JobId, task_id_for
from core.messages import TaskQueueMessage
from core.outcome import ErrorInfo, Failed, Interrupted, Outcome, RetryLater, Succeeded
from docker_worker.child.channel import FrameInvalid
from docker_worker.child.protocol import (
    AsksForRetry,
    Began,
    Bounds,
    Call,
    Done,
    Ended,
    FoundLeaseLost,
    FromChild,
    HasFailed,
    HasSucceeded,
    Ready,
    Refused,
    ReportProgress,
    SaveCheckpoint,
    Stop,
    ToChild,
    WasInterrupted,
    ended,
    error_of,
    from_child,
    refused,
    to_child,
)

JOB = JobId("a" * 64)
MESSAGE = TaskQueueMessage(
    job_id=JOB, run=1, job_type="any", stage=1, task_id=task_id_for(JOB, 1, 1, "one"), task_type="any", attempt=2
)


@pytest.mark.parametrize(
    "frame",
    [
        Bounds(data_bytes=1, file_bytes=2, open_files=3, threads=4),
        Bounds(),
        Call(number=1, message=MESSAGE, parameters_json='{"ü":"🙂"}', checkpoint_json=None, scratch="/tmp/x"),
        Stop(number=1, reason="shutdown"),
        Done(),
        Refused(codes=["A"], message="m", details={"limit": 3}),
    ],
    ids=lambda frame: frame.kind,
)
def test_what_the_worker_says_is_understood(frame: ToChild) -> None:
    assert to_child(frame.encode()) == frame


@pytest.mark.parametrize(
    "frame",
    [
        Ready(),
        Began(number=1),
        SaveCheckpoint(number=1, checkpoint_json='{"half": "\\ud800"}'),
        ReportProgress(number=1, percent=12.5, message="x"),
        HasSucceeded(number=1, result_json="{}"),
        HasFailed(number=1, code="C", message="m", retryable=True),
        AsksForRetry(number=1, delay=0.5, reason=""),
        WasInterrupted(number=1, reason="shutdown"),
        FoundLeaseLost(number=1),
    ],
    ids=lambda frame: frame.kind,
)
def test_what_the_child_says_is_understood(frame: FromChild) -> None:
    assert from_child(frame.encode()) == frame


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff\xfe",
        b'{"kind":"bounds"}',
        b'{"kind":"ready","more":1}',
        b'{"kind":"began","number":"1"}',
        b'{"kind":"began"}',
        b'{"kind":"report_progress","number":1,"percent":101,"message":""}',
        b'{"kind":"report_progress","number":1,"percent":NaN,"message":""}',
        b'{"kind":"asks_for_retry","number":1,"delay":-1,"reason":""}',
        b'{"kind":"asks_for_retry","number":1,"delay":604801,"reason":""}',
        b'{"kind":"has_succeeded","number":1,"result_json":{}}',
        b'{"kind":"has_succeeded","number":1,"result_json":"\\ud800"}',
    ],
)
def test_whatever_else_the_child_says_is_refused(body: bytes) -> None:
    with pytest.raises(FrameInvalid):
        from_child(body)


def test_a_refusal_does_not_quote_what_was_said() -> None:
    with pytest.raises(FrameInvalid) as caught:
        from_child(b'{"kind":"began","number":"secret"}')

    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (Succeeded("{}"), HasSucceeded(number=1, result_json="{}")),
        (Failed(ErrorInfo("C\0", "\ud800", True)), HasFailed(number=1, code="C�", message="�", retryable=True)),
        (RetryLater(3, "\0"), AsksForRetry(number=1, delay=3, reason="�")),
        (Interrupted("\ud800"), WasInterrupted(number=1, reason="�")),
    ],
    ids=lambda one: type(one).__name__,
)
def test_an_outcome_can_be_sent_whatever_its_text(outcome: Outcome, said: Ended) -> None:
    assert from_child(ended(1, outcome).encode()) == said


RAISED = [
    cls
    for cls in vars(core.errors).values()
    if isinstance(cls, type) and issubclass(cls, CoreMachineError) and cls is not HandlerLost
]


@pytest.mark.parametrize("cls", RAISED, ids=lambda cls: cls.__name__)
def test_an_error_of_the_core_is_raised_again_as_itself(cls: type[CoreMachineError]) -> None:
    said = to_child(refused(cls("why", limit=3)).encode())
    assert isinstance(said, Refused)
    error = error_of(said)

    assert type(error) is cls
    assert (error.message, error.details) == ("why", {"limit": 3})


def test_an_error_that_the_core_does_not_have_is_the_nearest_that_it_has() -> None:
    class OfAnAdapter(StoreUnavailable):
        code = "OF_AN_ADAPTER"

    said = refused(OfAnAdapter("why"))

    assert said.codes[:2] == ["OF_AN_ADAPTER", "STORE_UNAVAILABLE"]
    assert type(error_of(said.model_copy(update={"codes": ["OF_ANOTHER", *said.codes[1:]]}))) is StoreUnavailable


def test_details_that_are_named_like_arguments_are_left_out() -> None:
    said = Refused(codes=["INVALID_INPUT"], message="m", details={"message": 1, "self": 2, "field": 3})

    error = error_of(said)

    assert type(error) is InvalidInput
    assert error.details == {"field": 3}


def test_whether_to_retry_survives() -> None:
    assert error_of(refused(BlobConflict("held"))).retryable
