from __future__ import annotations

import base64
import json
from datetime import UTC

import pytest

from core.errors import InvalidCursor, InvalidParameters
from core.ids import TaskId
from core.listing import RunFilter
from core.model import RunRecord
from core.paging import Page, checked_after, checked_limit, run_cursor, run_cursor_text, task_cursor, task_cursor_text
from testing.contracts.scenario import Scenario, new_job
from testing.mock_state import MockStateManager

JOB_ID = new_job().job_id


def packed(parts: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def a_run() -> RunRecord:
    return Scenario.started(MockStateManager(), "x").run()


def test_a_page_knows_the_next_one_only_where_there_is_more() -> None:
    assert Page.of([1, 2, 3], 2, str) == Page([1, 2], "2")
    assert Page.of([1, 2], 2, str) == Page([1, 2], None)
    assert Page.of([], 2, str) == Page([], None)


def test_cursors_come_back_as_what_they_were_made_of() -> None:
    store = MockStateManager()
    scenario = Scenario.started(store, "page-1.2_x")
    (line,) = store.list_runs(RunFilter(), None, 1)

    assert run_cursor(run_cursor_text(line)) == line.cursor
    assert task_cursor(task_cursor_text(scenario.task("page-1.2_x")), scenario.run()) == scenario.task_id("page-1.2_x")
    assert run_cursor(None) is None
    assert task_cursor(None, scenario.run()) is None


@pytest.mark.parametrize("limit", [0, -1, 1_001])
def test_a_limit_without_sense_is_refused(limit: int) -> None:
    with pytest.raises(InvalidParameters, match="limit"):
        checked_limit(limit)


@pytest.mark.parametrize(
    "parts",
    [
        None,
        {},
        [],
        ["2030-01-01T00:00:00+00:00", JOB_ID],
        ["2030-01-01T00:00:00+00:00", JOB_ID, "1"],
        ["2030-01-01T00:00:00+00:00", JOB_ID, 0],
        ["2030-01-01T00:00:00+00:00", JOB_ID, 2**40],
        ["2030-01-01T00:00:00+00:00", "a\0b", 1],
        ["2030-01-01T00:00:00", JOB_ID, 1],
        ["0001-01-01T00:00:00+14:00", JOB_ID, 1],
        ["yesterday", JOB_ID, 1],
    ],
)
def test_what_is_no_cursor_of_runs_is_refused(parts: object) -> None:
    with pytest.raises(InvalidCursor):
        run_cursor(packed(parts))


@pytest.mark.parametrize(
    "rest", ["", "1", "1:", "0:x", "100:x", "-1:x", "1:a b", "1:a\0b", "1:\ud800", "1:" + "x" * 41, "1:x:1", "a:x"]
)
def test_what_is_no_cursor_of_the_run_s_tasks_is_refused(rest: str) -> None:
    run = a_run()

    with pytest.raises(InvalidCursor):
        task_cursor(packed([f"{run.job_id}:1:{rest}"]), run)


def test_a_cursor_of_another_run_s_tasks_is_refused() -> None:
    run = a_run()

    with pytest.raises(InvalidCursor):
        task_cursor(packed([f"{run.job_id}:2:1:x"]), run)
    assert task_cursor(packed([f"{run.job_id}:1:1:x"]), run) == TaskId(f"{run.job_id}:1:1:x")


def test_a_cursor_says_its_time_in_utc_and_its_run_as_a_number() -> None:
    forged = run_cursor(packed(["2030-01-01T00:00:00+00:00:30.5", JOB_ID, True]))

    assert forged is not None
    assert forged.created_at.tzinfo is UTC
    assert forged.created_at.isoformat() == "2029-12-31T23:59:29.500000+00:00"
    assert type(forged.run) is int


@pytest.mark.parametrize("after", [-1, 2**63, 2**70])
def test_what_numbers_no_event_is_refused(after: int) -> None:
    with pytest.raises(InvalidCursor, match="after"):
        checked_after(after)
    assert checked_after(2**63 - 1) == 2**63 - 1
