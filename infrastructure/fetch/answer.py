"""What an answer means that is no document."""

from __future__ import annotations

from core.errors import TaskError
from handlers.document.errors import FetchFailed, FetchRefused, SourceAccessDenied, SourceNotFound

REDIRECTS = frozenset({301, 302, 303, 307, 308})

GONE = frozenset({404, 410})
DENIED = frozenset({401, 402, 403, 407, 451})
PASSING = frozenset({408, 421, 423, 425, 429})
"""Besides 5xx, statuses after which it may be given."""


def refusal(status: int) -> TaskError:
    """For any status but 200 and :data:`REDIRECTS`."""
    if status in GONE:
        return SourceNotFound("there is no document at this URL", status=status)
    if status in DENIED:
        return SourceAccessDenied("the host does not give the document to us", status=status)
    if status >= 500 or status in PASSING:
        return FetchFailed(f"the host answered {status}", status=status)
    return FetchRefused(f"the host answered {status}", status=status)
