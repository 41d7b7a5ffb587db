"""Where the blobs are, who signs in, and how long a call may take."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from azure.core.credentials import TokenCredential
from azure.storage.blob import BlobServiceClient, ExponentialRetry

from infrastructure.hosts import is_loopback
from infrastructure.settings import Settings, SettingsInvalid
from infrastructure.tokens import default_credential

APPLICATION_ID = "coremachine"

PIECE = 4 * 1024 * 1024
"""Bytes of one request's body, up and down: what a stream holds at a time."""


@dataclass(frozen=True, slots=True)
class CallLimits:
    """Seconds for connecting, seconds that the service may be silent, and tries after the first.

    With the defaults a request to a storage that does not answer fails after 109 s at most, one that is refused a
    connection after 9 s.
    """

    connect_seconds: float = 5.0
    silent_seconds: float = 20.0
    retries: int = 3

    def retry_policy(self) -> ExponentialRetry:
        """The one place where a request is repeated: after up to 1 s, then 1 to 3 s, then 3 to 5 s."""
        return ExponentialRetry(
            initial_backoff=0,
            increment_base=2,
            random_jitter_range=1,
            retry_total=self.retries,
            retry_connect=self.retries,
            retry_read=self.retries,
            retry_status=self.retries,
        )


def blob_service(
    settings: Settings, *, credential: TokenCredential | None = None, limits: CallLimits | None = None, **more: Any
) -> BlobServiceClient:
    """A client, to be kept for as long as the process lives; it connects with its first call.

    ``credential`` replaces Azure's own chain where the account is named by its URL. ``more`` are the SDK's.
    Raises :class:`SettingsInvalid` where no account is named, or what names it cannot be read.
    """
    bounds = limits or CallLimits()
    options: dict[str, Any] = {
        "connection_timeout": bounds.connect_seconds,
        "read_timeout": bounds.silent_seconds,
        "retry_policy": bounds.retry_policy(),
        "max_single_get_size": PIECE,
        "max_chunk_get_size": PIECE,
        "max_single_put_size": PIECE,
        "user_agent": APPLICATION_ID,
    } | more
    if settings.storage_connection_string:
        return _by_connection_string(settings.storage_connection_string, options)
    if settings.storage_account_url:
        url = _checked_url(settings.storage_account_url)
        return BlobServiceClient(url, credential=credential or default_credential(), **options)
    raise SettingsInvalid(
        "AZURE_STORAGE_CONNECTION_STRING or AZURE_STORAGE_ACCOUNT_URL: one of them has to name the storage account"
    )


def _by_connection_string(text: str, options: dict[str, Any]) -> BlobServiceClient:
    with suppress(ValueError, KeyError, AttributeError):
        service = BlobServiceClient.from_connection_string(text, **options)
        parts = urlsplit(service.url)
        if parts.hostname and (parts.scheme == "https" or is_loopback(parts.hostname)) and _signs_in(service):
            return service
    # Outside of the handler, so without context: what the SDK says of it may quote the key.
    raise SettingsInvalid(
        "AZURE_STORAGE_CONNECTION_STRING: not what the portal shows under Access keys (AccountName=…;AccountKey=…), "
        "with https for any host but this machine"
    )


def _signs_in(service: BlobServiceClient) -> bool:
    """With a key, or with a signature that is part of each URL."""
    return service.credential is not None or "sig=" in service.url


def _checked_url(url: str) -> str:
    """Raises :class:`SettingsInvalid` for what is no account's URL: a token goes to the host that it names."""
    with suppress(ValueError):
        parts = urlsplit(url)
        if parts.scheme == "https" and parts.hostname and not (parts.query or parts.fragment or "@" in parts.netloc):
            return url
    raise SettingsInvalid(
        "AZURE_STORAGE_ACCOUNT_URL: https://ACCOUNT.blob.core.windows.net, without key, signature or query"
    )
