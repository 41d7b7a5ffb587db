"""Query parameters: each known, at most once, and of one spelling."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from starlette.datastructures import QueryParams

from core.model import RunStatus
from infrastructure.web.errors import InvalidQuery
from infrastructure.web.query import DocumentQuery, EventsQuery, NoQuery, RunQuery, RunsQuery, in_utc, parse_query


def test_what_is_given_is_read() -> None:
    query = parse_query(
        RunsQuery,
        QueryParams(
            "status=failed,cancelled&paused=true&created_from=2030-01-01T02:00:00%2B02:00&limit=7&tenant=a%20b"
        ),
    )

    assert query.status == [RunStatus.FAILED, RunStatus.CANCELLED]
    assert (query.paused, query.limit, query.tenant) == (True, 7, "a b")
    assert in_utc(query.created_from) == datetime(2030, 1, 1, tzinfo=UTC)


def test_the_parameters_of_the_host_are_let_pass() -> None:
    assert parse_query(NoQuery, QueryParams("code=the-key&clientId=default")) == NoQuery()


@pytest.mark.parametrize(
    ("model", "text"),
    [
        (RunQuery, "run=0"),
        (RunQuery, "run=-1"),
        (RunQuery, "run=1.0"),
        (RunQuery, "run=1_0"),
        (RunQuery, "run=%201"),
        (RunQuery, "run=%D9%A1"),
        (RunQuery, "run="),
        (RunQuery, "run=99999999999999999999999999"),
        (RunQuery, "run=1&run=1"),
        (RunQuery, "rum=1"),
        (NoQuery, "surprise"),
        (EventsQuery, "after=9223372036854775808"),
        (EventsQuery, "limit=1001"),
        (RunsQuery, "paused=yes"),
        (RunsQuery, "paused=True"),
        (RunsQuery, "status=done"),
        (RunsQuery, "status=failed,"),
        (RunsQuery, "status=" + ",".join(["failed"] * 7)),
        (RunsQuery, "created_from=2030-01-01"),
        (RunsQuery, "created_from=2030-01-01T00:00:00"),
        (RunsQuery, "created_from=1893456000"),
        (RunsQuery, "created_from=2030-13-01T00:00:00Z"),
        (RunsQuery, "tenant=a%00b"),
        (RunsQuery, "cursor=" + "x" * 1_001),
        (DocumentQuery, "quality=best"),
        (DocumentQuery, "filename=a%0D%0AX-Injected:%201"),
        (DocumentQuery, "filename=..%2Fpasswd"),
        (DocumentQuery, "filename=" + "x" * 256),
        (DocumentQuery, "filename=a%0A"),
        (DocumentQuery, "tenant="),
        (DocumentQuery, "pages_per_task=0"),
        (DocumentQuery, "pages_per_task=1001"),
        (DocumentQuery, "pages_per_task=1e1"),
    ],
)
def test_what_does_not_fit_is_refused(model: type[RunsQuery], text: str) -> None:
    with pytest.raises(InvalidQuery):
        parse_query(model, QueryParams(text))


def test_a_problem_names_its_parameter_and_not_its_value() -> None:
    with pytest.raises(InvalidQuery) as refused:
        parse_query(RunQuery, QueryParams("run=secret"))

    assert "run" in str(refused.value.details["problems"])
    assert "secret" not in str(refused.value.details)


def test_a_time_before_utcs_calendar_is_refused() -> None:
    query = parse_query(RunsQuery, QueryParams("created_from=0001-01-01T00:00:00%2B10:00"))

    with pytest.raises(InvalidQuery):
        in_utc(query.created_from)
