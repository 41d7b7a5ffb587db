from __future__ import annotations

import json
import signal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.context import StopSignal
from docker_worker.once.answer import answered, without_answer
from docker_worker.once.document import MAX_ARTIFACTS, encoded, success
from testing.factories import Registries
from tests.support.once_handlers import registries

HELLO = Registries.hello_world()


def run(task_type: str, params: object = None, *, stop: StopSignal | None = None, **more: object) -> dict[str, Any]:
    content = json.dumps({"task_type": task_type, "params": params or {}, **more}).encode()
    return checked(answered(content, registries(), stop or StopSignal(), deadline=lambda _seconds: None))


def checked(document: dict[str, Any]) -> dict[str, Any]:
    """``document``, which is one line of JSON and has one of the shapes."""
    line = encoded(document)
    assert line.count(b"\n") == 1
    assert json.loads(line) == document
    if document["status"] == "success":
        assert list(document) == ["status", "job_id", "task_type", "result", "artifacts", "warnings", "metrics"]
    elif "task_type" not in document:  # of a payload that names no task, which is a document's
        assert list(document) == ["status", "job_id", "error"]
        assert list(document["error"]) == ["code", "stage", "message", "retryable"]
    else:
        assert list(document) == ["status", "job_id", "task_type", "error"]
        assert list(document["error"]) == ["code", "stage", "message", "retryable", "details"]
        assert isinstance(document["error"]["retryable"], bool)
    return document


def test_success_tells_the_result_and_names_what_was_stored() -> None:
    document = run("stores", {"text": "é"})

    assert (document["status"], document["task_type"]) == ("success", "stores")
    assert document["result"] == {"text": "é", "ratio": None}
    assert document["artifacts"] == {
        "out/a.txt": {"bytes": 0, "content_type": "text/plain"},
        "out/b.bin": {"bytes": 5, "content_type": "application/octet-stream"},
    }
    assert document["warnings"] == []
    assert document["metrics"]["elapsed_seconds"] >= 0
    assert len(document["job_id"]) == 64


@pytest.mark.parametrize(
    ("task_type", "code", "retryable"),
    [
        ("raises", "HANDLER_ERROR", False),
        ("fails", "QUITE_WRONG", False),
        ("fails_for_now", "TASK_FAILED_TRANSIENTLY", True),
        ("later", "NOT_COMPLETED", True),
        ("gives_in", "NOT_COMPLETED", True),
        ("no_memory", "OUT_OF_MEMORY", False),
        ("too_deep", "HANDLER_ERROR", False),
        ("says_half_a_pair", "HANDLER_ERROR", False),
        ("says_something_else", "INVALID_RESULT", False),
    ],
)
def test_a_task_that_fails_is_told_as_the_task_says(task_type: str, code: str, retryable: bool) -> None:
    document = run(task_type, {"text": "a secret"})

    assert (document["status"], document["task_type"]) == ("failed", task_type)
    error = document["error"]
    assert (error["code"], error["stage"], error["retryable"]) == (code, "TASK", retryable)
    assert "secret" not in json.dumps(document)


def test_a_number_that_is_none_in_json_is_null() -> None:
    assert run("says_nan")["result"] == {"text": "", "ratio": None}


def test_what_was_told_to_stop_is_interrupted() -> None:
    stop = StopSignal()
    stop.set("shutdown")

    assert run("goes_on", stop=stop)["error"]["code"] == "INTERRUPTED"


@pytest.mark.parametrize(
    ("content", "code", "task_type"),
    [
        (b"", "PAYLOAD_MISSING", None),
        (b"{", "PAYLOAD_INVALID", None),
        (b'{"task_type": "unheard_of"}', "UNKNOWN_TASK_TYPE", "unheard_of"),
        (b'{"task_type": "hello_world_reply", "job_type": "no"}', "INVALID_PARAMETERS", "hello_world_reply"),
        (
            b'{"task_type": "hello_world_reply", "job_type": "no", "params": {"index": 1, "greeting": ""}}',
            "UNKNOWN_JOB_TYPE",
            "hello_world_reply",
        ),
        (b'{"task_type": "hello_world_reply", "params": {"index": "x"}}', "INVALID_PARAMETERS", "hello_world_reply"),
    ],
)
def test_what_is_wrong_with_the_input_is_told_as_that(content: bytes, code: str, task_type: str | None) -> None:
    document = checked(answered(content, HELLO, StopSignal(), deadline=lambda _seconds: None))

    assert (document["error"]["code"], document["error"]["stage"], document["task_type"]) == (
        code,
        "PAYLOAD",
        task_type,
    )


def test_the_fields_that_do_not_fit_are_named() -> None:
    content = b'{"task_type": "hello_world_reply", "params": {"index": -1, "extra": "a secret"}}'
    document = answered(content, HELLO, StopSignal(), deadline=lambda _seconds: None)

    problems = document["error"]["details"]["problems"]
    assert sorted(problem["field"] for problem in problems) == ["extra", "greeting", "index"]
    assert "secret" not in json.dumps(document)


def test_an_error_of_our_own_tells_nothing_of_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr("docker_worker.once.answer.Execution", broken)
    document = run("stores")

    assert document["error"]["code"] == "INTERNAL_ERROR"
    assert document["error"]["stage"] is None
    assert "secret" not in json.dumps(document)


def test_the_deadline_is_set_behind_the_tasks_own() -> None:
    told: list[float] = []
    answered(b'{"task_type": "stores"}', registries(), StopSignal(), deadline=told.append)

    assert told == [90.0]


@pytest.mark.parametrize(
    ("code", "told", "error", "part"),
    [
        (0, False, "HANDLER_LOST", "exit code 0"),
        (7, False, "HANDLER_LOST", "exit code 7"),
        (-signal.SIGSEGV, False, "HANDLER_LOST", "SIGSEGV"),
        (-signal.SIGKILL, False, "HANDLER_LOST", "memory"),
        (-signal.SIGALRM, False, "DEADLINE_EXCEEDED", "timeout"),
        (-signal.SIGKILL, True, "INTERRUPTED", "told to end"),
    ],
)
def test_a_process_that_ended_without_an_answer_has_one_all_the_same(
    code: int, told: bool, error: str, part: str
) -> None:
    document = checked(without_answer(code, told))

    assert document["error"]["code"] == error
    assert part in document["error"]["message"]


def test_of_very_many_artifacts_the_number_is_told() -> None:
    many = {f"a/{number}": {"bytes": 1, "content_type": "x"} for number in range(MAX_ARTIFACTS + 2)}
    document = checked(success("t", "j", {}, many, 0.0))

    assert len(document["artifacts"]) == MAX_ARTIFACTS
    assert document["warnings"] == ["2 more artifacts are not named"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=4),
    max_leaves=20,
)
NEAR = st.fixed_dictionaries(
    {},
    optional={
        "task_type": st.sampled_from(["hello_world_greeting", "hello_world_reply", "nope"]) | JSON,
        "params": st.fixed_dictionaries(
            {},
            optional={"index": st.integers() | JSON, "message": JSON, "greeting": JSON, "failure_rate": JSON},
        )
        | JSON,
        "job_type": st.none() | st.just("hello_world") | JSON,
        "more": JSON,
    },
)


@settings(max_examples=500, deadline=None)
@given(NEAR, st.data())
def test_whatever_comes_in_one_document_of_one_shape_goes_out(near: object, data: st.DataObject) -> None:
    content = json.dumps(near, ensure_ascii=data.draw(st.booleans())).encode("utf-8", "surrogatepass")
    if data.draw(st.booleans()):
        at = data.draw(st.integers(0, len(content)))
        content = content[:at] + data.draw(st.binary(max_size=8)) + content[data.draw(st.integers(at, len(content))) :]

    document = checked(answered(content, HELLO, StopSignal(), deadline=lambda _seconds: None))

    if document["status"] == "failed":
        assert document["error"]["code"] != "INTERNAL_ERROR"
