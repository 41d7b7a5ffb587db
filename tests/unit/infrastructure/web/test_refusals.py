"""Errors as answers: the status by the class, one envelope, nothing told of what is not ours."""

from __future__ import annotations

import json
import logging

import pytest

from core.errors import (
    BusUnavailable,
    CoreMachineError,
    IdempotencyConflict,
    InvalidCursor,
    InvalidParameters,
    JobNotFound,
    RunNotEnded,
    StoreInconsistent,
    StoreMisconfigured,
    TextTooLong,
    UnknownJobType,
)
from handlers.document.errors import DocumentTooLarge, ImageTooLarge, UnsupportedFormat
from infrastructure.web.errors import MalformedJson, UploadsBusy, UploadStalled
from infrastructure.web.refusals import refusal, request_id_from, retry_seconds, status_of


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (InvalidCursor, 400),
        (MalformedJson, 400),
        (JobNotFound, 404),
        (UnknownJobType, 404),
        (UploadStalled, 408),
        (IdempotencyConflict, 409),
        (RunNotEnded, 409),
        (DocumentTooLarge, 413),
        (UnsupportedFormat, 415),
        (InvalidParameters, 422),
        (TextTooLong, 422),
        (ImageTooLarge, 422),
        (BusUnavailable, 503),
        (UploadsBusy, 503),
        (StoreInconsistent, 500),
        (CoreMachineError, 500),
    ],
)
def test_the_status_is_the_classs(kind: type[CoreMachineError], status: int) -> None:
    assert status_of(kind) == status


def test_the_envelope_has_code_message_request_id_and_details() -> None:
    answer = refusal(InvalidParameters("no", problems=[{"field": "n"}], seen={"a", 1}), "r1", "x")

    error = json.loads(answer.content)["error"]
    assert set(error) == {"code", "message", "request_id", "details"}
    assert (error["code"], error["message"], error["request_id"]) == ("INVALID_PARAMETERS", "no", "r1")
    assert error["details"]["problems"] == [{"field": "n"}]
    assert answer.headers == {"Cache-Control": "no-store"}


def test_what_mends_itself_says_when_to_try_again() -> None:
    assert refusal(BusUnavailable("away"), "r1", "x").headers["Retry-After"] == str(retry_seconds(BusUnavailable))
    assert (retry_seconds(StoreMisconfigured) or 0) > (retry_seconds(UploadsBusy) or 0) > 0
    assert retry_seconds(JobNotFound) is None


def test_of_an_error_that_is_not_ours_nothing_is_told(caplog: pytest.LogCaptureFixture) -> None:
    answer = refusal(RuntimeError("the secret"), "r1", "x")

    assert answer.status == 500
    assert json.loads(answer.content)["error"]["code"] == "INTERNAL_ERROR"
    assert json.loads(answer.content)["error"]["details"] == {}
    assert b"secret" not in answer.content
    assert "secret" not in caplog.text
    assert caplog.records[-1].levelno == logging.ERROR


def test_a_refusal_is_one_line_with_its_fields(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        refusal(JobNotFound("there is no job"), "r1", "jobs_status")

    (record,) = caplog.records
    assert record.message == "request_refused"
    fields = {name: getattr(record, name) for name in ("request_id", "route", "status", "code")}
    assert fields == {"request_id": "r1", "route": "jobs_status", "status": 404, "code": "JOB_NOT_FOUND"}


def test_a_message_over_every_length_is_cut() -> None:
    told = json.loads(refusal(JobNotFound("x\0" * 10_000), "r1", "x").content)["error"]["message"]

    assert len(told) == 2_000
    assert "\0" not in told


@pytest.mark.parametrize("given", ["a", "00-4bf92f3577b34da6-01", "A.b_c:d~e+f/g=h", "x" * 128])
def test_a_plain_request_id_is_taken_over(given: str) -> None:
    assert request_id_from(given) == given


@pytest.mark.parametrize("given", [None, "", "a b", "a\r\nX: 1", "é", "x" * 129, '"'])
def test_another_one_is_replaced(given: str | None) -> None:
    made = request_id_from(given)

    assert made != given
    assert len(made) == 32
    assert made != request_id_from(given)
