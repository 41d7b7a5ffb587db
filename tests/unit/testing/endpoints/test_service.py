"""The test endpoints without their transport: answers, refusals, bounds, isolation."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel

from core.context import TaskContext
from core.errors import DependencyMissing, TransientTaskError
from core.handlers import TaskHandler, task_handler
from core.outcome import Interrupted
from handlers.hello_world import hello_world_handlers, hello_world_jobs
from testing.endpoints.limits import HarnessLimits
from testing.endpoints.service import Answer, HarnessService
from testing.factories import Registries

GREETING = {"params": {"index": 0, "message": "Hello!"}}


class Text(BaseModel):
    text: str = ""


def fragile(params: Text, context: TaskContext) -> Text:
    """Raises what its text says."""
    if params.text == "foreign":
        raise RuntimeError("the secret is 42")
    if params.text == "missing":
        raise DependencyMissing("paddleocr is not installed")
    if params.text == "memory":
        bytearray(1 << 60)
    if params.text == "transient":
        raise TransientTaskError("try again")
    return params


def writes_blob(params: Text, context: TaskContext) -> Text:
    """Writes its text to a blob."""
    context.blobs.put(f"notes/{params.text}.txt", b"x" * 1_000, "text/plain")
    return params


def lists_blobs(params: Text, context: TaskContext) -> Text:
    """Says which blobs it sees."""
    return Text(text=",".join(context.blobs.names("")))


class Waiting:
    """A handler that waits for its test, and says when it has begun."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.release = threading.Event()
        self.stopped = threading.Event()

    def __call__(self, params: Text, context: TaskContext) -> Text | Interrupted:
        self.begun.release()
        self.release.wait(30)
        if context.should_stop:
            self.stopped.set()
            return Interrupted(context.stop_reason or "")
        return params


def service(*more: TaskHandler, limits: HarnessLimits | None = None, now: Callable[[], float] = lambda: 0.0) -> Any:
    own = [task_handler(function.__name__, function) for function in (fragile, writes_blob, lists_blobs)]
    registries = Registries.of(hello_world_jobs(), [*hello_world_handlers(), *own, *more])
    return HarnessService(registries, limits, monotonic=now)


def send(body: object) -> bytes:
    return json.dumps(body).encode()


def code_of(answer: Answer) -> str:
    return str(answer.body["error"]["code"])


def test_a_task_is_run_at_once_and_its_answer_has_the_agreed_shape() -> None:
    answer = service().execute("hello_world_greeting", send(GREETING))

    assert answer.status == 200
    assert answer.body["success"] is True
    assert answer.body["task_type"] == "hello_world_greeting"
    assert answer.body["handler_result"] == {"index": 0, "greeting": "Hello! (from task 0)"}
    assert answer.body["elapsed_seconds"] >= 0
    lifecycle = answer.body["lifecycle"]
    assert (lifecycle["job_type"], lifecycle["stage"]) == ("hello_world", 1)
    assert lifecycle["task_id"].startswith(lifecycle["job_id"])
    assert set(answer.body["state_snapshot"]) == {"jobs", "tasks", "stage_stats"}
    assert [set(message) for message in answer.body["captured_messages"]] == [
        {"queue_name", "message_type", "timestamp"}
    ]
    assert answer.body["captured_messages"][0]["message_type"] == "stage_complete"


def test_the_answer_is_json_that_a_strict_reader_takes() -> None:
    answer = service().execute("hello_world_greeting", send({"params": {"index": 0, "message": "ナマステ"}}))

    assert json.loads(json.dumps(answer.body, allow_nan=False)) == answer.body


def test_a_job_is_run_through_all_its_stages() -> None:
    answer = service().run("hello_world", send({"params": {"n": 4}}))

    assert answer.status == 200
    assert answer.body["status"] == "completed"
    assert answer.body["result"] == {"greetings": 4, "replies": 4, "failed": 0}
    assert [(stage["name"], stage["tasks"]) for stage in answer.body["stages"]] == [("greeting", 4), ("reply", 4)]


def test_an_empty_body_asks_for_the_defaults() -> None:
    assert service().run("hello_world", b"").body["result"]["greetings"] == 3


def test_a_handler_that_fails_answers_500_with_its_code() -> None:
    answer = service().execute(
        "hello_world_greeting", send({"params": {"index": 0, "message": "x", "failure_rate": 1}})
    )

    assert answer.status == 500
    assert answer.body["success"] is False
    assert answer.body["handler_result"] is None
    assert answer.body["error"]["code"] == "GREETING_FAILED"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("foreign", "HANDLER_ERROR"),
        ("missing", "DEPENDENCY_MISSING"),
        ("memory", "OUT_OF_MEMORY"),
        ("transient", "TASK_FAILED_TRANSIENTLY"),
    ],
)
def test_what_a_handler_raises_becomes_a_stable_code_and_never_a_trace(text: str, code: str) -> None:
    answer = service().execute("fragile", send({"params": {"text": text}}))

    assert answer.status == 500
    assert code_of(answer) == code
    assert "Traceback" not in json.dumps(answer.body)
    assert "secret" not in json.dumps(answer.body)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "MALFORMED_JSON"),
        (b"\xff\xfe", 400, "MALFORMED_JSON"),
        (b"[" * 100_000, 400, "MALFORMED_JSON"),
        (b'{"params": {"index": 0, "message": "\\ud800"}}', 400, "MALFORMED_JSON"),
        (b"[]", 422, "INVALID_REQUEST"),
        (b'"text"', 422, "INVALID_REQUEST"),
        (b'{"params": []}', 422, "INVALID_REQUEST"),
        (b'{"surprise": 1}', 422, "INVALID_REQUEST"),
        (b'{"params": {}, "seed": -1}', 422, "INVALID_REQUEST"),
        (b'{"params": {}, "faults": {"lose": 2}}', 422, "INVALID_REQUEST"),
        (b'{"params": {}, "faults": {"gremlins": 0.5}}', 422, "INVALID_REQUEST"),
        (b'{"params": {"index": "zero", "message": "x"}}', 422, "INVALID_PARAMETERS"),
        (b'{"params": {"message": "x"}}', 422, "INVALID_PARAMETERS"),
        (b'{"params": {"index": 0, "message": "x", "surprise": 1}}', 422, "INVALID_PARAMETERS"),
        (b'{"params": {"index": NaN, "message": "x"}}', 422, "INVALID_PARAMETERS"),
        (b'{"params": {"index": 0, "message": "x"}, "job_type": "nope"}', 404, "UNKNOWN_JOB_TYPE"),
        (b" " * 2_000 + b"{}", 413, "BODY_TOO_LARGE"),
    ],
)
def test_a_body_that_does_not_fit_is_refused_and_nothing_changes(body: bytes, status: int, code: str) -> None:
    harness = service(limits=HarnessLimits(max_body_bytes=200_000 if body[:1] == b"[" else 2_000))

    answer = harness.execute("hello_world_greeting", body)

    assert (answer.status, code_of(answer)) == (status, code)
    assert set(answer.body["error"]) == {"code", "message", "request_id", "details"}
    assert harness.state().body["executions"] == []


@pytest.mark.parametrize("name", ["nope", "", "../secrets", "Hello World", "a" * 5_000, "hello_world"])
def test_an_unknown_task_type_is_404_and_the_known_ones_are_named(name: str) -> None:
    harness = service()

    answer = harness.execute(name, b"{}")

    assert (answer.status, code_of(answer)) == (404, "UNKNOWN_TASK_TYPE")
    assert "hello_world_greeting" in answer.body["error"]["details"]["known"]
    assert len(json.dumps(answer.body)) < 2_000
    assert harness.state().body["executions"] == []


def test_an_unknown_job_type_is_404() -> None:
    harness = service()

    answer = harness.run("nope", b"{}")

    assert (answer.status, code_of(answer)) == (404, "UNKNOWN_JOB_TYPE")
    assert harness.state().body["executions"] == []


def test_over_the_rate_a_call_is_told_when_to_come_again() -> None:
    now = [0.0]
    harness = service(limits=HarnessLimits(rate_per_minute=30, burst=2), now=lambda: now[0])

    statuses = [harness.execute("hello_world_greeting", send(GREETING)).status for _ in range(2)]
    refused = harness.execute("hello_world_greeting", send(GREETING))
    now[0] += float(refused.headers["Retry-After"])
    admitted = harness.state()

    assert statuses == [200, 200]
    assert (refused.status, code_of(refused), refused.headers) == (429, "RATE_LIMITED", {"Retry-After": "2"})
    assert len(admitted.body["executions"]) == 2


def test_a_handler_that_does_not_end_is_504_keeps_its_place_and_is_told_to_stop() -> None:
    waiting = Waiting()
    limits = HarnessLimits(timeout_seconds=0.05, max_concurrency=1)
    harness = service(task_handler("waiting", waiting), limits=limits)

    late = harness.execute("waiting", b"{}")
    busy = harness.execute("hello_world_greeting", send(GREETING))
    waiting.release.set()

    assert (late.status, code_of(late)) == (504, "HARNESS_TIMEOUT")
    assert (busy.status, code_of(busy)) == (503, "HARNESS_BUSY")
    assert "Retry-After" in busy.headers
    assert waiting.stopped.wait(30)
    assert harness.state().body["executions"] == []


def test_a_job_of_too_many_tasks_fails_with_nothing_created() -> None:
    answer = service(limits=HarnessLimits(max_tasks=10)).run("hello_world", send({"params": {"n": 11}}))

    assert (answer.status, code_of(answer)) == (500, "CAPACITY_EXCEEDED")
    assert answer.body["state_snapshot"]["tasks"] == {}


def test_a_job_of_too_much_state_fails() -> None:
    answer = service(limits=HarnessLimits(max_state_bytes=2_000)).run("hello_world", send({"params": {"n": 50}}))

    assert (answer.status, code_of(answer)) == (500, "CAPACITY_EXCEEDED")


def test_parameters_over_the_bound_are_refused_before_there_is_a_job() -> None:
    harness = service(limits=HarnessLimits(max_state_bytes=100))

    answer = harness.run("hello_world", send({"params": {"message": "x" * 500}}))

    assert (answer.status, code_of(answer)) == (507, "CAPACITY_EXCEEDED")
    assert harness.state().body["executions"] == []


def test_a_run_that_never_comes_to_rest_is_cut_off() -> None:
    harness = service(limits=HarnessLimits(max_messages=5))

    answer = harness.run("hello_world", send({"params": {"n": 50}}))

    assert (answer.status, code_of(answer)) == (500, "NOT_QUIESCENT")


def test_too_many_blob_bytes_fail_the_handler_that_wrote_them() -> None:
    answer = service(limits=HarnessLimits(max_blob_bytes=999)).execute("writes_blob", send({"params": {"text": "a"}}))

    assert (answer.status, code_of(answer)) == (500, "CAPACITY_EXCEEDED")


def test_artifacts_come_with_the_answer_when_asked_for_and_as_far_as_there_is_room() -> None:
    body = {"params": {"text": "a"}, "artifacts": True}

    told = service().execute("writes_blob", send(body)).body
    omitted = service(limits=HarnessLimits(max_artifact_bytes=999)).execute("writes_blob", send(body)).body

    assert told["artifacts"]["notes/a.txt"]["content_type"] == "text/plain"
    assert "artifacts" not in service().execute("writes_blob", send({"params": {"text": "a"}})).body
    assert (omitted["artifacts"], omitted["artifacts_omitted"]) == ({}, ["notes/a.txt"])


def test_a_call_sees_nothing_of_another() -> None:
    harness = service()

    harness.execute("writes_blob", send({"params": {"text": "mine"}}))
    seen = harness.execute("lists_blobs", b"{}")

    assert seen.body["handler_result"] == {"text": ""}
    assert len(seen.body["state_snapshot"]["jobs"]) == 1


def test_concurrent_calls_each_get_their_own_answer() -> None:
    waiting = Waiting()
    harness = service(task_handler("waiting", waiting), limits=HarnessLimits(max_concurrency=3))
    answers: dict[str, Answer] = {}

    def call(text: str) -> None:
        answers[text] = harness.execute("waiting", send({"params": {"text": text}}))

    threads = [threading.Thread(target=call, args=(text,)) for text in "abc"]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert waiting.begun.acquire(timeout=30)
    waiting.release.set()
    for thread in threads:
        thread.join(30)

    assert {text: answer.body["handler_result"]["text"] for text, answer in answers.items()} == {
        "a": "a",
        "b": "b",
        "c": "c",
    }
    assert all(len(answer.body["state_snapshot"]["tasks"]) == 1 for answer in answers.values())


def test_a_seed_gives_the_same_trace_each_time() -> None:
    body = send({"params": {"n": 3}, "seed": 11, "faults": {"lose": 0.3, "duplicate": 0.3, "crash": 0.2}})

    first, second = (service().run("hello_world", body) for _ in range(2))

    assert first.status == 200
    assert first.body["trace"] == second.body["trace"]
    assert first.body["faults_injected"]
    assert first.body["result"] == {"greetings": 3, "replies": 3, "failed": 0}


def test_a_task_survives_the_faults_that_were_asked_for() -> None:
    body = {"params": {"index": 0, "message": "x"}, "seed": 5, "faults": {"uncertain": 0.5, "crash": 0.2}}

    answer = service().execute("hello_world_greeting", send(body))

    assert answer.status == 200
    assert answer.body["seed"] == 5
    assert answer.body["trace"]


def test_a_trace_is_told_only_when_asked_for() -> None:
    assert "trace" not in service().execute("hello_world_greeting", send(GREETING)).body


def test_state_and_messages_show_the_newest_call_or_the_one_that_is_named() -> None:
    harness = service()
    first = harness.run("hello_world", send({"params": {"n": 1}})).body["execution_id"]
    second = harness.execute("hello_world_greeting", send(GREETING)).body["execution_id"]

    assert harness.state().body["execution_id"] == second
    assert harness.messages().body["summary"]["total"] == 1
    assert harness.messages(first).body["summary"]["by_type"] == {"job": 1, "task": 2, "stage_complete": 2}
    assert [found["execution_id"] for found in harness.state(first).body["executions"]] == [second, first]
    assert code_of(harness.state("nope")) == "EXECUTION_NOT_FOUND"


def test_only_the_newest_calls_are_remembered_and_reset_forgets_them() -> None:
    harness = service(limits=HarnessLimits(history=2))
    for _ in range(3):
        harness.execute("hello_world_greeting", send(GREETING))

    remembered = len(harness.state().body["executions"])
    forgotten = harness.reset().body["forgotten"]

    assert (remembered, forgotten) == (2, 2)
    assert harness.state().body["state_snapshot"] == {"jobs": {}, "tasks": {}, "stage_stats": {}}
    assert harness.messages().body["messages"] == []


def test_handlers_publish_what_they_take_and_give() -> None:
    body = service().handlers().body

    greeting = next(found for found in body["task_types"] if found["task_type"] == "hello_world_greeting")
    job = body["job_types"][0]
    assert set(greeting["parameters"]["properties"]) == {"index", "message", "failure_rate"}
    assert set(greeting["result"]["properties"]) == {"index", "greeting"}
    assert [stage["task_type"] for stage in job["stages"]] == ["hello_world_greeting", "hello_world_reply"]


def test_a_call_that_is_refused_once_it_has_its_place_gives_it_back() -> None:
    harness = service(limits=HarnessLimits(max_concurrency=1))

    refused = [harness.execute("hello_world_greeting", send({"params": {}})).status for _ in range(3)]

    assert refused == [422, 422, 422]
    assert harness.execute("hello_world_greeting", send(GREETING)).status == 200


def test_without_a_thread_left_a_call_is_503_and_its_place_is_free_again(monkeypatch: pytest.MonkeyPatch) -> None:
    harness = service(limits=HarnessLimits(max_concurrency=1))

    def no_thread(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_thread)
        refused = [harness.execute("hello_world_greeting", send(GREETING)) for _ in range(2)]

    assert [(answer.status, code_of(answer)) for answer in refused] == [(503, "HARNESS_BUSY")] * 2
    assert harness.execute("hello_world_greeting", send(GREETING)).status == 200


def test_what_is_remembered_is_bounded_in_bytes() -> None:
    harness = service(limits=HarnessLimits(max_history_bytes=1_500))
    for index in range(4):
        harness.execute("hello_world_greeting", send({"params": {"index": index, "message": f"{index}" * 500}}))

    remembered = harness.state().body["executions"]

    assert 1 <= len(remembered) < 4


def test_a_call_that_is_larger_than_the_history_is_not_remembered() -> None:
    harness = service(limits=HarnessLimits(max_history_bytes=10))

    answer = harness.execute("hello_world_greeting", send(GREETING))

    assert answer.status == 200
    assert harness.state().body["execution_id"] is None


def test_the_state_can_be_read_while_other_calls_end() -> None:
    harness = service(limits=HarnessLimits(rate_per_minute=1e9, burst=10**6))
    failures: list[int] = []

    def write() -> None:
        for _ in range(60):
            harness.execute("hello_world_greeting", send(GREETING))

    def read() -> None:
        failures.extend(status for _ in range(300) if (status := harness.state().status) != 200)

    threads = [threading.Thread(target=target) for target in (write, write, read, read)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert failures == []


def test_all_faults_are_counted_however_long_the_trace() -> None:
    body = {"params": {"n": 1_000}, "seed": 1, "faults": {"duplicate": 0.3}}

    answer = service().run("hello_world", send(body))

    assert answer.body["trace_steps"] > len(answer.body["trace"])
    assert answer.body["faults_injected"]["duplicate"] > 100
