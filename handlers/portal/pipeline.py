"""A document through all stages: the one way, whether a queue, a call or a pipe brought it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

from core.boundary import guarded
from core.context import TaskContext
from core.outcome import Failed, Interrupted
from handlers.document.errors import FetchStopped
from handlers.portal.answer import Failure, StageMetrics, Success, failure
from handlers.portal.codes import Stage, code_of
from handlers.portal.envelope import Envelope
from handlers.portal.errors import UploadFailed
from handlers.portal.shelf import Shelf
from handlers.portal.stages import STAGES, run
from handlers.portal.surroundings import Surroundings
from handlers.portal.timed import timed
from handlers.portal.upload import answer, clean
from handlers.portal.work import Made, Work

BEGUN, CLEANED = "BEGUN", "CLEANED"

PNG_ROOM = 4
"""Bytes of storage a pixel: three, and what PNG has besides."""


class Ended(NamedTuple):
    """``cause`` is what was raised, where it failed."""

    answer: Success | Failure
    cause: BaseException | None = None


def process(envelope: Envelope, context: TaskContext, around: Surroundings) -> Ended | Interrupted:
    """All stages that no attempt before this one has done.

    Each is written down once what it made is in storage and was looked at there, and is not done again. Raises
    :class:`core.errors.LeaseLost`.
    """
    begun = guarded(_begin, envelope, context, around)
    if isinstance(begun, Failed):
        return _failed(begun, Stage.PAYLOAD, envelope)
    done: list[StageMetrics] = []
    for place, stage in enumerate(STAGES):
        ended = _stage(stage, begun)
        if not isinstance(ended, StageMetrics):
            return _failed(ended, stage, envelope) if isinstance(ended, Failed) else ended
        done.append(ended)
        context.report_progress(100 * (place + 1) / len(STAGES), stage)
    told = guarded(answer, begun, done)
    if isinstance(told, Failed):
        return _failed(told, Stage.UPLOAD, envelope)
    _clean(begun)
    return Ended(told)


def _begin(envelope: Envelope, context: TaskContext, around: Surroundings) -> Work:
    """What is in the names of all that is made is chosen before anything is, and once."""
    store = around.store(envelope.storage.store, context.blobs)
    if not context.checkpoint.should_skip(BEGUN):
        context.checkpoint.save(BEGUN, {BEGUN: int(context.clock.now().timestamp() * 1_000)})
    milliseconds = context.checkpoint.get_data(BEGUN)
    assert isinstance(milliseconds, int)
    limits = around.limits
    largest = max(limits.max_bytes, PNG_ROOM * limits.max_page_pixels)
    return Work(envelope, context, around, Shelf(store, envelope, milliseconds, largest))


def _stage(stage: Stage, work: Work) -> StageMetrics | Failed | Interrupted:
    context = work.context
    if context.checkpoint.should_skip(stage):
        return _metrics(stage, work.saved(stage), resumed=True)
    if context.should_stop:
        return Interrupted(context.stop_reason or "")
    ended = timed(stage, work.around.deadlines[stage], partial(run, stage, work), context)
    if isinstance(ended, Interrupted):
        return ended
    if isinstance(ended.result, Failed):
        stopped = isinstance(ended.result.cause, FetchStopped)
        return Interrupted(context.stop_reason or "") if stopped else ended.result
    data = {**ended.result.data, "wall_ms": ended.wall_ms, "cpu_ms": ended.cpu_ms}
    saved = guarded(_save, stage, ended.result, data, work)
    return saved if isinstance(saved, Failed) else _metrics(stage, data, resumed=False)


def _save(stage: Stage, made: Made, data: Mapping[str, object], work: Work) -> None:
    checkpoint, shelf = work.context.checkpoint, work.shelf
    if not checkpoint.save(stage, {stage: data}, validate_artifact=lambda: all(map(shelf.holds, made.kept))):
        raise UploadFailed(f"what {stage} made is not in storage as it was written")


def _metrics(stage: Stage, data: Mapping[str, object], *, resumed: bool) -> StageMetrics:
    return StageMetrics.model_validate(
        {"stage": stage, "wall_ms": data["wall_ms"], "cpu_ms": data["cpu_ms"], "resumed": resumed}
    )


def _clean(work: Work) -> None:
    """What cannot be removed now is left: the document is done."""
    if not work.context.checkpoint.should_skip(CLEANED) and guarded(clean, work) is None:
        work.context.checkpoint.save(CLEANED)


def _failed(failed: Failed, stage: Stage, envelope: Envelope) -> Ended:
    cause = failed.cause
    assert cause is not None
    return Ended(failure(code_of(cause, stage), stage, failed.error.message, envelope.job_id), cause)
