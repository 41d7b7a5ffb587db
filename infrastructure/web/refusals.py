"""The one place that turns an error into an answer: its status by its class, one envelope, one line of log."""

from __future__ import annotations

import json
import logging
import re
import traceback
import uuid
from collections.abc import Mapping
from typing import Any

from core.errors import (
    BlobNotFound,
    BlobStoreMisconfigured,
    BusMisconfigured,
    CapacityExceeded,
    CoreMachineError,
    DeadLetterNotFound,
    IdempotencyConflict,
    InvalidInput,
    InvalidParameters,
    JobNotFound,
    MessageTooLarge,
    NothingToReplay,
    OperationConflict,
    RunEnded,
    RunNotEnded,
    RunNotFound,
    StoreBusy,
    StoreMisconfigured,
    StoreSchemaMismatch,
    TextNotStorable,
    TransientError,
    UnknownJobType,
    UnknownTaskType,
)
from core.outcome import storable
from handlers.document.errors import DocumentError, DocumentTooLarge, UnsupportedFormat
from handlers.portal.errors import (
    PortalSchemaConflict,
    PortalSchemaDeprecated,
    PortalSchemaNotFound,
    SealedOwnerWrong,
    SealedTooLarge,
    SealingKeyUnavailable,
    UploadEmpty,
    UploadMissing,
)
from infrastructure.task_start.errors import (
    CallbackRefused,
    SignatureExpired,
    SignatureMissing,
    SignatureWrong,
    StartInvalid,
    WorkerBusy,
    WorkerMisconfigured,
)
from infrastructure.web.answers import NEVER_STORED, Answer
from infrastructure.web.errors import (
    BodyTooLarge,
    ClientGone,
    NotReady,
    UnsupportedMediaType,
    UploadsBusy,
    UploadStalled,
)

_log = logging.getLogger(__name__)

INTERNAL_ERROR = CoreMachineError.code

_STATUS_OF: tuple[tuple[tuple[type[CoreMachineError], ...], int], ...] = (
    (
        (
            UnknownJobType,
            UnknownTaskType,
            JobNotFound,
            RunNotFound,
            BlobNotFound,
            DeadLetterNotFound,
            UploadMissing,
            PortalSchemaNotFound,
        ),
        404,
    ),
    ((SignatureMissing, SignatureExpired), 401),
    ((SignatureWrong, SealedOwnerWrong), 403),
    ((UploadStalled,), 408),
    (
        (
            IdempotencyConflict,
            RunNotEnded,
            RunEnded,
            NothingToReplay,
            OperationConflict,
            WorkerBusy,
            PortalSchemaConflict,
            PortalSchemaDeprecated,
        ),
        409,
    ),
    ((BodyTooLarge, DocumentTooLarge, CapacityExceeded, MessageTooLarge, SealedTooLarge), 413),
    ((UnsupportedMediaType, UnsupportedFormat), 415),
    ((InvalidParameters, TextNotStorable, DocumentError, StartInvalid, CallbackRefused, UploadEmpty), 422),
    ((ClientGone,), 499),
    ((InvalidInput,), 400),
    ((TransientError, SealingKeyUnavailable), 503),
)
"""The first that fits; any other error of ours is 500. 499, as nginx has it, is what nobody reads any more."""

_SECONDS: tuple[tuple[type[CoreMachineError], int], ...] = (
    (RunNotEnded, 1),
    (StoreBusy, 1),
    (UploadsBusy, 1),
    (NotReady, 5),
    (StoreMisconfigured, 30),
    (StoreSchemaMismatch, 30),
    (BusMisconfigured, 30),
    (BlobStoreMisconfigured, 30),
    (WorkerMisconfigured, 30),
    (TransientError, 2),
    (SealingKeyUnavailable, 2),
)
"""After how many seconds to try again, by what it takes to mend: another call's end, a restart, a person."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:~+/=-]{1,128}")


def request_id_from(header: str | None) -> str:
    """The caller's ``x-request-id`` where it is 1 to 128 plain characters, or a fresh one."""
    return header if header is not None and _REQUEST_ID.fullmatch(header) else uuid.uuid4().hex


def status_of(kind: type[CoreMachineError]) -> int:
    return next((status for kinds, status in _STATUS_OF if issubclass(kind, kinds)), 500)


def retry_seconds(kind: type[CoreMachineError]) -> int | None:
    """Whole seconds for ``Retry-After``, ``None`` for what trying again does not mend."""
    return next((seconds for known, seconds in _SECONDS if issubclass(kind, known)), None)


def refusal(error: BaseException, request_id: str, route: str, status: int | None = None) -> Answer:
    """The answer for ``error``. Of one that is not ours only its frames are logged, and nothing is told outside.

    ``status`` is for an error that another surface has beside these; else its class says it.
    """
    if not isinstance(error, CoreMachineError):
        frames = "".join(traceback.format_tb(error.__traceback__))
        extra = {"request_id": request_id, "route": route, "error": type(error).__name__}
        _log.error("request_failed, most recent call last:\n%s", frames, extra=extra)
        return _answer(500, INTERNAL_ERROR, "the server failed; its log has the request id", request_id, {}, None)
    status = status or status_of(type(error))
    _log.log(
        logging.ERROR if status == 500 else logging.WARNING if status == 503 else logging.INFO,
        "request_refused",
        extra={"request_id": request_id, "route": route, "status": status, "code": error.code},
    )
    return _answer(status, error.code, error.message, request_id, error.details, retry_seconds(type(error)))


def _answer(
    status: int, code: str, message: str, request_id: str, details: Mapping[str, Any], retry_after: int | None
) -> Answer:
    error = {
        "code": code,
        "message": storable(str(message)),
        "request_id": request_id,
        "details": {name: _shown(value) for name, value in details.items()},
    }
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    content = json.dumps({"error": error}, separators=(",", ":")).encode()
    return Answer(status, content, headers={**NEVER_STORED, **headers})


def _shown(value: object) -> object:
    """A detail as JSON; what is no JSON value is told by its class only."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Mapping():
            return {str(key): _shown(inner) for key, inner in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_shown(inner) for inner in value]
        case _:
            return type(value).__name__
