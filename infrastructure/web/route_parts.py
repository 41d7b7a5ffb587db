"""What several routes have in common: the errors of reading a body, of naming a run; and answers."""

from __future__ import annotations

from core.errors import (
    CapacityExceeded,
    CoreMachineError,
    DefinitionError,
    IdempotencyConflict,
    InvalidIdentifier,
    InvalidParameters,
    JobNotFound,
    OperationConflict,
    RunNotEnded,
    RunNotFound,
    TextNotStorable,
    TextTooLong,
    UnknownJobType,
    UnknownTaskType,
)
from infrastructure.web import jobs
from infrastructure.web.errors import (
    BodyTooLarge,
    InvalidHeader,
    MalformedJson,
    UnsupportedMediaType,
    UploadStalled,
)
from infrastructure.web.models import (
    StatusReply,
)
from infrastructure.web.routes import Success

Errors = tuple[type[CoreMachineError], ...]

BODY: Errors = (
    BodyTooLarge,
    CapacityExceeded,
    InvalidParameters,
    MalformedJson,
    TextNotStorable,
    TextTooLong,
    UnsupportedMediaType,
    UploadStalled,
)
A_RUN: Errors = (InvalidIdentifier, JobNotFound, RunNotFound)
ANOTHER_RUN: Errors = (*A_RUN, RunNotEnded, OperationConflict, UnknownJobType, UnknownTaskType, DefinitionError)
SUBMISSION: Errors = (CapacityExceeded, IdempotencyConflict, InvalidHeader, InvalidParameters, UnknownJobType)

WHILE_RUNNING = "Retry-After"
STATUS = Success(200, "The run as it is now", StatusReply)
NOT_MODIFIED = Success(304, "It is what the client has", headers=("ETag",))
SUBMITTED = (
    Success(202, "The job was made", StatusReply, headers=("Location", WHILE_RUNNING)),
    Success(200, "The same job was submitted before", StatusReply, headers=("Location", WHILE_RUNNING)),
)
IDEMPOTENT = (jobs.IDEMPOTENCY_KEY,)
IF_NONE_MATCH = ("If-None-Match",)
