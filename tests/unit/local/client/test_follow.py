"""Following a run: not more often than wanted, past outages, to its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from local.client.address import Service
from local.client.api import Api
from local.client.errors import CallRefused, ServiceNotReached
from local.client.follow import FIRST_SECONDS, Seen, Stopped, follow, pace_of
from local.client.http import PATIENCE, Http
from local.client.rates import UNKNOWN, Pace
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
    return list(follow(api, first or at(), time.wait))


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


def test_the_pace_is_what_the_service_tells_of_the_stage_that_runs() -> None:
    told = {**stage(2, "two", "running", 10, 3), "rate_per_minute": 240.0, "remaining_seconds": 2}
    stages = [stage(1, "one", "completed", 1, 1), told]

    assert pace_of(JobStatus.model_validate(status_body(JOB, stages=stages))) == Pace(4.0, 2)
    assert pace_of(JobStatus.model_validate(status_body(JOB, "paused", stages=stages))) == UNKNOWN
    assert pace_of(at(done=3)) == UNKNOWN
    assert pace_of(JobStatus.model_validate(status_body(JOB))) == UNKNOWN
