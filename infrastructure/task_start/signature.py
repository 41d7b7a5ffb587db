"""Signatures of the calls between functions, worker and who is called back: HMAC-SHA256, with the time.

What is signed is, a line each: the purpose, the time, the method, the path with its query, and the SHA-256 of the body.
A call that is sent a second time within its time is the same task attempt a second time, which changes nothing; so
nothing is remembered of calls.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from infrastructure.settings import SHORTEST_KEY, Settings, SettingsInvalid
from infrastructure.task_start.errors import (
    SignatureExpired,
    SignatureMalformed,
    SignatureMissing,
    SignatureWrong,
)

VERSION = "v1"
TIMESTAMP_HEADER = "X-CoreMachine-Timestamp"
"""Seconds since 1970, UTC, in decimal digits."""
SIGNATURE_HEADER = "X-CoreMachine-Signature"
"""``v1=`` and 64 lower-case hexadecimal digits."""

CALLBACK = "v1-callback"
"""The purpose of a call back, and what its key is made of; that of a call that starts a task is the version."""

MAX_SKEW_SECONDS = 300

_TIMESTAMP = re.compile(r"[1-9][0-9]{0,11}")
_SIGNATURE = re.compile(VERSION + r"=([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """The first signs, any is accepted: a new key is added behind, moved to the front, and the old one taken away."""

    keys: tuple[str, ...] = field(repr=False)
    purpose: str = VERSION

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Raises :class:`SettingsInvalid` where there is none, or one that can be guessed."""
        keys = settings.trigger_keys
        if not keys or any(len(key) < SHORTEST_KEY for key in keys):
            raise SettingsInvalid(f"DOCKER_TRIGGER_KEYS: at least one key, each of {SHORTEST_KEY} characters or more")
        return cls(keys)

    def for_callbacks(self) -> Self:
        """Keys that are made of these, for those who are called back: who has one of them can start nothing."""
        return type(self)(tuple(_mac(key, CALLBACK) for key in self.keys), CALLBACK)

    def sign(self, method: str, target: str, body: bytes, now: datetime) -> dict[str, str]:
        """The headers for a call. ``target`` is the path with its query, as it is sent."""
        timestamp = str(int(now.timestamp()))
        digest = _digest(self.keys[0], self.purpose, timestamp, method, target, body)
        return {TIMESTAMP_HEADER: timestamp, SIGNATURE_HEADER: f"{VERSION}={digest}"}

    def check_headers(self, headers: Mapping[str, Sequence[str]], now: datetime) -> tuple[str, str]:
        """Time and digest, as far as they can be looked at without the body; raises as :meth:`check`."""
        timestamp = _only(headers, TIMESTAMP_HEADER)
        found = _SIGNATURE.fullmatch(_only(headers, SIGNATURE_HEADER))
        if found is None or _TIMESTAMP.fullmatch(timestamp) is None:
            raise SignatureMalformed(f"{TIMESTAMP_HEADER}: seconds; {SIGNATURE_HEADER}: {VERSION}=64 hex digits")
        if abs(now.timestamp() - int(timestamp)) > MAX_SKEW_SECONDS:
            raise SignatureExpired(f"signed more than {MAX_SKEW_SECONDS} seconds from now")
        return timestamp, found[1]

    def check(self, method: str, target: str, body: bytes, headers: Mapping[str, Sequence[str]], now: datetime) -> None:
        """Raises :class:`infrastructure.task_start.errors.SignatureRefused`. ``headers``: each value, by lower-case
        name; one that is there twice is refused.
        """
        timestamp, signature = self.check_headers(headers, now)
        digests = [_digest(key, self.purpose, timestamp, method, target, body) for key in self.keys]
        matches = [hmac.compare_digest(digest, signature) for digest in digests]
        if not any(matches):
            raise SignatureWrong("the signature is not that of this call")


def _only(headers: Mapping[str, Sequence[str]], name: str) -> str:
    values = headers.get(name.lower(), ())
    if not values:
        raise SignatureMissing(f"the call has no {name}")
    if len(values) > 1:
        raise SignatureMalformed(f"the call has {name} twice")
    return values[0]


def _digest(key: str, purpose: str, timestamp: str, method: str, target: str, body: bytes) -> str:
    return _mac(key, "\n".join((purpose, timestamp, method.upper(), target, hashlib.sha256(body).hexdigest())))


def _mac(key: str, text: str) -> str:
    return hmac.new(key.encode("utf-8", "surrogateescape"), text.encode(), hashlib.sha256).hexdigest()
