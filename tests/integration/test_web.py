"""The API over ASGI on the mocks: every route, what it answers, and how it refuses."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import httpx
import pytest
from starlette.testclient import TestClient

from core.errors import BlobStoreUnavailable, BusUnavailable, DependencyMissing, StoreUnavailable
from core.ids import WorkerId
from core.listing import NewDeadLetter
from core.model import Claimed
from core.operations import JobOperations
from core.outcome import Succeeded
from core.ports import BlobStore, StateStore
from infrastructure.web.blueprint import create_api_blueprint
from infrastructure.web.parts import WebParts
from infrastructure.web.routes import AnyRoute
from infrastructure.web.table import ROUTES
from local.functions_host.auth import Keys
from testing.clock import FakeClock
from testing.memory_blobs import MemoryBlobStore
from testing.mock_state import MockStateManager
from tests.support.streamed_app import streamed_app
from tests.support.web import World, web_world

UNKNOWN = "0" * 64
STATUS_KEYS = {
    "job_id",
    "run",
    "job_type",
    "tenant",
    "status",
    "percent",
    "created_at",
    "updated_at",
    "deadline",
    "stages",
    "error",
    "links",
}
STAGE_KEYS = {
    "number",
    "name",
    "task_type",
    "status",
    "total",
    "done",
    "failed",
    "percent",
    "rate_per_minute",
    "remaining_seconds",
    "running",
}
LETTER_KEYS = {
    "id",
    "queue",
    "message_id",
    "message_type",
    "reason",
    "description",
    "recorded_at",
    "replays",
    "replayed_at",
    "replayed_by",
    "body",
}


@pytest.fixture
def world() -> World:
    return web_world()


@pytest.fixture
def client(world: World) -> TestClient:
    return world.client()


def submit(client: TestClient, n: int = 3, **more: Any) -> str:
    answer = client.post("/jobs/submit/hello_world", json={"params": {"n": n, **more}})
    assert answer.status_code == 202
    return str(answer.json()["job_id"])


def code(answer: Any) -> str:
    error = answer.json()["error"]
    assert set(error) == {"code", "message", "request_id", "details"}
    assert error["request_id"] == answer.headers["x-request-id"]
    return str(error["code"])


# --- submitting ---


def test_a_job_is_taken_with_its_status_and_its_address(world: World, client: TestClient) -> None:
    answer = client.post("/jobs/submit/hello_world", json={"params": {"n": 2}, "tenant": "acme"})

    told = answer.json()
    assert answer.status_code == 202
    assert set(told) == STATUS_KEYS
    assert all(set(stage) == STAGE_KEYS for stage in told["stages"])
    assert (told["run"], told["job_type"], told["tenant"], told["status"]) == (1, "hello_world", "acme", "queued")
    assert [stage["status"] for stage in told["stages"]] == ["waiting", "waiting"]
    assert answer.headers["location"] == told["links"]["self"]
    assert client.get(answer.headers["location"].removeprefix("/api")).json() == told
    assert len(world.bus.get_messages_for_queue("jobs")) == 1


def test_the_same_job_again_is_200_with_the_same_job(client: TestClient) -> None:
    first = client.post("/jobs/submit/hello_world", json={"params": {"n": 2}})
    again = client.post("/jobs/submit/hello_world", json={"params": {"n": 2}})

    assert (first.status_code, again.status_code) == (202, 200)
    assert again.json()["job_id"] == first.json()["job_id"]
    assert again.headers["location"] == first.headers["location"]


def test_a_body_may_be_absent_where_all_has_defaults(client: TestClient) -> None:
    assert client.post("/jobs/submit/hello_world").status_code == 202


def test_an_idempotency_key_makes_another_job_and_holds_its_content(client: TestClient) -> None:
    def keyed(n: int, key: str) -> Any:
        return client.post("/jobs/submit/hello_world", json={"params": {"n": n}}, headers={"Idempotency-Key": key})

    plain, first, again, other = submit(client), keyed(3, "k1"), keyed(3, "k1"), keyed(3, "k2")
    conflict = keyed(4, "k1")

    assert (first.status_code, again.status_code, other.status_code) == (202, 200, 202)
    assert len({plain, first.json()["job_id"], other.json()["job_id"]}) == 3
    assert again.json()["job_id"] == first.json()["job_id"]
    assert (conflict.status_code, code(conflict)) == (409, "IDEMPOTENCY_CONFLICT")


@pytest.mark.parametrize("key", ["", " ", "x" * 201, "caf\xe9", "a\tb"])
def test_an_idempotency_key_that_can_be_none_is_refused(client: TestClient, key: str) -> None:
    answer = client.post("/jobs/submit/hello_world", headers={b"Idempotency-Key": key.encode("latin-1")})

    assert (answer.status_code, code(answer)) == (400, "INVALID_HEADER")


def test_two_idempotency_keys_are_refused(client: TestClient) -> None:
    answer = client.post("/jobs/submit/hello_world", headers=[("Idempotency-Key", "a"), ("Idempotency-Key", "b")])

    assert (answer.status_code, code(answer)) == (400, "INVALID_HEADER")


@pytest.mark.parametrize(
    ("body", "status", "expected"),
    [
        (b"{not json", 400, "MALFORMED_JSON"),
        (b"\xff\xfe", 400, "MALFORMED_JSON"),
        (b'{"params": {"n": 1}, "params": {"n": 2}}', 400, "MALFORMED_JSON"),
        (b'{"params": {"n": NaN}}', 400, "MALFORMED_JSON"),
        (b'{"params": {"n": 1e999}}', 400, "MALFORMED_JSON"),
        (b'{"params": {"n": ' + b"9" * 5_000 + b"}}", 400, "MALFORMED_JSON"),
        (b'{"params": {"n": ' + b"9" * 40 + b"}}", 422, "INVALID_PARAMETERS"),
        (b'{"params": ' + b"[" * 50_000 + b"]" * 50_000 + b"}", 400, "MALFORMED_JSON"),
        (b'{"params": {"message": "\\u0000"}}', 422, "TEXT_NOT_STORABLE"),
        (b'{"params": {"message": "\\ud800"}}', 422, "TEXT_NOT_STORABLE"),
        (b'{"params": {"\\udc00": 1}}', 422, "TEXT_NOT_STORABLE"),
        (b"[]", 422, "INVALID_PARAMETERS"),
        (b'{"params": []}', 422, "INVALID_PARAMETERS"),
        (b'{"surprise": 1}', 422, "INVALID_PARAMETERS"),
        (b'{"params": {"surprise": 1}}', 422, "INVALID_PARAMETERS"),
        (b'{"params": {"n": -1}}', 422, "INVALID_PARAMETERS"),
        (b'{"tenant": ""}', 422, "INVALID_PARAMETERS"),
        (b'{"tenant": "' + b"x" * 201 + b'"}', 422, "INVALID_PARAMETERS"),
        (b'{"tenant": 7}', 422, "INVALID_PARAMETERS"),
        (b" " * 200_001, 413, "BODY_TOO_LARGE"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_body_that_is_wrong_is_refused(body: bytes, status: int, expected: str) -> None:
    world = web_world(HTTP_MAX_BODY_BYTES=200_000)
    answer = world.client().post("/jobs/submit/hello_world", content=body, headers={"content-type": "application/json"})

    assert (answer.status_code, code(answer)) == (status, expected)
    assert world.bus.get_sent_messages() == []


def test_parameters_that_do_not_fit_are_told_one_by_one(client: TestClient) -> None:
    answer = client.post("/jobs/submit/hello_world", json={"params": {"n": "x", "failure_rate": 2}})

    assert {problem["field"] for problem in answer.json()["error"]["details"]["problems"]} == {"n", "failure_rate"}


def test_another_content_type_is_415(client: TestClient) -> None:
    answer = client.post("/jobs/submit/hello_world", data={"params": "{}"})

    assert (answer.status_code, code(answer)) == (415, "UNSUPPORTED_MEDIA_TYPE")


def test_an_unknown_job_type_is_404(client: TestClient) -> None:
    answer = client.post("/jobs/submit/nope", json={})

    assert (answer.status_code, code(answer)) == (404, "UNKNOWN_JOB_TYPE")


# --- looking ---


def test_progress_is_told_by_stage(world: World, client: TestClient) -> None:
    job = submit(client, 4)
    world.step(1, "jobs")
    world.step(1, "tasks")
    told = client.get(f"/jobs/status/{job}").json()

    assert (told["status"], told["percent"]) == ("processing", 12.5)
    assert told["stages"][0] == {
        "number": 1,
        "name": "greeting",
        "task_type": "hello_world_greeting",
        "status": "running",
        "total": 4,
        "done": 1,
        "failed": 0,
        "percent": 25.0,
        "rate_per_minute": None,
        "remaining_seconds": None,
        "running": [],
    }
    assert told["stages"][1]["status"] == "waiting"

    world.drain()
    told = client.get(f"/jobs/status/{job}").json()
    assert (told["status"], told["percent"]) == ("completed", 100.0)
    assert [(stage["status"], stage["done"]) for stage in told["stages"]] == [("completed", 4), ("completed", 4)]


def test_what_running_tasks_have_done_counts_and_their_rate_and_remaining_time_are_told(
    world: World, client: TestClient
) -> None:
    job = submit(client, 30)
    world.step(1, "jobs")
    store, began = world.machine.store, world.clock.now()
    tasks = client.get(f"/jobs/{job}/tasks?stage=1").json()["items"]
    claims = [store.claim_task(task["task_id"], 1, WorkerId("w"), 600.0, began) for task in tasks[:25]]
    leases = [claim.lease for claim in claims if isinstance(claim, Claimed)]
    for lease in leases:
        store.report_progress(lease, 30.0, "page 3 of 10", began + timedelta(seconds=30), 60.0)
    world.clock.advance(60.0)
    store.finish_attempt(leases[0], Succeeded("{}"), None, world.clock.now())

    told = client.get(f"/jobs/status/{job}").json()
    task = client.get(f"/jobs/{job}/tasks?stage=1&limit=2").json()["items"][1]

    first, second = told["stages"]
    assert (first["done"], first["percent"], told["percent"]) == (1, 27.3, 13.7)
    assert first["rate_per_minute"] == pytest.approx(8.2)
    assert first["remaining_seconds"] == math.ceil((29 - 24 * 0.3) * 60 / 8.2)
    assert len(first["running"]) == 20
    assert first["running"][0] == {
        "task": tasks[1]["name"],
        "percent": 30.0,
        "message": "page 3 of 10",
        "remaining_seconds": 40,
        "since": began.isoformat().replace("+00:00", "Z"),
    }
    assert (second["rate_per_minute"], second["remaining_seconds"], second["running"]) == (None, None, [])
    assert task["progress_at"] == (began + timedelta(seconds=30)).isoformat().replace("+00:00", "Z")


def test_a_status_that_did_not_change_is_304_and_each_change_is_seen(world: World, client: TestClient) -> None:
    job = submit(client)
    tags: list[str] = []
    for _ in range(4):
        fresh = client.get(f"/jobs/status/{job}")
        same = client.get(f"/jobs/status/{job}", headers={"If-None-Match": fresh.headers["etag"]})
        assert (same.status_code, same.content) == (304, b"")
        assert same.headers["etag"] == fresh.headers["etag"]
        if tags:
            assert client.get(f"/jobs/status/{job}", headers={"If-None-Match": tags[-1]}).status_code == 200
        tags.append(fresh.headers["etag"])
        world.step(1)

    assert len(set(tags)) == 4


def test_while_a_run_goes_on_it_says_when_to_ask_again(world: World, client: TestClient) -> None:
    job = submit(client)

    def wait() -> str | None:
        return client.get(f"/jobs/status/{job}").headers.get("retry-after")

    waits = []
    for seconds in (0, 50, 10_000):
        world.clock.advance(seconds)
        waits.append(wait())
    client.post(f"/jobs/{job}/pause")
    waits.append(wait())
    client.post(f"/jobs/{job}/cancel")

    assert waits == ["1", "5", "30", "30"]
    assert wait() is None


def test_a_result_is_told_when_there_is_one(world: World, client: TestClient) -> None:
    job = submit(client, 2)
    early = client.get(f"/jobs/{job}/result")
    world.drain()
    late = client.get(f"/jobs/{job}/result")

    assert (early.status_code, code(early)) == (409, "RUN_NOT_ENDED")
    assert int(early.headers["retry-after"]) >= 1
    assert late.json() == {
        "job_id": job,
        "run": 1,
        "status": "completed",
        "result": {"greetings": 2, "replies": 2, "failed": 0},
        "error": None,
    }
    known = {"If-None-Match": late.headers["etag"]}
    assert client.get(f"/jobs/{job}/result", headers=known).status_code == 304


def test_a_run_that_failed_says_why(world: World, client: TestClient) -> None:
    job = submit(client, 1, failure_rate=1.0)
    world.step(1, "jobs")
    client.post(f"/jobs/{job}/cancel")

    told = client.get(f"/jobs/{job}/result").json()

    assert (told["status"], told["result"]) == ("cancelled", None)


def pages(client: TestClient, path: str, parameter: str = "cursor") -> list[Any]:
    """Every item, page by page; no page is empty but the only one."""
    items: list[Any] = []
    after: str | None = None
    while True:
        query = "&".join(part for part in (path.partition("?")[2], f"{parameter}={after}" if after else "") if part)
        page = client.get(f"{path.partition('?')[0]}?{query}").json()
        assert set(page) == {"items", "next"}
        assert page["items"] or after is None
        items += page["items"]
        after = page["next"]
        if after is None:
            return items


def test_runs_are_paged_to_the_end_newest_first_without_repeats(world: World, client: TestClient) -> None:
    jobs = []
    for n in range(7):
        jobs.append(submit(client, n))
        world.clock.advance(1)

    found = pages(client, "/jobs?limit=3")

    assert [run["job_id"] for run in found] == jobs[::-1]
    assert set(found[0]) == STATUS_KEYS - {"percent", "deadline", "stages"}


def test_runs_are_chosen_by_what_they_are(world: World, client: TestClient) -> None:
    done = submit(client, 1)
    world.drain()
    world.clock.advance(100)
    waits = submit(client, 2)
    client.post(f"/jobs/{waits}/pause")
    other = client.post("/jobs/submit/hello_world", json={"params": {"n": 1}, "tenant": "acme"}).json()["job_id"]

    def chosen(query: str) -> set[str]:
        return {run["job_id"] for run in client.get(f"/jobs?{query}").json()["items"]}

    assert chosen("status=completed") == {done}
    assert chosen("status=completed,queued") == {done, waits, other}
    assert chosen("paused=true") == {waits}
    assert chosen("tenant=acme") == {other}
    assert chosen("job_type=nope") == set()
    assert chosen("created_from=2030-01-01T00:01:00Z") == {waits, other}
    assert chosen("created_before=2030-01-01T01:01:00%2B01:00") == {done}
    assert [run["status"] for run in client.get("/jobs?paused=true").json()["items"]] == ["paused"]


def test_events_are_paged_to_the_end_without_repeats(world: World, client: TestClient) -> None:
    job = submit(client, 3)
    world.drain()

    found = pages(client, f"/jobs/{job}/events?limit=4", "after")

    assert [event["kind"] for event in found][:2] == ["job_submitted", "stage_started"]
    assert found[-1]["kind"] == "job_ended"
    sequences = [event["sequence"] for event in found]
    assert sequences == sorted(set(sequences))
    assert found == client.get(f"/jobs/{job}/events?limit=1000").json()["items"]


def test_tasks_are_paged_and_chosen_by_stage_and_status(world: World, client: TestClient) -> None:
    job = submit(client, 5)
    world.drain()

    everything = pages(client, f"/jobs/{job}/tasks?limit=4")
    second = pages(client, f"/jobs/{job}/tasks?limit=2&stage=2&status=completed,failed")

    assert len({task["task_id"] for task in everything}) == len(everything) == 10
    assert [task["name"] for task in second] == [f"reply-{n}" for n in range(5)]
    assert client.get(f"/jobs/{job}/tasks?status=failed").json() == {"items": [], "next": None}
    assert everything[0]["parameters"] == {"index": 0, "message": "Hello!", "failure_rate": 0.0}
    assert everything[0]["result"] == {"index": 0, "greeting": "Hello! (from task 0)"}


READS = ["/jobs/status/{job}", "/jobs/{job}/events", "/jobs/{job}/tasks", "/jobs/{job}/result"]
CHANGES = [f"/jobs/{{job}}/{word}" for word in ("cancel", "pause", "resume", "resubmit", "replay")]


@pytest.mark.parametrize("path", [*READS, "/jobs/{job}/files/text.txt"])
def test_a_job_that_is_not_there_is_404(client: TestClient, path: str) -> None:
    unknown, malformed = client.get(path.format(job=UNKNOWN)), client.get(path.format(job="A" * 64))

    assert (unknown.status_code, code(unknown)) == (404, "JOB_NOT_FOUND")
    assert (malformed.status_code, code(malformed)) == (400, "INVALID_IDENTIFIER")


@pytest.mark.parametrize("path", CHANGES)
def test_a_job_that_is_not_there_cannot_be_changed(client: TestClient, path: str) -> None:
    answer = client.post(path.format(job=UNKNOWN), json={"actor": "ada"})

    assert (answer.status_code, code(answer)) == (404, "JOB_NOT_FOUND")


@pytest.mark.parametrize("path", READS)
def test_a_run_that_is_not_there_is_404(client: TestClient, path: str) -> None:
    answer = client.get(path.format(job=submit(client)) + "?run=2")

    assert (answer.status_code, code(answer)) == (404, "RUN_NOT_FOUND")


@pytest.mark.parametrize("path", ["/jobs?cursor=nonsense", "/jobs?cursor=WzFd", "/jobs?limit=0", "/jobs?after=1"])
def test_a_page_that_can_be_none_is_refused(client: TestClient, path: str) -> None:
    answer = client.get(path)

    assert answer.status_code == 400
    assert code(answer) in {"INVALID_CURSOR", "INVALID_QUERY"}


def test_a_cursor_of_another_run_is_refused(world: World, client: TestClient) -> None:
    one, other = submit(client, 3), submit(client, 4)
    world.drain()
    cursor = client.get(f"/jobs/{one}/tasks?limit=1").json()["next"]

    answer = client.get(f"/jobs/{other}/tasks?cursor={cursor}")

    assert (answer.status_code, code(answer)) == (400, "INVALID_CURSOR")


# --- changing ---


def test_a_job_is_paused_resumed_and_cancelled_by_who_says_so(world: World, client: TestClient) -> None:
    job = submit(client, 2)

    told = [
        client.post(f"/jobs/{job}/{word}", json={"actor": f"{word} actor", "run": 1}).json()["status"]
        for word in ("pause", "resume", "cancel")
    ]
    events = client.get(f"/jobs/{job}/events").json()["items"]

    assert told == ["paused", "queued", "cancelled"]
    assert {(event["kind"], event["actor"]) for event in events if event["actor"]} == {
        ("job_paused", "pause actor"),
        ("job_resumed", "resume actor"),
        ("job_ended", "cancel actor"),
    }


def test_doing_it_again_changes_nothing_and_an_ended_run_is_409(world: World, client: TestClient) -> None:
    job = submit(client, 1)
    assert [client.post(f"/jobs/{job}/pause").status_code for _ in range(2)] == [200, 200]
    client.post(f"/jobs/{job}/resume")
    world.drain()

    for word in ("cancel", "pause", "resume"):
        answer = client.post(f"/jobs/{job}/{word}")
        assert (answer.status_code, code(answer)) == (409, "RUN_ENDED")


def test_a_job_is_run_again(world: World, client: TestClient) -> None:
    job = submit(client, 2)
    early = client.post(f"/jobs/{job}/resubmit")
    world.drain()
    again = client.post(f"/jobs/{job}/resubmit", json={"actor": "ada"})
    world.drain()
    reused = client.post(f"/jobs/{job}/resubmit", json={"reuse_finished_stages": True}).json()

    assert (early.status_code, code(early)) == (409, "RUN_NOT_ENDED")
    assert (again.status_code, again.json()["run"]) == (200, 2)
    assert reused["run"] == 3
    assert [stage["status"] for stage in reused["stages"]] == ["completed", "completed"]
    assert client.get(f"/jobs/status/{job}?run=1").json()["run"] == 1


def test_what_was_cancelled_is_done_again_with_other_parameters(world: World, client: TestClient) -> None:
    job = submit(client, 2)
    world.step(1, "jobs")
    client.post(f"/jobs/{job}/cancel")

    wrong = client.post(f"/jobs/{job}/replay", json={"tasks": {"greeting-0": {"index": -1}}})
    strange = client.post(f"/jobs/{job}/replay", json={"tasks": {"nobody": None}})
    replayed = client.post(
        f"/jobs/{job}/replay",
        json={"tasks": {"greeting-0": {"index": 0, "message": "Hi"}, "greeting-1": None}, "actor": "ada"},
    )
    world.drain()

    assert (wrong.status_code, strange.status_code) == (422, 422)
    assert replayed.json()["run"] == 2
    tasks = client.get(f"/jobs/{job}/tasks?stage=1").json()["items"]
    assert [task["parameters"]["message"] for task in tasks] == ["Hi", "Hello!"]
    nothing = client.post(f"/jobs/{job}/replay")
    assert (nothing.status_code, code(nothing)) == (409, "NOTHING_TO_REPLAY")


@pytest.mark.parametrize(
    ("word", "body"),
    [
        ("cancel", {"actor": ""}),
        ("cancel", {"actor": "  "}),
        ("cancel", {"actor": "x" * 201}),
        ("cancel", {"actor": None}),
        ("cancel", {"run": 0}),
        ("cancel", {"run": "1"}),
        ("cancel", {"run": 10**30}),
        ("pause", {"tasks": {}}),
        ("resubmit", {"reuse_finished_stages": 1}),
        ("resubmit", {"run": 1}),
        ("replay", {"tasks": []}),
        ("replay", {"tasks": {"": None}}),
        ("replay", {"tasks": {"a": 1}}),
    ],
)
def test_a_change_that_does_not_fit_is_refused(world: World, client: TestClient, word: str, body: object) -> None:
    job = submit(client)
    world.drain()
    answer = client.post(f"/jobs/{job}/{word}", json=body)

    assert (answer.status_code, code(answer)) == (422, "INVALID_PARAMETERS")


# --- dead letters ---


def letters(world: World, count: int) -> None:
    some = [NewDeadLetter("jobs", f"m{n}", "job", b'{"n":1}', "Reason", "why") for n in range(count)]
    world.machine.store.record_dead_letters(some, world.clock.now())


def test_dead_letters_are_paged_to_the_end(world: World, client: TestClient) -> None:
    letters(world, 6)

    found = pages(client, "/deadletters?limit=3", "after")

    assert [letter["message_id"] for letter in found] == [f"m{n}" for n in range(6)]
    assert set(found[0]) == LETTER_KEYS
    assert (found[0]["queue"], found[0]["reason"], found[0]["body"]) == ("jobs", "Reason", '{"n":1}')


def test_dead_letters_are_sent_again(world: World, client: TestClient) -> None:
    letters(world, 3)
    ids = [letter["id"] for letter in client.get("/deadletters").json()["items"]]

    answer = client.post("/deadletters/replay", json={"ids": [ids[0], 999, ids[2], ids[0]], "actor": "ada"})

    told = answer.json()
    assert answer.status_code == 200
    assert [(letter["id"], letter["replays"], letter["replayed_by"]) for letter in told["items"]] == [
        (ids[0], 1, "ada"),
        (ids[2], 1, "ada"),
    ]
    assert [(failed["id"], failed["error"]["code"]) for failed in told["failed"]] == [(999, "DEAD_LETTER_NOT_FOUND")]
    sent = [message["message_id"] for message in world.bus.get_sent_messages()]
    assert sent == [f"m0:r{ids[0]}.1", f"m2:r{ids[2]}.1"]


def test_a_letter_that_is_not_there_is_404(client: TestClient) -> None:
    answer = client.post("/deadletters/replay", json={"ids": [1, 2]})

    assert (answer.status_code, code(answer)) == (404, "DEAD_LETTER_NOT_FOUND")


class Leaves:
    """A state store that goes away at a call: before it does what it is asked, or just after."""

    def __init__(self, store: StateStore, method: str, nth: int, *, after: bool = False, calls: int = 10**9) -> None:
        self._store, self._method, self._nth, self._after, self._calls = store, method, nth, after, calls
        self.seen = 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        return found if not callable(found) else lambda *given: self._call(name, found, *given)

    def _call(self, name: str, found: Callable[..., Any], *given: Any) -> Any:
        self.seen += name == self._method or self.seen >= self._nth
        if not self._nth <= self.seen < self._nth + self._calls:
            return found(*given)
        if self._after and self.seen == self._nth:
            found(*given)
        raise StoreUnavailable("nobody answers")


def leaving(letters_of_it: int, nth: int, *, after: bool = False, calls: int = 10**9) -> tuple[World, Leaves]:
    """A world with letters, whose store goes away when the ``nth`` is to be sent again."""
    leaves = Leaves(MockStateManager(FakeClock()), "replay_dead_letter", nth, after=after, calls=calls)
    world = web_world(store=cast("StateStore", leaves))
    letters(world, letters_of_it)
    return world, leaves


def replayed(client: TestClient, count: int) -> Any:
    return client.post("/deadletters/replay", json={"ids": list(range(1, count + 1)), "actor": "ada"})


def outcome(answer: Any) -> tuple[int, list[int], list[tuple[int, str, bool]]]:
    told = answer.json()
    failed = [(one["id"], one["error"]["code"], one["error"]["retryable"]) for one in told["failed"]]
    return answer.status_code, [letter["id"] for letter in told["items"]], failed


def test_what_was_sent_before_the_store_went_away_is_told() -> None:
    world, leaves = leaving(5, nth=3)
    answer = replayed(world.client(), 5)

    away = "STORE_UNAVAILABLE"
    assert outcome(answer) == (200, [1, 2], [(3, away, True), (4, away, True), (5, away, True)])
    assert len(world.bus.get_sent_messages()) == 2
    assert leaves.seen == 4, "one more call, to see whether the third was sent after all; those behind it are not tried"


def test_a_letter_that_was_sent_though_the_store_failed_then_is_told_as_sent() -> None:
    world, _ = leaving(4, nth=2, after=True, calls=1)
    answer = replayed(world.client(), 4)

    assert outcome(answer) == (200, [1, 2, 3, 4], [])
    assert [letter["replays"] for letter in answer.json()["items"]] == [1] * 4


def test_where_none_was_sent_because_the_store_is_away_it_is_503() -> None:
    """Also where another was refused before: this call may succeed later."""
    world, _ = leaving(2, nth=1)
    answer = world.client().post("/deadletters/replay", json={"ids": [999, 1, 2], "actor": "ada"})

    assert (answer.status_code, code(answer)) == (503, "STORE_UNAVAILABLE")
    assert "retry-after" in answer.headers
    assert world.bus.get_sent_messages() == []


@pytest.mark.parametrize("body", [{}, {"ids": []}, {"ids": [0]}, {"ids": ["1"]}, {"ids": [2**63]}, {"ids": [1] * 101}])
def test_letters_that_can_be_none_are_refused(client: TestClient, body: object) -> None:
    answer = client.post("/deadletters/replay", json=body)

    assert (answer.status_code, code(answer)) == (422, "INVALID_PARAMETERS")


# --- files ---


def read_job(world: World) -> str:
    """An ended job with files in its area."""
    job = submit(world.client())
    for name, data, kind in (
        ("text.txt", b"Hello", "text/plain; charset=utf-8"),
        ("pages/0001.json", b"{}" * 3_000_000, "application/json"),
        ("odd", b"x", "text/html\r\nX-Injected: 1"),
        ("empty", b"", "text/plain"),
    ):
        world.blobs.put(f"documents/{job}/{name}", data, kind)
    world.blobs.put(f"documents/{UNKNOWN}/secret", b"secret", "text/plain")
    return job


def test_a_file_is_sent_with_its_type_and_length(world: World, client: TestClient) -> None:
    job = read_job(world)
    text, page = client.get(f"/jobs/{job}/files/text.txt"), client.get(f"/jobs/{job}/files/pages/0001.json")

    assert (text.content, text.headers["content-type"]) == (b"Hello", "text/plain; charset=utf-8")
    assert page.content == b"{}" * 3_000_000
    assert (page.headers["content-length"], page.headers["content-type"]) == ("6000000", "application/json")
    assert page.headers["content-disposition"] == 'inline; filename="0001.json"'
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["content-security-policy"].startswith("sandbox")
    assert client.get(f"/jobs/{job}/files/documents/{job}/text.txt").content == b"Hello"
    assert client.get(f"/jobs/{job}/files/empty").content == b""


def test_a_type_that_is_none_is_not_sent(world: World, client: TestClient) -> None:
    answer = client.get(f"/jobs/{read_job(world)}/files/odd")

    assert answer.headers["content-type"] == "application/octet-stream"
    assert "x-injected" not in answer.headers


@pytest.mark.parametrize(
    ("name", "status", "expected"),
    [
        ("nothing.txt", 404, "BLOB_NOT_FOUND"),
        (f"documents/{UNKNOWN}/secret", 404, "BLOB_NOT_FOUND"),
        (f"%2e%2e/{UNKNOWN}/secret", 400, "BLOB_NAME_INVALID"),
        (f"..%2f{UNKNOWN}%2fsecret", 400, "BLOB_NAME_INVALID"),
        ("a%0d%0ab", 400, "BLOB_NAME_INVALID"),
        ("a%00", 400, "BLOB_NAME_INVALID"),
        ("a//b", 400, "BLOB_NAME_INVALID"),
        ("x" * 600, 400, "BLOB_NAME_INVALID"),
        ("", 400, "BLOB_NAME_INVALID"),
    ],
)
def test_only_files_of_the_job_are_sent(
    world: World, client: TestClient, name: str, status: int, expected: str
) -> None:
    answer = client.get(f"/jobs/{read_job(world)}/files/{name}")

    assert (answer.status_code, code(answer)) == (status, expected)


class Replaced(MemoryBlobStore):
    """Tells a length that is not that of what it sends."""

    def size(self, name: str) -> int:
        return super().size(name) + 1


def test_a_file_that_was_replaced_while_it_was_sent_is_not_taken_for_whole() -> None:
    world = web_world(blobs=Replaced())
    job = read_job(world)

    with world.hosted() as client, pytest.raises(httpx.RemoteProtocolError):
        client.get(f"/jobs/{job}/files/text.txt")


# --- what runs it ---


def test_livez_and_the_contract_answer_with_everything_away() -> None:
    def away() -> WebParts:
        raise StoreUnavailable("the database is away")

    client = TestClient(streamed_app(create_api_blueprint(away)), base_url="http://test/api")
    ready, status = client.get("/readyz"), client.get(f"/jobs/status/{UNKNOWN}")

    assert client.get("/livez").json() == {"status": "alive"}
    assert client.get("/openapi.json").status_code == 200
    assert (ready.status_code, code(ready)) == (503, "NOT_READY")
    assert ready.json()["error"]["details"] == {"checks": {"configuration": "STORE_UNAVAILABLE"}}
    assert (status.status_code, code(status)) == (503, "STORE_UNAVAILABLE")


def fail(error: Exception) -> Callable[[], None]:
    def check() -> None:
        raise error

    return check


def test_readiness_names_what_failed_by_its_code() -> None:
    checks = {
        "database": lambda: None,
        "bus": fail(BusUnavailable("amqp://user:hunter2@host")),
        "blobs": fail(RuntimeError("secret")),
    }
    answer = web_world(checks=checks).client().get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["error"]["details"] == {"checks": {"bus": "BUS_UNAVAILABLE", "blobs": "HANDLER_ERROR"}}
    assert "retry-after" in answer.headers
    assert "hunter2" not in answer.text
    assert web_world(checks={"database": lambda: None}).client().get("/readyz").json()["checks"] == ["database"]


def test_health_tells_each_check_with_its_time_and_is_an_answer_all_the_same() -> None:
    world = web_world(
        checks={"database": lambda: None, "bus": fail(BusUnavailable("nobody answers"))},
        statistics={"pool": {"open": 2}, "password": "hunter2"},
    )
    answer = world.client().get("/health")
    told = answer.json()

    assert (answer.status_code, told["status"]) == (200, "unhealthy")
    assert [(check["name"], check["ok"], check["code"]) for check in told["checks"]] == [
        ("database", True, None),
        ("bus", False, "BUS_UNAVAILABLE"),
    ]
    assert all(check["milliseconds"] >= 0 for check in told["checks"])
    assert told["statistics"] == {"pool": {"open": 2}, "password": "[hidden]"}
    assert {"python", "pydantic"} <= set(told["versions"])


def test_providers_are_told_without_secrets() -> None:
    world = web_world(providers={"blobs": {"adapter": "azure", "connection_string": "AccountKey=x", "account": "a"}})

    assert world.client().get("/status/providers").json() == {
        "providers": {"blobs": {"adapter": "azure", "connection_string": "[hidden]", "account": "a"}}
    }


def test_the_contract_is_asked_for_once(client: TestClient) -> None:
    first = client.get("/openapi.json")
    again = client.get("/openapi.json", headers={"If-None-Match": first.headers["etag"]})

    assert first.json()["openapi"] == "3.1.0"
    assert (again.status_code, again.content) == (304, b"")


# --- what is the same for all ---


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_without_its_key_a_route_is_401_but_for_those_that_tell_nothing(world: World, route: AnyRoute) -> None:
    app = streamed_app(create_api_blueprint(lambda: world.parts), Keys("the-master", {"default": "the-key"}))
    client = TestClient(app, base_url="http://test/api")
    names = {"job_id": UNKNOWN, "job_type": "hello_world", "name": "a", "schema_name": "a"}
    path = route.path.replace("{*", "{").format(**names)

    without = client.request(route.method, path).status_code
    with_key = client.request(route.method, path, headers={"x-functions-key": "the-key"}).status_code
    with_master = client.request(route.method, path, headers={"x-functions-key": "the-master"}).status_code

    assert (without == 401) is not route.anonymous
    assert (with_key == 401) is route.admin
    assert with_master != 401


def test_a_request_id_is_taken_over_or_made(client: TestClient) -> None:
    known = client.get("/livez", headers={"x-request-id": "abc-1"})
    refused = client.get(f"/jobs/status/{UNKNOWN}", headers={"x-request-id": "abc-2"})
    made = client.get("/livez", headers={"x-request-id": "a b"})

    assert known.headers["x-request-id"] == "abc-1"
    assert refused.json()["error"]["request_id"] == refused.headers["x-request-id"] == "abc-2"
    assert re.fullmatch("[0-9a-f]{32}", made.headers["x-request-id"])


class Away:
    """A store of which every method raises."""

    def __getattr__(self, name: str) -> object:
        raise StoreUnavailable("nobody answers")


def test_a_store_that_is_away_is_503_everywhere(world: World, client: TestClient) -> None:
    job = submit(client)
    world.machine.store = cast("StateStore", Away())
    world.parts = replace(world.parts, operations=JobOperations(world.machine))

    answers = [
        *[client.get(path.format(job=job)) for path in READS],
        *[client.post(path.format(job=job)) for path in CHANGES],
        client.get("/jobs"),
        client.get(f"/jobs/{job}/files/a"),
        client.post("/jobs/submit/hello_world", json={"params": {"n": 9}}),
    ]

    assert {(answer.status_code, code(answer)) for answer in answers} == {(503, "STORE_UNAVAILABLE")}
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers)


class Broken(MemoryBlobStore):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    def size(self, name: str) -> int:
        raise self._error


@pytest.mark.parametrize(
    ("error", "status", "expected"),
    [
        (BlobStoreUnavailable("away"), 503, "BLOB_STORE_UNAVAILABLE"),
        (DependencyMissing("it is not installed"), 500, "DEPENDENCY_MISSING"),
        (KeyError("the secret"), 500, "INTERNAL_ERROR"),
        (MemoryError(), 500, "INTERNAL_ERROR"),
    ],
)
def test_whatever_happens_is_an_answer_in_the_envelope(error: Exception, status: int, expected: str) -> None:
    blobs: BlobStore = Broken(error)
    world = web_world(blobs=blobs)
    client = world.client()

    answer = client.get(f"/jobs/{submit(client)}/files/text.txt")

    assert (answer.status_code, code(answer)) == (status, expected)
    assert "secret" not in answer.text
