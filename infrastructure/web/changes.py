"""Jobs, changed: cancelled, paused, resumed, run again; and dead letters, listed and sent again."""

from __future__ import annotations

from datetime import datetime

from core.errors import CoreMachineError, InvalidInput, TransientError
from core.listing import DeadLetterRecord
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
    """Each by itself: what cannot be sent again is told beside what was. After an error of ours, or of what we stand
    on, none is tried any more. Where none was sent, that error is raised, or else the first.
    """
    began = parts.clock.now()
    sent: list[LetterReply] = []
    refused: dict[int, CoreMachineError] = {}
    ended: CoreMachineError | None = None
    for record_id in dict.fromkeys(call.body.ids):
        came = _replayed(parts, record_id, call.body.actor, began) if ended is None else ended
        match came:
            case DeadLetterRecord():
                sent.append(letter_view(came))
            case CoreMachineError():
                refused[record_id] = came
                ended = None if isinstance(came, InvalidInput) else came
    if refused and not sent:
        raise ended or next(iter(refused.values()))
    return json_answer(ReplayedReply(items=sent, failed=[_not_replayed(*pair) for pair in refused.items()]))


def _replayed(parts: WebParts, record_id: int, actor: str, began: datetime) -> DeadLetterRecord | CoreMachineError:
    try:
        return parts.dead_letters.replay(record_id, actor)
    except TransientError as error:
        return _committed(parts, record_id, actor, began) or error
    except CoreMachineError as error:
        return error


def _committed(parts: WebParts, record_id: int, actor: str, began: datetime) -> DeadLetterRecord | None:
    """The letter, where it was sent again though the call failed: the store may go away just after that."""
    try:
        letter = next(iter(parts.dead_letters.listed(record_id - 1, 1)), None)
    except TransientError:
        return None
    if letter is None or letter.record_id != record_id or letter.replayed_by != actor or letter.replayed_at is None:
        return None
    return letter if letter.replayed_at >= began else None


def _not_replayed(record_id: int, error: CoreMachineError) -> NotReplayed:
    told = describe(error)
    return NotReplayed(id=record_id, error=ErrorReply(code=told.code, message=told.message, retryable=told.retryable))


def _shown(parts: WebParts, status: JobStatus) -> AnyAnswer:
    return json_answer(status_view(status, parts.machine.jobs))
