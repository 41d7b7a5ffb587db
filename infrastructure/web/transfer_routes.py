"""The routes of uploads and downloads by link."""

from __future__ import annotations

from core.errors import BlobConflict, BlobNotFound
from handlers.document.errors import DocumentTooLarge
from handlers.portal.errors import (
    SealedDamaged,
    SealedFormatUnknown,
    SealedOwnerWrong,
    SealedTooLarge,
    SealingKeyMissing,
    SealingKeyUnavailable,
    SealingKeyUnknown,
    StoragePathInvalid,
    UploadEmpty,
    UploadMissing,
)
from infrastructure.web import transfers
from infrastructure.web.query import NoQuery
from infrastructure.web.route_parts import BODY, Errors
from infrastructure.web.routes import AnyRoute, BodyKind, Route, Success, threaded

SEALED: Errors = (
    BlobConflict,
    SealedDamaged,
    SealedFormatUnknown,
    SealedOwnerWrong,
    SealedTooLarge,
    SealingKeyMissing,
    SealingKeyUnavailable,
    SealingKeyUnknown,
)

TRANSFER_ROUTES: tuple[AnyRoute, ...] = (
    Route(
        "portal_downloads_begin",
        "POST",
        "portal/downloads",
        "A link to download a file of a portal's job",
        threaded(transfers.begin_download),
        NoQuery,
        transfers.DownloadRequest,
        (Success(201, "The link, for a while", transfers.DownloadLinkReply),),
        (*BODY, *SEALED, BlobNotFound, StoragePathInvalid),
        BodyKind.JSON,
    ),
    Route(
        "portal_uploads_begin",
        "POST",
        "portal/uploads",
        "A link to upload a file for a portal's job to come",
        threaded(transfers.begin_upload),
        NoQuery,
        transfers.UploadRequest,
        (Success(201, "The link, for a while", transfers.UploadLinkReply),),
        (*BODY, StoragePathInvalid),
        BodyKind.JSON,
    ),
    Route(
        "portal_uploads_confirm",
        "POST",
        "portal/uploads/confirm",
        "Encrypt what was uploaded, so that a job may read it",
        threaded(transfers.confirm_upload),
        NoQuery,
        transfers.ConfirmRequest,
        (Success(200, "What came in", transfers.ConfirmedReply),),
        (*BODY, *SEALED, DocumentTooLarge, StoragePathInvalid, UploadEmpty, UploadMissing),
        BodyKind.JSON,
    ),
)
