"""Objects' keys, wrapped by an RSA key that never leaves Azure Key Vault. The one module that knows its SDK.

The identity needs keys/get, keys/wrapKey and keys/unwrapKey, which the role Key Vault Crypto User has.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import urlsplit

from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError
from azure.keyvault.keys import KeyClient
from azure.keyvault.keys.crypto import CryptographyClient, KeyWrapAlgorithm

from core.ports import Clock
from handlers.portal.errors import SealedDamaged, SealingKeyUnavailable
from infrastructure.sealed.header import WrapMethod, WrappedKey
from infrastructure.sealed.keys import unknown_key
from infrastructure.settings import SettingsInvalid

T = TypeVar("T")

CURRENT_LASTS = timedelta(hours=1)
"""After which the vault is asked again for the key's latest version: it may rotate keys by itself."""

MOST_CLIENTS = 16
"""Versions of a key whose clients are kept."""

_PATH = re.compile(r"/keys/([A-Za-z0-9-]{1,127})(?:/([0-9a-f]{32}))?/?")
_VERSION = re.compile(r"[0-9a-f]{32}")

LIMITS: dict[str, Any] = {"connection_timeout": 5, "read_timeout": 20, "retry_total": 3, "retry_backoff_max": 5}
"""Of a call, in seconds and tries after the first. The one place where it is repeated."""


class KeyVaultKeys:
    """:class:`infrastructure.sealed.keys.KeyWrapper` of one key of a vault, in all its versions.

    ``url`` is the key's identifier, ``https://NAME.vault.azure.net/keys/KEY``: its latest version wraps, or with
    ``/VERSION`` that one. What an object says chooses a version and never the vault or the key. ``more`` are the SDK's
    options. Raises :class:`SettingsInvalid`.
    """

    def __init__(self, url: str, credential: TokenCredential, clock: Clock, **more: Any) -> None:
        vault, host, self._name, self._pinned = _parsed(url)
        self._prefix = f"vault:{host}/{self._name}/"
        self._keys = KeyClient(vault, credential, **(LIMITS | more))
        self._clock = clock
        self._lock = threading.Lock()
        self._latest: tuple[datetime, str] | None = None
        self._clients: dict[str, CryptographyClient] = {}

    def close(self) -> None:
        self._keys.close()

    def has(self, key_id: str) -> bool:
        return key_id.startswith(self._prefix)

    def current_id(self) -> str:
        return self._prefix + self._current_version()

    def wrap(self, object_key: bytes) -> WrappedKey:
        version = self._current_version()
        key_id = self._prefix + version
        client = self._client(version)
        done = _guarded(lambda: client.wrap_key(KeyWrapAlgorithm.rsa_oaep_256, object_key), key_id)
        return WrappedKey(key_id, WrapMethod.RSA_OAEP_256, done.encrypted_key)

    def unwrap(self, wrapped: WrappedKey) -> bytes:
        version = wrapped.key_id.removeprefix(self._prefix)
        if not self.has(wrapped.key_id) or not _VERSION.fullmatch(version):
            raise unknown_key(wrapped.key_id)
        client = self._client(version)
        return _guarded(lambda: client.unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, wrapped.data), wrapped.key_id).key

    def _current_version(self) -> str:
        if self._pinned is not None:
            return self._pinned
        with self._lock:
            now = self._clock.now()
            if self._latest is None or self._latest[0] <= now:
                key = _guarded(lambda: self._keys.get_key(self._name), self._prefix.rstrip("/"))
                self._latest = (now + CURRENT_LASTS, str(key.properties.version))
            return self._latest[1]

    def _client(self, version: str) -> CryptographyClient:
        with self._lock:
            if version not in self._clients:
                if len(self._clients) >= MOST_CLIENTS:
                    del self._clients[next(iter(self._clients))]
                self._clients[version] = self._keys.get_cryptography_client(self._name, key_version=version)
            return self._clients[version]


def _guarded(call: Callable[[], T], key_id: str) -> T:
    """What ``call`` gives. What the SDK raises holds the request, and with it a token: it is not kept as a cause."""
    try:
        return call()
    except ResourceNotFoundError:
        failure: Exception = unknown_key(key_id)
    except HttpResponseError as error:
        failure = _refused(error, key_id)
    except AzureError as error:
        failure = _away(error, key_id, None)
    except ValueError:
        failure = SealingKeyUnavailable(f"the key {key_id} is not valid yet, or not any more", key_id=key_id)
    raise failure


def _refused(error: HttpResponseError, key_id: str) -> Exception:
    if error.status_code == 400:
        return SealedDamaged("the sealed object's key is damaged: the vault does not unwrap it", key_id=key_id)
    return _away(error, key_id, error.status_code)


def _away(error: AzureError, key_id: str, status: int | None) -> SealingKeyUnavailable:
    told = {"key_id": key_id, "sdk_error": type(error).__name__, **({} if status is None else {"status": status})}
    if status in {401, 403}:
        return SealingKeyUnavailable(
            "the key vault refuses this process: give its identity the role Key Vault Crypto User, let the vault's "
            "firewall pass, and enable the key",
            **told,
        )
    return SealingKeyUnavailable("the key vault does not answer, or is busy: try again", **told)


def _parsed(url: str) -> tuple[str, str, str, str | None]:
    """The vault's address, its host, the key's name, and its version where that is set."""
    try:
        parts = urlsplit(url)
        host = parts.netloc
        path = _PATH.fullmatch(parts.path)
    except ValueError:
        path = None
        host = ""
    if path is None or "@" in host or not re.fullmatch(r"https://[A-Za-z0-9.-]+(:[0-9]+)?/[^?#]*", url):
        raise SettingsInvalid(
            "PORTAL_KEY_VAULT_KEYS: https://NAME.vault.azure.net/keys/KEY each, with /VERSION for one that stays"
        )
    return f"https://{host}", host.lower(), path[1], path[2]
