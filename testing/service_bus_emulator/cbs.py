"""Claims-based security: the node ``$cbs`` takes shared access signatures, and each allows some of a namespace.

https://docs.oasis-open.org/amqp/amqp-cbs/v1.0/amqp-cbs-v1.0.html and
https://learn.microsoft.com/azure/service-bus-messaging/service-bus-sas
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import NamedTuple
from urllib.parse import quote_plus, unquote_plus

_PREFIX = "SharedAccessSignature "
_MAX_TOKEN = 8192  # characters


class Right(Enum):
    SEND = "Send"
    LISTEN = "Listen"
    MANAGE = "Manage"


ALL_RIGHTS = frozenset(Right)


@dataclass(frozen=True, slots=True)
class AccessKey:
    """A shared access key of the namespace."""

    name: str
    key: str
    rights: frozenset[Right] = ALL_RIGHTS


class Claim(NamedTuple):
    """What somebody wants to do: any of the rights is enough. The path is in lower case."""

    path: str
    rights: tuple[Right, ...]


@dataclass(frozen=True, slots=True)
class Grant:
    """``path`` is what it allows, with all below it, in lower case; "" is the namespace."""

    path: str
    rights: frozenset[Right]
    expires_at: datetime

    def covers(self, claim: Claim) -> bool:
        return is_within(claim.path, self.path) and not self.rights.isdisjoint(claim.rights)


class TokenRefused(Exception):
    """``status`` is what the node answers in ``status-code``."""

    def __init__(self, status: int, description: str) -> None:
        super().__init__(description)
        self.status = status
        self.description = description


def path_of(address: str) -> str:
    """``sb://host/Queue/`` is ``queue``, and so is ``Queue``."""
    _, is_absolute, rest = address.partition("://")
    path = rest.partition("/")[2] if is_absolute else address
    return path.strip("/").lower()


def is_within(path: str, above: str) -> bool:
    return above in {"", path} or path.startswith(above + "/")


def check_token(token: str, audience: str, keys: Mapping[str, AccessKey], now: datetime) -> Grant:
    """What a signature allows. Raises :class:`TokenRefused`."""
    fields = _parse(token)
    resource, expiry = fields["sr"], fields["se"]
    key = keys.get(unquote_plus(fields["skn"]))
    expected = sign(resource, expiry, key.key if key is not None else "")
    if key is None or not hmac.compare_digest(expected, unquote_plus(fields["sig"]).encode()):
        raise TokenRefused(401, "InvalidSignature: The token has an invalid signature.")
    grant = Grant(path_of(audience), key.rights, _expiry(expiry))
    if now >= grant.expires_at:
        raise TokenRefused(401, "ExpiredToken: The token is expired.")
    signed = path_of(unquote_plus(resource))
    if not is_within(grant.path, signed):
        raise TokenRefused(401, f"InvalidAudience: The authorization header contains a token for {signed!r:.100}.")
    return grant


def sign(resource: str, expiry: str, key: str) -> bytes:
    """The signature, in base 64, of a resource that is escaped as it is in the token."""
    text = f"{resource}\n{expiry}".encode()
    return base64.b64encode(hmac.new(key.encode(), text, hashlib.sha256).digest())


def make_token(resource: str, expires_at: datetime, key: AccessKey) -> str:
    escaped, expiry = quote_plus(resource), str(int(expires_at.timestamp()))
    signature = quote_plus(sign(escaped, expiry, key.key))
    return f"{_PREFIX}sr={escaped}&sig={signature}&se={expiry}&skn={quote_plus(key.name)}"


def check_plain(response: bytes, keys: Mapping[str, AccessKey]) -> frozenset[Right] | None:
    """The rights of a key's name and value, as the mechanism PLAIN sends them (RFC 4616); None where they are wrong."""
    parts = response.split(b"\0")
    if len(parts) != 3:
        return None
    key = keys.get(parts[1].decode(errors="replace"))
    matches = hmac.compare_digest(parts[2], key.key.encode() if key is not None else b"")
    return key.rights if key is not None and matches else None


def _parse(token: str) -> dict[str, str]:
    """The fields, escaped as they came: the signature is over the escaped resource."""
    if not token.startswith(_PREFIX) or len(token) > _MAX_TOKEN:
        raise TokenRefused(400, "MalformedToken: The token is no shared access signature.")
    fields = dict(part.partition("=")[::2] for part in token[len(_PREFIX) :].split("&"))
    if not {"sr", "sig", "se", "skn"} <= fields.keys():
        raise TokenRefused(400, "MalformedToken: The token needs sr, sig, se and skn.")
    return fields


def _expiry(text: str) -> datetime:
    try:
        return datetime.fromtimestamp(int(text), UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise TokenRefused(400, "MalformedToken: se is no time.") from error
