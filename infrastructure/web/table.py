"""Every route of the API."""

from __future__ import annotations

from core.errors import (
    BlobConflict,
    DeadLetterNotFound,
    InvalidCursor,
    OperationConflict,
)
from handlers.document.errors import DocumentTooLarge, UnsupportedFormat
from infrastructure.web import changes, health, uploads
from infrastructure.web.errors import (
    EmptyDocument,
    MalformedMultipart,
    NotReady,
    SpoolUnavailable,
    UploadsBusy,
    UploadStalled,
)
from infrastructure.web.job_routes import JOB_ROUTES
from infrastructure.web.models import (
    AliveReply,
    HealthReply,
    LetterReply,
    NoBody,
    PageReply,
    ProvidersReply,
    ReadyReply,
    ReplayedReply,
    ReplayLettersRequest,
)
from infrastructure.web.query import (
    DocumentQuery,
    LettersQuery,
    NoQuery,
)
from infrastructure.web.route_parts import (
    BODY,
    IDEMPOTENT,
    IF_NONE_MATCH,
    NOT_MODIFIED,
    SUBMISSION,
    SUBMITTED,
)
from infrastructure.web.routes import AnyRoute, BodyKind, Route, Success, threaded
from infrastructure.web.schema_routes import SCHEMA_ROUTES
from infrastructure.web.transfer_routes import TRANSFER_ROUTES

ROUTES: tuple[AnyRoute, ...] = (
    *JOB_ROUTES,
    *TRANSFER_ROUTES,
    *SCHEMA_ROUTES,
    Route(
        "deadletters_list",
        "GET",
        "deadletters",
        "Messages that could not be delivered, in the order in which they were written down",
        threaded(changes.list_letters),
        LettersQuery,
        NoBody,
        (Success(200, "A page of dead letters", PageReply[LetterReply]),),
        (InvalidCursor,),
    ),
    Route(
        "deadletters_replay",
        "POST",
        "deadletters/replay",
        "Send dead letters again",
        threaded(changes.replay_letters),
        NoQuery,
        ReplayLettersRequest,
        (Success(200, "Those that were sent again, and those that were not", ReplayedReply),),
        (*BODY, DeadLetterNotFound, OperationConflict),
        BodyKind.JSON,
    ),
    Route(
        "documents_upload",
        "POST",
        "documents",
        "Upload a document and have it read: job `ocr_document`",
        uploads.upload,
        DocumentQuery,
        NoBody,
        SUBMITTED,
        (
            *SUBMISSION,
            BlobConflict,
            DocumentTooLarge,
            EmptyDocument,
            MalformedMultipart,
            SpoolUnavailable,
            UnsupportedFormat,
            UploadStalled,
            UploadsBusy,
        ),
        BodyKind.DOCUMENT,
        headers=(*IDEMPOTENT, uploads.PASSWORD),
    ),
    Route(
        "livez",
        "GET",
        "livez",
        "Whether this process lives; asks nothing of anybody",
        health.livez,
        NoQuery,
        NoBody,
        (Success(200, "It does", AliveReply),),
        anonymous=True,
        needs_parts=False,
    ),
    Route(
        "readyz",
        "GET",
        "readyz",
        "Whether this process can work",
        health.readyz,
        NoQuery,
        NoBody,
        (Success(200, "All checks passed", ReadyReply),),
        (NotReady,),
        anonymous=True,
        needs_parts=False,
    ),
    Route(
        "health",
        "GET",
        "health",
        "What operators want to know: checks, versions, numbers of this process",
        health.health,
        NoQuery,
        NoBody,
        (Success(200, "A report, whatever it tells", HealthReply),),
    ),
    Route(
        "status_providers",
        "GET",
        "status/providers",
        "The adapters that were resolved, without secrets",
        threaded(health.providers),
        NoQuery,
        NoBody,
        (Success(200, "By what they are for", ProvidersReply),),
    ),
    Route(
        "openapi",
        "GET",
        "openapi.json",
        "This contract",
        health.openapi,
        NoQuery,
        NoBody,
        (Success(200, "OpenAPI 3.1", media_type="application/json", headers=("ETag",)), NOT_MODIFIED),
        anonymous=True,
        needs_parts=False,
        headers=IF_NONE_MATCH,
    ),
)
