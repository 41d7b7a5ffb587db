"""Jobs, looked at: status, lists, timeline, tasks, result; and the submission of one."""

from __future__ import annotations

import re
from datetime import timedelta

from starlette.datastructures import Headers

from core.listing import RunFilter, TaskFilter
from core.model import RunRecord, Submitted
from core.operations import JobStatus
from infrastructure.web.answers import ASK_AGAIN, AnyAnswer, conditional, json_answer
from infrastructure.web.errors import InvalidHeader
from infrastructure.web.models import (
    EventReply,
    NoBody,
    PageReply,
    RunReply,
    SubmitRequest,
    TaskReply,
)
from infrastructure.web.parts import WebParts
from infrastructure.web.query import EventsQuery, NoQuery, RunQuery, RunsQuery, TasksQuery, in_utc
from infrastructure.web.routes import Call
from infrastructure.web.views import event_view, links_of, result_view, run_view, status_view, task_views

IDEMPOTENCY_KEY = "Idempotency-Key"
_KEY = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,198}[\x21-\x7e])?")

LONGEST_WAIT = 30
"""Seconds: whoever polls learns of an end after this time at most."""


def submit(parts: WebParts, call: Call[NoQuery, SubmitRequest]) -> AnyAnswer:
    submitted = parts.machine.submit(
        call.path["job_type"], call.body.params, tenant=call.body.tenant, idempotency_key=idempotency_key(call.headers)
    )
    return submitted_answer(parts, submitted)


def submitted_answer(parts: WebParts, submitted: Submitted) -> AnyAnswer:
    """202 for a new job, 200 for one that was there."""
    run = submitted.run
    status = (
        JobStatus(run, run.status.value, 0.0, len(parts.machine.jobs.find(run.job_type).stages))
        if submitted.created
        else parts.operations.status(run.job_id, run.run)
    )
    headers = {
        "Cache-Control": "no-store",
        "Location": links_of(run.job_id, run.run).self,
        **_wait(status.run, parts),
    }
    return json_answer(status_view(status, parts.machine.jobs), 202 if submitted.created else 200, headers)


def idempotency_key(headers: Headers) -> str | None:
    """Raises :class:`InvalidHeader` unless it is there at most once, 1 to 200 printable ASCII characters."""
    given = headers.getlist(IDEMPOTENCY_KEY)
    if not given:
        return None
    if len(given) > 1 or not _KEY.fullmatch(given[0]):
        raise InvalidHeader(f"{IDEMPOTENCY_KEY}: once, 1 to 200 printable ASCII characters", header=IDEMPOTENCY_KEY)
    return given[0]


def status(parts: WebParts, call: Call[RunQuery, NoBody]) -> AnyAnswer:
    found = parts.operations.status(call.path["job_id"], call.query.run)
    headers = {**ASK_AGAIN, **_wait(found.run, parts)}
    answer = json_answer(status_view(found, parts.machine.jobs), headers=headers)
    return conditional(answer, call.headers.get("if-none-match"))


def result(parts: WebParts, call: Call[RunQuery, NoBody]) -> AnyAnswer:
    """A run that has ended stays as it is; the latest run of a job does not."""
    answer = json_answer(result_view(parts.operations.result(call.path["job_id"], call.query.run)), headers=ASK_AGAIN)
    return conditional(answer, call.headers.get("if-none-match"))


def list_runs(parts: WebParts, call: Call[RunsQuery, NoBody]) -> AnyAnswer:
    query = call.query
    filters = RunFilter(
        job_type=query.job_type,
        tenant=query.tenant,
        statuses=frozenset(query.status),
        paused=query.paused,
        created_from=in_utc(query.created_from),
        created_before=in_utc(query.created_before),
    )
    page = parts.operations.list_runs(filters, query.cursor, query.limit)
    return json_answer(PageReply[RunReply](items=[run_view(run) for run in page.items], next=page.next))


def events(parts: WebParts, call: Call[EventsQuery, NoBody]) -> AnyAnswer:
    query = call.query
    page = parts.operations.events(call.path["job_id"], query.run, query.after, query.limit)
    return json_answer(PageReply[EventReply](items=[event_view(event) for event in page.items], next=page.next))


def tasks(parts: WebParts, call: Call[TasksQuery, NoBody]) -> AnyAnswer:
    query = call.query
    filters = TaskFilter(stage=query.stage, statuses=frozenset(query.status))
    page = parts.operations.tasks(call.path["job_id"], query.run, filters, query.cursor, query.limit)
    return json_answer(PageReply[TaskReply](items=task_views(page.items), next=page.next))


def _wait(run: RunRecord, parts: WebParts) -> dict[str, str]:
    """``Retry-After`` while a run goes on: a tenth of its age, so that short runs are told soon and long ones are asked
    for seldom.
    """
    if run.ended:
        return {}
    if run.paused:
        return {"Retry-After": str(LONGEST_WAIT)}
    tenth = (parts.clock.now() - run.created_at) / timedelta(seconds=10)
    return {"Retry-After": str(min(LONGEST_WAIT, max(1, round(tenth))))}
