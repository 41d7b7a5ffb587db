"""Messages that come again later, where the broker alone would give them back at once.

A consumer that can only complete a message, or abandon it, sends a copy that is due later and completes the message.
The copy has an id of its own, since the broker drops a second message of the same id, and the id says how often the
message was put off.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from core.ids import bounded_message_id
from core.model import OutboundMessage

FIRST_SECONDS = 1.0
LONGEST_SECONDS = 60.0

_SUFFIX = re.compile(r":w([1-9][0-9]{0,6})$")


def times_postponed(message_id: str) -> int:
    found = _SUFFIX.search(message_id)
    return int(found[1]) if found else 0


def postponed(
    queue: str, message_id: str, message_type: str, body: bytes, now: datetime, jitter: float
) -> OutboundMessage:
    """The copy, due after a time that doubles with each, from half of it on by ``jitter``, which is in [0, 1).

    The same message postponed twice gives the same id, so that the broker keeps one of the copies.
    """
    times = times_postponed(message_id)
    longest = min(LONGEST_SECONDS, FIRST_SECONDS * 2.0 ** min(times, 10))
    due = now + timedelta(seconds=longest * (0.5 + jitter / 2))
    copy_id = bounded_message_id(_SUFFIX.sub("", message_id), f":w{times + 1}")
    return OutboundMessage(queue, copy_id, message_type, body, due)
