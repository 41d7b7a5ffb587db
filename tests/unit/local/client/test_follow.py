"""Following a run: not more often than wanted, past outages, to its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from local.client.address import Service
from local.client.api import Api
from local.client.errors import CallRefused, ServiceNotReached
from local.client.follow import FIRST_SECONDS, Seen, StagePace, Stopped, follow
from local.client.http import PATIENCE, Http
from local.client.rates import UNKNOWN
from local.client.records import JobStatus
from tests.unit.local.client.fake_service import FakeService, Reply, answer, error, stage, status_body

JOB = "b" * 64


class Time:
    """A clock that moves by what is waited."""

    def __init__(self, stop_after: int = 1_000) -> None:
        self.now = 0.0
        self.waits: list[float] = []
        self._stop_after = stop_after

    def wait(self, seconds: float) -> bool:
        self.now += seconds
        self.waits.append(seconds)
        return len(self.waits) > self._stop_after

    def clock(self) -> float:
        return self.now


def at(status: str = "processing", done: int = 0, **more: Any) -> JobStatus:
    stages = [stage(1, "one", "completed", 1, 1), stage(2, "two", "running", 10, done)]
    return JobStatus.model_validate(status_body(JOB, status, stages=stages, **more))


def seen_by(service: FakeService, time: Time, first: JobStatus | None = None) -> list[Seen]:
    api = Api(Http(Service(service.url), time.wait, time.clock))
    return list(follow(api, first or at(), time.wait, time.clock))


def polls(service: FakeService, *replies: Callable[[], Reply]) -> None:
    left = list(replies)
    service.routes["GET /api/jobs/status/.*"] = lambda _: (left.pop(0) if len(left) > 1 else left[0])()


def body(status: JobStatus) -> dict[str, Any]:
    return status.model_dump(mode="json")


def test_each_state_is_seen_until_the_end(service: FakeService) -> None:
    polls(
        service,
        lambda: answer(200, body(at(done=1))),
        lambda: answer(200, body(at(done=5))),
        lambda: answer(200, body(at("completed", done=10))),
    )
    seen = seen_by(service, Time())

    assert [found.status.status for found in seen] == ["processing", "processing", "processing", "completed"]
    assert seen[2].pace.rate == 4.0
    assert seen[2].pace.left == 1.25


def test_it_asks_when_the_service_wants_and_with_the_etag(service: FakeService) -> None:
    polls(
        service,
        lambda: answer(200, body(at()), ETag='"1"', Retry_After="5"),
        lambda: Reply(304, b"", {"ETag": '"1"', "Retry-After": "9"}),
        lambda: answer(200, body(at("failed"))),
    )
    time = Time()
    seen_by(service, time)

    assert time.waits == [FIRST_SECONDS, 5.0, 9.0]
    assert [call.headers.get("if-none-match") for call in service.calls] == [None, '"1"', '"1"']


def test_a_restart_of_the_service_is_outlived(service: FakeService) -> None:
    polls(
        service,
        lambda: answer(200, body(at(done=1))),
        lambda: Reply(200, b"", {"Content-Length": "9"}),
        lambda: error(502, "BAD_GATEWAY"),
        lambda: answer(200, body(at("completed"))),
    )

    assert seen_by(service, Time())[-1].status.status == "completed"


def test_a_service_that_stays_away_is_told(service: FakeService) -> None:
    polls(service, lambda: answer(200, body(at(done=1))), lambda: Reply(200, b"", {"Content-Length": "9"}))
    time = Time()

    with pytest.raises(ServiceNotReached):
        seen_by(service, time)
    assert PATIENCE <= time.now < PATIENCE + 5


def test_a_refusal_is_not_outlived(service: FakeService) -> None:
    polls(service, lambda: error(404, "JOB_NOT_FOUND"))

    with pytest.raises(CallRefused, match="JOB_NOT_FOUND"):
        seen_by(service, Time())


def test_told_to_end_it_ends(service: FakeService) -> None:
    with pytest.raises(Stopped):
        seen_by(service, Time(stop_after=0))
    assert service.calls == []


def test_a_run_that_has_ended_is_not_asked_for(service: FakeService) -> None:
    assert len(seen_by(service, Time(), at("completed"))) == 1
    assert service.calls == []


def test_the_time_of_a_pause_does_not_slow_the_pace_down() -> None:
    time = Time()
    paces = StagePace(time.clock)
    for done in range(4):
        paces.see(at(done=done))
        time.now += 1
    assert paces.see(at("paused", done=4)) == UNKNOWN
    time.now += 20
    assert paces.see(at(done=4)) == UNKNOWN
    time.now += 1
    assert paces.see(at(done=6)).rate == 2.0


def test_a_new_stage_has_a_pace_of_its_own() -> None:
    time = Time()
    paces = StagePace(time.clock)
    paces.see(at(done=0))
    time.now += 1
    paces.see(at(done=9))
    other = JobStatus.model_validate(status_body(JOB, stages=[stage(3, "three", "running", 100, 1)]))

    assert paces.see(other) == UNKNOWN
