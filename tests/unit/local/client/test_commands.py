"""``jobs``, ``events``, ``submit``, what acts on jobs, and dead letters: what is asked, shown, and the exit codes."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from local.client import commands as client_commands
from local.client import events, follow
from local.client.jobs import bar
from tests.unit.local.client.commands import run
from tests.unit.local.client.fake_service import TIMES, Call, FakeService, Reply, answer, error, stage, status_body

ONE, TWO, THREE = "abc1" + "0" * 60, "abc2" + "0" * 60, "def0" + "0" * 60
RUNNING = [stage(1, "one", "completed", 3, 3), stage(2, "two", "running", 4, 1, 1), stage(3, "three", "waiting")]


@pytest.fixture(autouse=True)
def quick_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow.follow, "__kwdefaults__", {"seconds": 0.0})
    monkeypatch.setattr(events, "POLL_SECONDS", 0.0)


def line(job_id: str, status: str = "processing", **more: Any) -> dict[str, Any]:
    return {"job_id": job_id, "run": 1, "job_type": "hello_world", "status": status, **TIMES, "error": None, **more}


def listing(service: FakeService, lines: list[dict[str, Any]], page: int = 2) -> None:
    """A list of jobs in pages of at most ``page``."""

    def reply(call: Call) -> Reply:
        start = int(call.query.get("cursor", "0"))
        end = start + min(page, int(call.query["limit"]))
        return answer(200, {"items": lines[start:end], "next": str(end) if end < len(lines) else None})

    service.routes["GET /api/jobs"] = reply


def call(service: FakeService, *arguments: object) -> tuple[int, str, str]:
    return run(*arguments, "--url", service.url)


def test_the_list_is_a_table(service: FakeService) -> None:
    failure = {"code": "X", "message": "m\x1b[2J", "retryable": False}
    listing(service, [line(ONE), line(TWO, "failed", error=failure)])

    code, out, _ = call(service, "jobs")

    assert code == 0
    assert [row.split()[:4] for row in out.splitlines()] == [
        ["JOB", "RUN", "TYPE", "STATUS"],
        [ONE[:12], "1", "hello_world", "processing"],
        [TWO[:12], "1", "hello_world", "failed"],
    ]
    assert "X: m\\x1b[2J" in out


def test_an_empty_list_says_so(service: FakeService) -> None:
    listing(service, [])

    assert call(service, "jobs") == (0, "No jobs.\n", "")


def test_a_limit_holds_over_pages_and_all_has_none(service: FakeService) -> None:
    listing(service, [line(f"{number:064x}") for number in range(7)])

    assert len(call(service, "jobs", "--limit", 3, "--json")[1].splitlines()) == 3
    assert len(call(service, "jobs", "--all", "--json")[1].splitlines()) == 7


def test_filters_become_the_query(service: FakeService) -> None:
    listing(service, [])
    call(service, "jobs", "--status", "failed", "--status", "cancelled", "--type", "hello_world", "--tenant", "t")
    call(service, "jobs", "--status", "paused")

    assert [found.query for found in service.calls] == [
        {"status": "failed,cancelled", "job_type": "hello_world", "tenant": "t", "limit": "20"},
        {"paused": "true", "limit": "20"},
    ]


@pytest.mark.parametrize("arguments", [["--follow"], ["--run", "2"], ["--status", "paused", "--status", "failed"]])
def test_what_cannot_be_listed_is_wrong_use(service: FakeService, arguments: list[str]) -> None:
    assert call(service, "jobs", *arguments)[0] == 2


def test_a_job_is_shown_with_a_bar_a_stage(service: FakeService) -> None:
    service.script = [{"stages": RUNNING, "percent": 41.7}]

    code, out, _ = call(service, "jobs", ONE)

    assert code == 0
    assert f"Job       {ONE}" in out
    assert "1 one    [########################]  3/3  completed" in out
    assert "2 two    [######------------------]  1/4  running    1 failed" in out
    assert "3 three  [------------------------]       waiting" in out


def test_a_stage_that_runs_is_shown_with_its_rate_and_what_is_left(service: FakeService) -> None:
    paced = [stage | {"rate_per_minute": 12.0, "remaining_seconds": 125} for stage in RUNNING]
    service.script = [{"stages": paced}]

    _, out, _ = call(service, "jobs", ONE)

    assert "1/4  running    1 failed  12.0/min  2:05 left" in out
    assert out.count("left") == 1


def test_a_job_that_failed_is_exit_code_1(service: FakeService) -> None:
    service.script = [{"status": "failed", "error": {"code": "X", "message": "m", "retryable": False}}]

    code, out, _ = call(service, "jobs", ONE)

    assert code == 1
    assert "Error     X: m" in out


def test_following_shows_the_stages_to_the_end(service: FakeService) -> None:
    done = [stage(1, "one", "completed", 3, 3), stage(2, "two", "completed", 4, 4), stage(3, "three", "completed")]
    service.script = [{"stages": RUNNING}, {"stages": RUNNING}, {"status": "completed", "stages": done}]

    code, out, _ = call(service, "jobs", ONE, "--follow")

    assert code == 0
    assert out.splitlines()[-1] == f"Run 1 of {ONE[:12]} is completed"
    assert "2 two  completed" in out


@pytest.mark.parametrize(
    ("given", "code", "said"),
    [
        ("abc1", 0, ONE),
        ("ABC1", 0, ONE),
        ("abc", 2, "no job id, nor 4 of its first digits"),
        ("zzzz", 2, "no job id, nor 4"),
        ("abcd", 2, "no job id begins with abcd"),
        ("0" * 65, 2, "no job id, nor 4"),
    ],
)
def test_a_job_is_named_by_its_first_digits(service: FakeService, given: str, code: int, said: str) -> None:
    listing(service, [line(ONE), line(TWO), line(THREE), line(ONE, run=2)])

    found, out, err = call(service, "jobs", given)

    assert found == code
    assert said in out + err


def test_digits_that_begin_two_jobs_are_refused(service: FakeService) -> None:
    listing(service, [line("abcd1" + "0" * 59), line("abcd2" + "0" * 59)])

    code, _, err = call(service, "cancel", "abcd")

    assert code == 2
    assert "begins 2 job ids (abcd100000, abcd200000)" in err


def test_events_are_a_timeline(service: FakeService) -> None:
    told = [
        {"sequence": 5, "at": "2030-01-31T12:00:00.250000Z", "kind": "job_submitted", "detail": "", "actor": "me\x07"},
        {
            "sequence": 9,
            "at": "2030-01-31T12:00:01.500000Z",
            "kind": "task_started",
            "stage": 1,
            "task_id": f"{ONE}:1:1:page-0001",
            "attempt": 2,
        },
    ]
    pages = {"0": {"items": told[:1], "next": "5"}, "5": {"items": told[1:], "next": None}}
    service.routes["GET .*/events"] = lambda found: answer(200, pages[found.query["after"]])

    code, out, _ = call(service, "events", ONE)

    assert code == 0
    assert out.splitlines() == [
        "2030-01-31 12:00:00.250              job_submitted       by me\\x07",
        "2030-01-31 12:00:01.500     +1.250s  task_started        page-0001  stage 1  attempt 2",
    ]


def test_followed_events_come_once_each_and_end_with_the_run(service: FakeService) -> None:
    everything: list[dict[str, Any]] = [
        {"sequence": number, "at": "2030-01-31T12:00:00Z", "kind": "x"} for number in range(1, 6)
    ]
    service.script = [
        {"status": "processing"},
        {"status": "processing"},
        {"status": "processing"},
        {"status": "completed"},
    ]

    def reply(found: Call) -> Reply:
        there = everything[: 2 * max(service.polls.values(), default=0)]
        behind = [event for event in there if event["sequence"] > int(found.query["after"])]
        return answer(200, {"items": behind[:1], "next": str(behind[0]["sequence"]) if len(behind) > 1 else None})

    service.routes["GET .*/events"] = reply

    code, out, _ = call(service, "events", ONE, "--follow", "--json")

    assert code == 0
    assert [json.loads(text)["sequence"] for text in out.splitlines()] == [1, 2, 3, 4, 5]


def test_submit_sends_the_parameters(service: FakeService, tmp_path: Path) -> None:
    path = tmp_path / "params.json"
    path.write_text('{"n": 4}', "utf-8")
    service.routes["POST /api/jobs/submit/.*"] = lambda _: answer(202, status_body(ONE, "queued"))

    code, out, _ = call(
        service, "submit", "hello_world", "--params", f"@{path}", "--tenant", "t", "--idempotency-key", "k"
    )

    assert code == 0
    assert out == f"Submitted: {ONE[:12]} run 1 (ocr_document) is queued\n"
    (sent,) = service.calls
    assert (sent.path, sent.json) == ("/api/jobs/submit/hello_world", {"params": {"n": 4}, "tenant": "t"})
    assert sent.headers["idempotency-key"] == "k"


def test_submit_reads_the_standard_input_and_follows(service: FakeService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO('{"n": 4}'))
    service.routes["POST /api/jobs/submit/.*"] = lambda _: answer(200, status_body(ONE, "queued"))
    service.script = [{}, {"status": "cancelled"}]

    code, out, _ = call(service, "submit", "hello_world", "--params", "@-", "--follow")

    assert code == 1
    assert "Known already" in out
    assert "is cancelled" in out


@pytest.mark.parametrize("params", ["{", "[]", "@/no/such/file", '{"a": NaN}', "3"])
def test_parameters_that_are_no_object_are_wrong_use(service: FakeService, params: str) -> None:
    code, _, err = call(service, "submit", "hello_world", "--params", params)

    assert code == 2
    assert "--params" in err
    assert service.calls == []


def test_each_job_is_cancelled_though_one_refuses(service: FakeService) -> None:
    def cancel(found: Call) -> Reply:
        if ONE in found.path:
            return error(409, "RUN_ENDED", "it has ended")
        return answer(200, status_body(TWO, "cancelled"))

    service.routes["POST .*/cancel"] = cancel

    code, out, err = call(service, "cancel", ONE, TWO, "--actor", "ops")

    assert code == 1
    assert out == f"Cancelled: {TWO[:12]} run 1 (ocr_document) is cancelled\n"
    assert "RUN_ENDED: it has ended (request req-7)" in err
    assert [found.json for found in service.calls] == [{"actor": "ops"}] * 2


@pytest.mark.parametrize("action", ["pause", "resume"])
def test_pause_and_resume_ask_for_it_in_the_users_name(
    service: FakeService, action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(client_commands.ACTOR_VARIABLE, "somebody")
    service.routes[f"POST .*/{action}"] = lambda _: answer(200, status_body(ONE))

    code, out, _ = call(service, action, ONE, "--json")

    assert code == 0
    assert json.loads(out)["event"] == action
    assert service.calls[0].json == {"actor": "somebody"}


def test_resubmit_may_keep_what_is_finished(service: FakeService) -> None:
    service.routes["POST .*/resubmit"] = lambda _: answer(200, status_body(ONE, "queued", run=2))

    assert call(service, "resubmit", ONE, "--reuse-finished-stages", "--actor", "a")[1].startswith("Resubmitted:")
    assert service.calls[0].json == {"actor": "a", "reuse_finished_stages": True}


def replayable(service: FakeService) -> None:
    failure = {"code": "X", "message": "m\x1b", "retryable": False}
    tasks = [{"name": "page-0001", "status": "failed", "error": failure}, {"name": "page-0002", "status": "cancelled"}]
    service.routes["GET .*/tasks"] = lambda _: answer(200, {"items": tasks, "next": None})
    service.routes["POST .*/replay"] = lambda _: answer(200, status_body(ONE, "queued", run=2))


def test_replay_shows_what_failed_and_runs_it_again(service: FakeService) -> None:
    replayable(service)

    code, out, _ = call(service, "replay", ONE, "--actor", "a")

    assert code == 0
    assert out.splitlines() == [
        "  page-0001  failed  X: m\\x1b",
        "  page-0002  cancelled",
        f"Replayed: {ONE[:12]} run 2 (ocr_document) is queued",
    ]
    assert service.calls[-1].json == {"actor": "a"}


@pytest.mark.parametrize(
    ("arguments", "content", "tasks"),
    [
        (["--task", "a", "--task", "b"], None, {"a": None, "b": None}),
        (["--task", "a"], {"n": 1}, {"a": {"n": 1}}),
        (["--task", "a", "--task", "b"], {"b": {"n": 2}}, {"a": None, "b": {"n": 2}}),
        ([], {"a": None, "b": {"n": 2}}, {"a": None, "b": {"n": 2}}),
    ],
)
def test_tasks_are_replayed_with_their_parameters(
    service: FakeService, tmp_path: Path, arguments: list[str], content: object, tasks: dict[str, Any]
) -> None:
    replayable(service)
    path = tmp_path / "p.json"
    path.write_text(json.dumps(content), "utf-8")
    more = [] if content is None else ["--params", path]

    assert call(service, "replay", ONE, *arguments, *more, "--actor", "a")[0] == 0
    assert service.calls[-1].json == {"actor": "a", "tasks": tasks}


@pytest.mark.parametrize("content", [{"c": {}}, {"a": 1}])
def test_parameters_of_no_task_are_wrong_use(service: FakeService, tmp_path: Path, content: object) -> None:
    path = tmp_path / "p.json"
    path.write_text(json.dumps(content), "utf-8")

    assert call(service, "replay", ONE, "--task", "a", "--task", "b", "--params", path)[0] == 2
    assert service.calls == []


LETTER = {
    "id": 3,
    "queue": "tasks",
    "message_id": "m" * 100,
    "message_type": "task",
    "reason": "MESSAGE_INVALID",
    "description": "not\x1b JSON",
    "recorded_at": "2030-01-31T12:00:00Z",
    "replays": 1,
    "replayed_at": None,
    "replayed_by": "ops",
    "body": "",
}


def test_dead_letters_are_a_table(service: FakeService) -> None:
    service.routes["GET /api/deadletters"] = lambda _: answer(200, {"items": [LETTER], "next": None})

    code, out, _ = call(service, "dead-letters")

    assert code == 0
    assert "MESSAGE_INVALID: not\\x1b JSON" in out
    assert "1x by ops" in out
    assert json.loads(call(service, "dead-letters", "list", "--json")[1])["message_id"] == "m" * 100


def test_dead_letters_are_sent_again_and_what_is_refused_is_told(service: FakeService) -> None:
    refused = {"id": 4, "error": {"code": "DEAD_LETTER_NOT_FOUND", "message": "none", "retryable": False}}
    service.routes["POST .*"] = lambda _: answer(200, {"items": [LETTER], "failed": [refused]})

    code, out, err = call(service, "dead-letters", "replay", 3, 4, 3, "--actor", "a")

    assert code == 1
    assert out.startswith("Sent again: 3 ")
    assert "dead letter 4: DEAD_LETTER_NOT_FOUND: none" in err
    assert service.calls[0].json == {"ids": [3, 4], "actor": "a"}


def test_more_letters_than_a_call_takes_are_sent_in_several(service: FakeService) -> None:
    service.routes["POST .*"] = lambda _: answer(200, {"items": [], "failed": []})

    assert call(service, "dead-letters", "replay", *range(1, 251))[0] == 0
    assert [len(found.json["ids"]) for found in service.calls] == [100, 100, 50]


@pytest.mark.parametrize("arguments", [["replay"], ["list", 3], ["replay", "x"], ["replay", 0], ["throw"]])
def test_wrong_use_of_dead_letters(service: FakeService, arguments: list[object]) -> None:
    assert call(service, "dead-letters", *arguments)[0] == 2


@pytest.mark.parametrize("command", [["jobs"], ["events", ONE], ["dead-letters"], ["cancel", ONE], ["submit", "x"]])
def test_a_service_that_is_not_there_is_exit_code_3(command: list[str]) -> None:
    code, _, err = run(*command, "--url", "http://127.0.0.1:9")

    assert code == 3
    assert "python -m local up" in err


@pytest.mark.parametrize("command", [["jobs"], ["jobs", ONE], ["events", ONE], ["dead-letters"]])
@pytest.mark.parametrize("said", [b"<html>", b"[]", b'{"items": 3}', b'{"job_id": 1}'])
def test_an_answer_that_is_not_the_services_is_exit_code_3(
    service: FakeService, command: list[str], said: bytes
) -> None:
    service.routes["GET .*"] = lambda _: Reply(200, said)

    code, _, err = call(service, *command)

    assert code == 3
    assert "does not answer as CoreMachine does" in err


@pytest.mark.parametrize(
    ("percent", "text"),
    [
        (0, "[----]"),
        (0.1, "[#---]"),
        (50, "[##--]"),
        (99.9, "[###-]"),
        (100, "[####]"),
        (-5, "[----]"),
        (200, "[####]"),
    ],
)
def test_a_bar_is_full_at_the_end_alone(percent: float, text: str) -> None:
    assert bar(percent, 4) == text
