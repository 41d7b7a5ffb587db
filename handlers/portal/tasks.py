"""The task ``process_document``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from core.context import TaskContext
from core.errors import CoreMachineError
from core.outcome import Interrupted
from handlers.portal.answer import Failure, Success
from handlers.portal.codes import ErrorCode
from handlers.portal.envelope import Envelope
from handlers.portal.pipeline import Ended, process
from handlers.portal.surroundings import Surroundings


class PortalTasks:
    """The handlers, with what they need. They keep nothing between calls."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around

    def process_document(self, params: Envelope, context: TaskContext) -> Success | Interrupted:
        """Make of an image the file that a portal takes, or say which rule cannot be met and why."""
        ended = process(params, context, self._around)
        if isinstance(ended, Interrupted):
            return ended
        if isinstance(ended.answer, Failure):
            raise error_of(ended) from ended.cause
        return ended.answer


def error_of(ended: Ended) -> BaseException:
    """What the engine is told of a failure: an error of the class that has the answer's code, with its stage.

    Whether it is tried again is that class's. What nobody expected and may pass, or is the memory's, stays what it was.
    """
    failure, cause = ended.answer, ended.cause
    assert isinstance(failure, Failure)
    code, told = failure.error.code, {"stage": failure.error.stage}
    if isinstance(cause, MemoryError):
        return cause
    if isinstance(cause, CoreMachineError) and (cause.code == code or _may_pass(code, cause)):
        cause.details = {**cause.details, **told}
        return cause
    kinds = (kind for kind in _kinds(CoreMachineError) if kind.code == code and code is not ErrorCode.INTERNAL_ERROR)
    named = next(kinds, CoreMachineError)
    if isinstance(cause, CoreMachineError) and named.retryable and not (cause.retryable or code.retryable):
        return _told_as(code, cause, told)
    return named(failure.error.message, **told)


def _told_as(code: ErrorCode, cause: CoreMachineError, told: Mapping[str, object]) -> CoreMachineError:
    """``cause``, which will not pass, by the code that it shares outside with what may."""
    cause.details = {**cause.details, **told}
    vars(cause)["code"] = code.value
    return cause


def _may_pass(code: ErrorCode, cause: CoreMachineError) -> bool:
    return code is ErrorCode.INTERNAL_ERROR and cause.retryable


def _kinds(parent: type[CoreMachineError]) -> Iterator[type[CoreMachineError]]:
    for kind in parent.__subclasses__():
        yield kind
        yield from _kinds(kind)
