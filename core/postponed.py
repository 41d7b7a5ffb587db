"""Messages that come again later, where the broker alone would give them back at once.

A consumer that can only complete a message, or abandon it, sends a copy that is due later and completes the message.
The broker drops a second message of an id that it has seen lately, and both rules of the copy's id come from that. It
is never that of the message itself, or the message would be lost. And two copies of one message that were put off as
often have the same times to be due at, and so the same id: where a message came to be there twice, as a wake-up that
was sent again does, one copy is left of them soon.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from zlib import crc32

from core.ids import bounded_message_id
from core.model import OutboundMessage

LONGEST_SECONDS = 64.0
"""What is waited for at most on average: a power of two, as all steps to it are."""

_SUFFIX = re.compile(r":w([0-9])-([0-9]{10})\Z")
_SUFFIX_LENGTH = len(":w0-0000000000")
_MOST_SKEW = timedelta(hours=1)
"""A copy that seems to have come earlier than this before its time has its time from elsewhere."""


def is_postponed(message_id: str) -> bool:
    return _SUFFIX.search(message_id) is not None


def postponed(
    queue: str, message_id: str, message_type: str, body: bytes, now: datetime, longest: float = LONGEST_SECONDS
) -> OutboundMessage:
    """The copy, due after a time that doubles with each from a second to ``longest``, give or take half of it.

    Different messages are due at different moments of that time, the same one at the same moment whoever puts it off.
    Duplicates have to be detected for longer than ``longest``.
    """
    found, origin = _SUFFIX.search(message_id), _origin(message_id)
    step, not_before = 0, now
    if found is not None:
        step = int(found[1]) + 1
        was_due = datetime.fromtimestamp(int(found[2]), UTC)
        not_before = max(now, was_due) if was_due - now < _MOST_SKEW else now
    step = min(step, int(math.log2(longest)))
    due = _next_moment(origin, not_before, 2**step)
    copy_id = f"{origin}:w{step}-{due:010d}"
    return OutboundMessage(queue, copy_id, message_type, body, datetime.fromtimestamp(due, UTC))


def _origin(message_id: str) -> str:
    """The id of what was put off first, as short as it has to be for every copy of it."""
    return bounded_message_id(_SUFFIX.sub("", message_id), " " * _SUFFIX_LENGTH)[:-_SUFFIX_LENGTH]


def _next_moment(origin: str, now: datetime, pause: int) -> int:
    """The first of ``origin``'s moments, which are ``pause`` apart, that is at least half of it away."""
    phase = crc32(origin.encode("utf-8", "surrogatepass")) % pause
    earliest = now.timestamp() + pause / 2
    return phase + pause * math.ceil((earliest - phase) / pause)
