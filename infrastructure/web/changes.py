"""Jobs, changed: cancelled, paused, resumed, run again; and dead letters, listed and sent again."""

from __future__ import annotations

from core.errors import InvalidInput
from core.operations import JobStatus
from core.outcome import describe
from infrastructure.web.answers import AnyAnswer, json_answer
from infrastructure.web.models import (
    ErrorReply,
    LetterReply,
    NoBody,
    NotReplayed,
    PageReply,
    ReplayedReply,
    ReplayLettersRequest,
    ReplayRequest,
    ResubmitRequest,
    RunRequest,
)
from infrastructure.web.parts import WebParts
from infrastructure.web.query import LettersQuery, NoQuery
from infrastructure.web.routes import Call
from infrastructure.web.views import letter_view, status_view


def cancel(parts: WebParts, call: Call[NoQuery, RunRequest]) -> AnyAnswer:
    return _shown(parts, parts.operations.cancel(call.path["job_id"], call.body.actor, call.body.run))


def pause(parts: WebParts, call: Call[NoQuery, RunRequest]) -> AnyAnswer:
    return _shown(parts, parts.operations.pause(call.path["job_id"], call.body.actor, call.body.run))


def resume(parts: WebParts, call: Call[NoQuery, RunRequest]) -> AnyAnswer:
    return _shown(parts, parts.operations.resume(call.path["job_id"], call.body.actor, call.body.run))


def resubmit(parts: WebParts, call: Call[NoQuery, ResubmitRequest]) -> AnyAnswer:
    reuse = call.body.reuse_finished_stages
    return _shown(parts, parts.operations.resubmit(call.path["job_id"], call.body.actor, reuse_finished_stages=reuse))


def replay(parts: WebParts, call: Call[NoQuery, ReplayRequest]) -> AnyAnswer:
    return _shown(parts, parts.operations.replay(call.path["job_id"], call.body.actor, call.body.tasks))


def list_letters(parts: WebParts, call: Call[LettersQuery, NoBody]) -> AnyAnswer:
    limit = call.query.limit
    found = parts.dead_letters.listed(call.query.after, limit)
    # The operation takes no more than 1,000, so that one more cannot be asked for together with a full page.
    more = len(found) == limit and bool(parts.dead_letters.listed(found[-1].record_id, 1))
    return json_answer(
        PageReply[LetterReply](
            items=[letter_view(letter) for letter in found], next=str(found[-1].record_id) if more else None
        )
    )


def replay_letters(parts: WebParts, call: Call[NoQuery, ReplayLettersRequest]) -> AnyAnswer:
    """Each by itself: what cannot be sent again is told beside what was; where none could, the first error."""
    sent: list[LetterReply] = []
    failed: list[NotReplayed] = []
    first: InvalidInput | None = None
    for record_id in dict.fromkeys(call.body.ids):
        try:
            sent.append(letter_view(parts.dead_letters.replay(record_id, call.body.actor)))
        except InvalidInput as error:
            first = first or error
            failed.append(_not_replayed(record_id, error))
    if first is not None and not sent:
        raise first
    return json_answer(ReplayedReply(items=sent, failed=failed))


def _not_replayed(record_id: int, error: InvalidInput) -> NotReplayed:
    told = describe(error)
    return NotReplayed(id=record_id, error=ErrorReply(code=told.code, message=told.message, retryable=told.retryable))


def _shown(parts: WebParts, status: JobStatus) -> AnyAnswer:
    return json_answer(status_view(status, parts.machine.jobs))
