"""Which service a command talks to: what is named, or else the stack that runs in this clone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from infrastructure.hosts import is_loopback
from local.client.errors import ServiceNotReached, WrongUse
from local.stack_file import read_stack_file

URL_VARIABLE, KEY_VARIABLE = "COREMACHINE_URL", "COREMACHINE_KEY"
START_HINT = "start the stack with 'python -m local up', or name a service with --url"


@dataclass(frozen=True, slots=True)
class Service:
    """``url`` is without a slash at its end; ``local`` says that this clone's stack is meant."""

    url: str
    key: str = field(default="", repr=False)
    local: bool = False


def find_service(url: str | None, key: str | None, environment: Mapping[str, str], root: Path) -> Service:
    """``--url`` goes before ``COREMACHINE_URL``, and both before ``.cache/stack.json`` under ``root``.

    A key belongs to the service that was named beside it: the stack's is never sent anywhere else. Raises
    :class:`WrongUse` for what is no address, and :class:`ServiceNotReached` where there is none.
    """
    given_key = key if key is not None else environment.get(KEY_VARIABLE, "").strip()
    named = url or environment.get(URL_VARIABLE, "").strip()
    if named:
        return Service(_checked(named, given_key), given_key)
    stack = read_stack_file(root)
    if stack is None or not stack.url:
        raise ServiceNotReached(f"no stack of this clone is running; {START_HINT}")
    return Service(stack.url.rstrip("/"), key if key is not None else stack.key, local=True)


def _checked(url: str, key: str) -> str:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise WrongUse("--url: this is not an address") from None
    if parts.scheme not in ("http", "https") or not host or "@" in parts.netloc or parts.query or parts.fragment:
        raise WrongUse("--url: http://HOST:PORT or https://HOST, without user, query or key; the key goes in --key")
    if key and parts.scheme == "http" and not is_loopback(host):
        raise WrongUse(f"--url: a key travels to {host} with TLS only; use https")
    return url.rstrip("/").removesuffix("/api")
