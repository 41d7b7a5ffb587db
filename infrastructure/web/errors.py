"""What can be wrong with a call, and with taking it. The branch of the error tree that the API adds.

::

    InvalidInput
    +-- InvalidQuery                     a query parameter that is unknown, repeated or wrong
    +-- InvalidHeader                    a header whose value cannot be
    +-- MalformedJson                    the body is not JSON, or JSON that readers disagree on
    +-- MalformedMultipart               the body is not multipart, or has not exactly one part named file
    +-- BodyTooLarge                     more bytes than a call may have
    +-- EmptyDocument
    +-- UnsupportedMediaType             a content type that the route does not take
    +-- UploadStalled                    the client sent too little for too long
    +-- ClientGone                       the client went away before it had sent all; nobody reads the answer
    TransientError
    +-- ServerBusy                       every thread is taken; nothing was begun
    +-- UploadsBusy                      every place for an upload is taken
    +-- SpoolUnavailable                 no room, or no right, to keep a document while it arrives
    +-- NotReady                         a readiness check failed
    +-- CheckTimeout                     a readiness check did not end in its time
"""

from __future__ import annotations

from core.errors import InvalidInput, TransientError


class InvalidQuery(InvalidInput):
    code = "INVALID_QUERY"


class InvalidHeader(InvalidInput):
    code = "INVALID_HEADER"


class MalformedJson(InvalidInput):
    code = "MALFORMED_JSON"


class MalformedMultipart(InvalidInput):
    code = "MALFORMED_MULTIPART"


class BodyTooLarge(InvalidInput):
    code = "BODY_TOO_LARGE"


class EmptyDocument(InvalidInput):
    code = "EMPTY_DOCUMENT"


class UnsupportedMediaType(InvalidInput):
    code = "UNSUPPORTED_MEDIA_TYPE"


class UploadStalled(InvalidInput):
    code = "UPLOAD_STALLED"


class ClientGone(InvalidInput):
    code = "CLIENT_GONE"


class ServerBusy(TransientError):
    code = "SERVER_BUSY"


class UploadsBusy(TransientError):
    code = "UPLOADS_BUSY"


class SpoolUnavailable(TransientError):
    code = "SPOOL_UNAVAILABLE"


class NotReady(TransientError):
    code = "NOT_READY"


class CheckTimeout(TransientError):
    code = "CHECK_TIMEOUT"
