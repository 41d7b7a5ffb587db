"""Claim check: a body over the bus's limit waits in a blob, and its message carries a reference to it.

A reference is ``{"claim_check":1,"blob":NAME,"bytes":N}``, where ``NAME`` is made of validated ids alone::

    claims/JOB/RUN/DAY-ID-BODY        DAY: of sending, or when it is due; ID and BODY: digests of the message's
    claims/other/DAY-ID-BODY          of a message whose id names no run

So the same message sent twice is the same blob, another body never replaces one, and :mod:`core.claim_garbage` sees by
its name whose a blob is and how old. Nothing is deleted when a message is completed: another copy may be under way.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import NamedTuple

from core.errors import (
    BlobNotFound,
    BusUnavailable,
    ClaimLost,
    CoreMachineError,
    LockLost,
    MessageInvalid,
    MessageTooLarge,
    MessageVersionUnsupported,
    TransientError,
)
from core.ids import MAX_RUN, JobId, is_job_id
from core.model import OutboundMessage
from core.ports import BlobStore, Clock, DeadLetter, MessageBus, ReceivedMessage

_log = logging.getLogger(__name__)

FOLDER = "claims/"
VERSION = 1
MAX_BYTES = 64 * 1024 * 1024
MAX_REFERENCE = 1_024
CONTENT_TYPE = "application/octet-stream"

_MARK = b'{"claim_check":'
_RUN = re.compile(r"([0-9a-f]{64}):([1-9][0-9]{0,4}):")
_NAME = re.compile(
    r"claims/(?:(?P<job>[0-9a-f]{64})/(?P<run>[1-9][0-9]{0,4})|other)/(?P<day>[0-9]{8})-[0-9a-f]{16}-(?P<body>[0-9a-f]{64})"
)


class Claim(NamedTuple):
    """What the name of a blob says. Without a job it is of a message that names no run."""

    name: str
    job_id: JobId | None
    run: int
    day: date
    digest: str


def claim_of(name: str) -> Claim | None:
    """``None`` for what is no name of a claimed body."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    try:
        day = datetime.strptime(found["day"], "%Y%m%d").replace(tzinfo=UTC).date()
    except ValueError:
        return None
    job = found["job"]
    return Claim(name, JobId(job) if job else None, int(found["run"] or 0), day, found["body"])


def claim_in(body: bytes) -> Claim | None:
    """The claim that ``body`` refers to; ``None`` for a body that is whole.

    Raises :class:`MessageInvalid` for what begins like a reference and is none of ours, and
    :class:`MessageVersionUnsupported`.
    """
    if not body.startswith(_MARK):
        return None
    try:
        found = json.loads(body) if len(body) <= MAX_REFERENCE else None
    except (ValueError, RecursionError):
        found = None
    version = found.get("claim_check") if isinstance(found, dict) else None
    if type(version) is int and version != VERSION:
        raise MessageVersionUnsupported(f"version {version} of claim checks; this reader knows {VERSION}")
    claim = claim_of(str(found.get("blob"))) if isinstance(found, dict) and version == VERSION else None
    if claim is None:
        raise MessageInvalid("not a claim check: no name of a claimed body")
    return claim


class ClaimCheckBus:
    """A :class:`core.ports.MessageBus` in front of another one, which gets no body over ``limit`` bytes.

    Over ``max_bytes`` a body is :class:`MessageTooLarge`. ``limit`` leaves room for a message's headers, 1 KB at least.
    A message whose body is gone is dead-lettered, with reason ``CLAIM_LOST``, and not given. The bodies of dead letters
    are given as they were sent, and may be references: sent again, they are taken as such.
    """

    def __init__(self, bus: MessageBus, blobs: BlobStore, clock: Clock, limit: int, max_bytes: int = MAX_BYTES) -> None:
        if limit < MAX_REFERENCE:
            raise ValueError(f"limit: a reference takes up to {MAX_REFERENCE} bytes")
        self._bus = bus
        self._blobs = blobs
        self._clock = clock
        self._limit = limit
        self._max_bytes = max_bytes
        self._blobs_away = False

    def send(self, messages: Sequence[OutboundMessage]) -> None:
        for message in messages:
            size = len(message.body)
            if size > self._max_bytes:
                raise MessageTooLarge(f"a body of {size} bytes, at most {self._max_bytes}", size=size)
        self._bus.send([self._light(message) for message in messages])

    def receive(self, queue: str, limit: int) -> Sequence[ReceivedMessage]:
        """Takes nothing while the blobs are known to be away: each delivery counts against its message."""
        if self._blobs_away:
            self._look_for_blobs()
        whole: list[ReceivedMessage] = []
        for message in self._bus.receive(queue, limit):
            given = self._given(message)
            if given is not None:
                whole.append(given)
        if self._blobs_away and not whole:
            raise BusUnavailable("the blob storage that holds the bodies of messages is away")
        return whole

    def complete(self, message: ReceivedMessage) -> None:
        self._bus.complete(message)

    def abandon(self, message: ReceivedMessage) -> None:
        self._bus.abandon(message)

    def dead_letter(self, message: ReceivedMessage, reason: str, description: str) -> None:
        self._bus.dead_letter(message, reason, description)

    def renew_lock(self, message: ReceivedMessage) -> ReceivedMessage:
        return self._bus.renew_lock(message)

    def dead_letters(self, queue: str, limit: int) -> Sequence[DeadLetter]:
        return self._bus.dead_letters(queue, limit)

    def resolve(self, body: bytes) -> bytes:
        """The whole of a body that was received past this bus.

        Raises :class:`ClaimLost`, :class:`MessageInvalid`, :class:`MessageVersionUnsupported`, and
        :class:`TransientError` where the blobs are away.
        """
        claim = claim_in(body)
        if claim is None:
            return body
        try:
            data = self._blobs.get(claim.name)
        except BlobNotFound as error:
            raise ClaimLost("the body that the message refers to is gone", blob=claim.name) from error
        if hashlib.sha256(data).hexdigest() != claim.digest:
            raise ClaimLost("the body that the message refers to is another one", blob=claim.name)
        return data

    # --- sending ---

    def _light(self, message: OutboundMessage) -> OutboundMessage:
        """The message, or one with a reference in place of its body."""
        if len(message.body) <= self._limit and not _is_mistakable(message.body):
            return message
        name = claim_name(message, self._clock.now())
        try:
            self._blobs.put(name, message.body, CONTENT_TYPE)
        except TransientError as error:
            raise BusUnavailable("the blob storage that takes the bodies of messages is away") from error
        reference = {"claim_check": VERSION, "blob": name, "bytes": len(message.body)}
        return message._replace(body=json.dumps(reference, separators=(",", ":")).encode())

    # --- receiving ---

    def _look_for_blobs(self) -> None:
        try:
            self._blobs.size(f"{FOLDER}probe")
        except BlobNotFound:
            pass
        except TransientError as error:
            raise BusUnavailable("the blob storage that holds the bodies of messages is away") from error
        self._blobs_away = False

    def _given(self, message: ReceivedMessage) -> ReceivedMessage | None:
        """The message with its whole body; ``None`` where it was settled instead."""
        try:
            return message._replace(body=self.resolve(message.body))
        except TransientError as error:
            self._blobs_away = True
            self._settle_instead(message, error)
        except CoreMachineError as error:
            self._settle_instead(message, error)
        return None

    def _settle_instead(self, message: ReceivedMessage, error: CoreMachineError) -> None:
        extra = {"queue": message.queue, "message_id": message.message_id, "code": error.code}
        try:
            if isinstance(error, TransientError):
                self._bus.abandon(message)
                _log.warning("claim_not_read", extra=extra)
            else:
                self._bus.dead_letter(message, error.code, error.message)
                _log.error("claim_dead_lettered", extra=extra)
        except (LockLost, TransientError) as failed:
            _log.warning("message_not_settled", extra=extra | {"code": failed.code})


def claim_name(message: OutboundMessage, now: datetime) -> str:
    """The name of the blob for a message's body."""
    owner = _RUN.match(message.message_id)
    day = max(now, message.not_before) if message.not_before is not None else now
    known = owner is not None and is_job_id(owner[1]) and int(owner[2]) <= MAX_RUN
    folder = f"{owner[1]}/{owner[2]}" if owner is not None and known else "other"
    id_digest = hashlib.sha256(message.message_id.encode(errors="surrogatepass")).hexdigest()[:16]
    body_digest = hashlib.sha256(message.body).hexdigest()
    return f"{FOLDER}{folder}/{day.astimezone(UTC):%Y%m%d}-{id_digest}-{body_digest}"


def _is_mistakable(body: bytes) -> bool:
    """Whether a body that is no reference would be taken for one."""
    try:
        claim_in(body)
    except CoreMachineError:
        return True
    return False
