"""What can be wrong with an image for a portal, or with making it. The branch of the error tree that this package adds.

::

    InvalidInput
    +-- PayloadMissing                   there is no payload, or none that can be read
    +-- PayloadInvalid                   a payload that does not fit; names the field
    +-- ArtifactSourceInvalid            the artifact comes from both or neither of its sources, or from none of ours
    +-- StoragePathInvalid               a storage path, or a part of one, that no builder of ours would make
    +-- PortalSchemaNotFound             no schema of this name, or not this version of it
    +-- PortalSchemaDeprecated           no job begins with this version, or with any of this name
    +-- PortalSchemaConflict             the schema has another version meanwhile; the details have it
    TaskError
    +-- PortalError                      the image cannot be made as the portal wants it; trying again changes nothing
    |   +-- ArtifactNotFound               there is no document where the payload says
    |   +-- ArtifactAccessDenied           whoever has the document does not give it to this user
    |   +-- QualityFailed                  nothing is to be seen on the picture, or its quality cannot be measured
    |   +-- EnhanceFailed
    |   +-- SchemaFailed                   the picture cannot be made to meet a rule, which the details name
    |   |   +-- ResizeFailed
    |   |   +-- SizeExceeded               no encoding is small enough; the details have the nearest, in bytes
    |   |   +-- SizeTooSmall
    |   +-- SealedError                  what is stored sealed cannot be opened
    |   |   +-- SealedFormatUnknown      not a sealed object, or of a version or algorithm that is not known
    |   |   +-- SealedDamaged            not what was sealed for this owner under this path
    |   |   +-- SealedTooLarge           more bytes than the reader takes
    |   +-- UploadMissing                confirmed before anything came in, or after it was removed
    |   +-- UploadEmpty
    |   +-- SealedOwnerWrong             the path is another user's or another document's
    |   +-- SealingKeyUnknown            sealed with a key that is not configured
    |   +-- SealingKeyMissing            no key is configured to seal with
    |   +-- PackageEntryInvalid          a name that a package does not take, or takes only once
    +-- TransientTaskError
        +-- StageTimeout                 a stage took longer than it may
        |   +-- OcrTimeout, UploadTimeout
        +-- UploadFailed                 what was made is not in storage as it was written
        +-- SealingKeyUnavailable        the service that keeps the key does not answer
"""

from __future__ import annotations

from core.errors import InvalidInput, TaskError, TransientTaskError


class PayloadMissing(InvalidInput):
    code = "PAYLOAD_MISSING"


class PayloadInvalid(InvalidInput):
    code = "PAYLOAD_INVALID"


class ArtifactSourceInvalid(InvalidInput):
    code = "ARTIFACT_SOURCE_INVALID"


class StoragePathInvalid(InvalidInput, ValueError):
    """A :class:`ValueError` too, so that a validator of a model may raise it."""

    code = "STORAGE_PATH_INVALID"


class PortalSchemaNotFound(InvalidInput):
    code = "PORTAL_SCHEMA_NOT_FOUND"


class PortalSchemaDeprecated(InvalidInput):
    code = "PORTAL_SCHEMA_DEPRECATED"


class PortalSchemaConflict(InvalidInput):
    code = "PORTAL_SCHEMA_CONFLICT"


class PortalError(TaskError):
    code = "PORTAL_ERROR"


class ArtifactNotFound(PortalError):
    code = "ARTIFACT_NOT_FOUND"


class ArtifactAccessDenied(PortalError):
    code = "ARTIFACT_ACCESS_DENIED"


class QualityFailed(PortalError):
    code = "QUALITY_FAILED"


class EnhanceFailed(PortalError):
    code = "ENHANCE_FAILED"


class SchemaFailed(PortalError):
    code = "SCHEMA_FAILED"


class ResizeFailed(SchemaFailed):
    code = "RESIZE_FAILED"


class SizeExceeded(SchemaFailed):
    code = "SIZE_EXCEEDED"


class SizeTooSmall(SchemaFailed):
    code = "SIZE_TOO_SMALL"


class SealedError(PortalError):
    code = "SEALED_ERROR"


class SealedFormatUnknown(SealedError):
    code = "SEALED_FORMAT_UNKNOWN"


class SealedDamaged(SealedError):
    code = "SEALED_DAMAGED"


class SealedTooLarge(SealedError):
    code = "SEALED_TOO_LARGE"


class UploadMissing(PortalError):
    code = "UPLOAD_MISSING"


class UploadEmpty(PortalError):
    code = "UPLOAD_EMPTY"


class SealedOwnerWrong(PortalError):
    code = "SEALED_OWNER_WRONG"


class SealingKeyUnknown(PortalError):
    """``key_id`` in the details names it."""

    code = "SEALING_KEY_UNKNOWN"


class SealingKeyMissing(PortalError):
    code = "SEALING_KEY_MISSING"


class PackageEntryInvalid(PortalError):
    code = "PACKAGE_ENTRY_INVALID"


class SealingKeyUnavailable(TransientTaskError):
    code = "SEALING_KEY_UNAVAILABLE"


class StageTimeout(TransientTaskError):
    code = "STAGE_TIMEOUT"


class OcrTimeout(StageTimeout):
    code = "OCR_TIMEOUT"


class UploadTimeout(StageTimeout):
    code = "UPLOAD_TIMEOUT"


class UploadFailed(TransientTaskError):
    code = "UPLOAD_FAILED"
