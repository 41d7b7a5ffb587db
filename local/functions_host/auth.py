"""Authorization levels and keys.

Sources, in `Azure/azure-functions-host`: `AuthenticationLevelHandler` (the header ``x-functions-key`` goes before the
query's ``code``), `SecretManager` and `AuthUtility.PrincipalHasAuthLevelClaim` (the master key opens everything, a host
key every function of level ``function``, a function's key that function only), `FunctionInvocationMiddleware` (401 with
an empty body).
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

KEY_HEADER, KEY_PARAMETER = "x-functions-key", "code"


class AuthLevel(StrEnum):
    ANONYMOUS = "anonymous"
    FUNCTION = "function"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Keys:
    """Secrets; they are in no representation of this record. ``functions`` are by function name in lower case."""

    master: str | None = field(default=None, repr=False)
    host: Mapping[str, str] = field(default_factory=dict, repr=False)
    functions: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)

    def __bool__(self) -> bool:
        return bool(self.master or self.host or any(self.functions.values()))


def presented_key(headers: Mapping[str, str], query: Mapping[str, str]) -> str:
    """The key that a request carries, or an empty text. A header that is there counts even when it is empty."""
    header = headers.get(KEY_HEADER)
    if header is not None:
        return header
    return next((value for name, value in query.items() if name.lower() == KEY_PARAMETER), "")


def is_authorized(keys: Keys | None, required: AuthLevel, function: str, presented: str) -> bool:
    """Whether the call may go on. Without ``keys`` nothing is enforced, as in Core Tools without ``--enableAuth``.

    Takes the same time whatever key is wrong, and in whatever place.
    """
    if keys is None or required is AuthLevel.ANONYMOUS:
        return True
    granted = _granted(keys, function, presented)
    return granted is AuthLevel.ADMIN or granted is required


def _granted(keys: Keys, function: str, presented: str) -> AuthLevel:
    own = keys.functions.get(function.lower(), {})
    is_master = _is_one_of([keys.master or ""], presented)
    is_function = _is_one_of([*keys.host.values(), *own.values()], presented)
    if is_master:
        return AuthLevel.ADMIN
    return AuthLevel.FUNCTION if is_function else AuthLevel.ANONYMOUS


def _is_one_of(secrets: Iterable[str], presented: str) -> bool:
    found = False
    for secret in secrets:
        equal = hmac.compare_digest(secret.encode(), presented.encode("utf-8", "surrogatepass"))
        found = found or (equal and bool(secret))
    return found
