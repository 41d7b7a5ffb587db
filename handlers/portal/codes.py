"""The codes that a document's failure has outside, and which of our errors comes to which."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from core import errors as core
from handlers.document import errors as document
from handlers.portal import errors as portal


class Stage(StrEnum):
    """What is done to a document, in this order. ``PAYLOAD`` comes before all of it."""

    PAYLOAD = "PAYLOAD"
    FETCH = "FETCH"
    DECODE = "DECODE"
    QUALITY = "QUALITY"
    ENHANCE = "ENHANCE"
    OCR = "OCR"
    SCHEMA = "SCHEMA"
    UPLOAD = "UPLOAD"


class ErrorCode(StrEnum):
    """The closed list. A code is stable."""

    PAYLOAD_MISSING = "PAYLOAD_MISSING"
    PAYLOAD_INVALID = "PAYLOAD_INVALID"
    ARTIFACT_SOURCE_INVALID = "ARTIFACT_SOURCE_INVALID"
    FETCH_FAILED = "FETCH_FAILED"
    FETCH_TIMEOUT = "FETCH_TIMEOUT"
    ARTIFACT_NOT_FOUND = "ARTIFACT_NOT_FOUND"
    ARTIFACT_ACCESS_DENIED = "ARTIFACT_ACCESS_DENIED"
    UNSUPPORTED_FORMAT = "UNSUPPORTED_FORMAT"
    DECODE_FAILED = "DECODE_FAILED"
    IMAGE_TOO_LARGE = "IMAGE_TOO_LARGE"
    QUALITY_FAILED = "QUALITY_FAILED"
    ENHANCE_FAILED = "ENHANCE_FAILED"
    OCR_FAILED = "OCR_FAILED"
    OCR_TIMEOUT = "OCR_TIMEOUT"
    SCHEMA_FAILED = "SCHEMA_FAILED"
    RESIZE_FAILED = "RESIZE_FAILED"
    SIZE_EXCEEDED = "SIZE_EXCEEDED"
    SIZE_TOO_SMALL = "SIZE_TOO_SMALL"
    UPLOAD_FAILED = "UPLOAD_FAILED"
    UPLOAD_TIMEOUT = "UPLOAD_TIMEOUT"
    INTERNAL_ERROR = "INTERNAL_ERROR"

    @property
    def retryable(self) -> bool:
        """Whether the same payload may come to something else later. A property of the code, and of nothing else."""
        return self in _RETRYABLE


_RETRYABLE = frozenset(
    {ErrorCode.FETCH_TIMEOUT, ErrorCode.OCR_TIMEOUT, ErrorCode.UPLOAD_FAILED, ErrorCode.UPLOAD_TIMEOUT}
)

Kinds = Mapping[type[BaseException], ErrorCode]

ANYWHERE: Kinds = {
    portal.PayloadMissing: ErrorCode.PAYLOAD_MISSING,
    portal.PayloadInvalid: ErrorCode.PAYLOAD_INVALID,
    core.InvalidParameters: ErrorCode.PAYLOAD_INVALID,
    portal.ArtifactSourceInvalid: ErrorCode.ARTIFACT_SOURCE_INVALID,
    document.SourceNotAllowed: ErrorCode.ARTIFACT_SOURCE_INVALID,
    document.SourceNotFound: ErrorCode.ARTIFACT_NOT_FOUND,
    document.SourceAccessDenied: ErrorCode.ARTIFACT_ACCESS_DENIED,
    document.FetchRefused: ErrorCode.FETCH_FAILED,
    document.FetchFailed: ErrorCode.FETCH_FAILED,
    document.FetchTimeout: ErrorCode.FETCH_TIMEOUT,
    document.DocumentError: ErrorCode.DECODE_FAILED,
    document.UnsupportedFormat: ErrorCode.UNSUPPORTED_FORMAT,
    document.DocumentTooLarge: ErrorCode.IMAGE_TOO_LARGE,
    document.ImageTooLarge: ErrorCode.IMAGE_TOO_LARGE,
    document.TooManyPages: ErrorCode.IMAGE_TOO_LARGE,
    portal.ArtifactNotFound: ErrorCode.ARTIFACT_NOT_FOUND,
    portal.ArtifactAccessDenied: ErrorCode.ARTIFACT_ACCESS_DENIED,
    portal.QualityFailed: ErrorCode.QUALITY_FAILED,
    portal.EnhanceFailed: ErrorCode.ENHANCE_FAILED,
    document.OcrFailed: ErrorCode.OCR_FAILED,
    document.LanguageNotSupported: ErrorCode.OCR_FAILED,
    portal.OcrTimeout: ErrorCode.OCR_TIMEOUT,
    portal.SchemaFailed: ErrorCode.SCHEMA_FAILED,
    portal.ResizeFailed: ErrorCode.RESIZE_FAILED,
    portal.SizeExceeded: ErrorCode.SIZE_EXCEEDED,
    portal.SizeTooSmall: ErrorCode.SIZE_TOO_SMALL,
    portal.UploadFailed: ErrorCode.UPLOAD_FAILED,
    portal.UploadTimeout: ErrorCode.UPLOAD_TIMEOUT,
}
"""An error has the code of the nearest of its bases that is named: here, or for what its stage makes of it."""

_STORED: Kinds = dict.fromkeys(
    (
        core.BlobStoreUnavailable,
        core.BlobConflict,
        core.BlobRequestRefused,
        core.BlobNotFound,
        core.CapacityExceeded,
        portal.SealingKeyUnavailable,
    ),
    ErrorCode.UPLOAD_FAILED,
)
"""Another try may help. What we wrote and cannot be opened is nothing that anybody expected."""

IN_FETCH: Kinds = {
    **dict.fromkeys((*_STORED, portal.SealedError), ErrorCode.FETCH_FAILED),
    core.BlobStoreUnavailable: ErrorCode.FETCH_TIMEOUT,
    portal.SealingKeyUnavailable: ErrorCode.FETCH_TIMEOUT,
    core.BlobNotFound: ErrorCode.ARTIFACT_NOT_FOUND,
    portal.SealedTooLarge: ErrorCode.IMAGE_TOO_LARGE,
    portal.SealedOwnerWrong: ErrorCode.ARTIFACT_ACCESS_DENIED,
    portal.SealingKeyUnknown: ErrorCode.ARTIFACT_ACCESS_DENIED,
    portal.StoragePathInvalid: ErrorCode.ARTIFACT_SOURCE_INVALID,
}

TIMED_OUT: Mapping[Stage, ErrorCode] = {
    Stage.FETCH: ErrorCode.FETCH_TIMEOUT,
    Stage.DECODE: ErrorCode.DECODE_FAILED,
    Stage.QUALITY: ErrorCode.QUALITY_FAILED,
    Stage.ENHANCE: ErrorCode.ENHANCE_FAILED,
    Stage.OCR: ErrorCode.OCR_TIMEOUT,
    Stage.SCHEMA: ErrorCode.SCHEMA_FAILED,
    Stage.UPLOAD: ErrorCode.UPLOAD_TIMEOUT,
}
"""What a stage comes to that is not done in time."""


def code_of(error: BaseException, stage: Stage) -> ErrorCode:
    """What ``error``, raised in ``stage``, is called outside: ``INTERNAL_ERROR`` for what nobody expected."""
    if isinstance(error, portal.StageTimeout):
        return TIMED_OUT.get(stage, ErrorCode.INTERNAL_ERROR)
    kinds = {**ANYWHERE, **(IN_FETCH if stage is Stage.FETCH else _STORED)}
    return next((kinds[kind] for kind in type(error).__mro__ if kind in kinds), ErrorCode.INTERNAL_ERROR)
