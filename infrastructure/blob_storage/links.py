"""Links that let whoever has one read or write one blob for a while: shared access signatures."""

from __future__ import annotations

import re
import threading
from datetime import datetime, timedelta

from azure.core.credentials import TokenCredential
from azure.storage.blob import BlobSasPermissions, BlobServiceClient, UserDelegationKey, generate_blob_sas

from core.blobnames import check_blob_name
from core.errors import BlobStoreMisconfigured
from core.ports import Clock
from infrastructure.blob_storage.errors import guarded
from infrastructure.blob_storage.store import make_container

LONGEST = timedelta(hours=24)
"""Of a link. The service takes up to seven days with a user delegation key."""

KEY_LASTS = timedelta(hours=48)
"""How long a user delegation key is asked for; it is used for as long as it outlives the link."""

SKEW = timedelta(minutes=15)
"""Clocks differ: a key or link that began now might not have begun for the service (the SAS best practices say so)."""

_FILENAME = re.compile(r"[A-Za-z0-9._-]{1,200}")


class BlobLinks:
    """Signs with the account's key, or, where an identity signs in, with a key that Azure gives to that identity.

    The identity needs the role Storage Blob Delegator besides. May be used by several threads.
    """

    def __init__(self, service: BlobServiceClient, container: str, clock: Clock) -> None:
        self._service = service
        self._container = container
        self._clock = clock
        self._lock = threading.Lock()
        self._delegated: tuple[datetime, UserDelegationKey] | None = None
        self._has_container = False

    def read_url(self, name: str, seconds: float, filename: str | None = None) -> str:
        """A URL to read the blob for ``seconds`` from now, at most a day, whether it is there or not. It is a secret.

        A browser saves it as ``filename``, of ``A-Za-z0-9 . _ -``, and shows it where there is none. Raises
        :class:`BlobNameInvalid`, ValueError for a time or a file name that cannot be, :class:`BlobStoreMisconfigured`
        where there is nothing to sign with, and :class:`BlobStoreUnavailable`.
        """
        if filename is not None and not _FILENAME.fullmatch(filename):
            raise ValueError(f"a file is saved under a name of A-Z a-z 0-9 . _ -: {filename[:80]!r}")
        disposition = None if filename is None else f'attachment; filename="{filename}"'
        return self._url(name, seconds, BlobSasPermissions(read=True), disposition)

    def write_url(self, name: str, seconds: float) -> str:
        """A URL to create the blob, or write it anew, for ``seconds`` from now, and to do nothing else; as
        :meth:`read_url`. The request has to say ``x-ms-blob-type: BlockBlob``.

        Whoever has it cannot make the container, which is made here where no link was asked for before.
        """
        if not self._has_container:
            guarded(lambda: make_container(self._service.get_container_client(self._container)))
            self._has_container = True
        return self._url(name, seconds, BlobSasPermissions(create=True, write=True))

    def _url(self, name: str, seconds: float, permission: BlobSasPermissions, disposition: str | None = None) -> str:
        check_blob_name(name)
        lasts = timedelta(seconds=seconds)
        if not timedelta(0) < lasts <= LONGEST:
            raise ValueError(f"a link lasts up to {LONGEST.total_seconds():.0f} seconds: {seconds}")
        signed = self._signed(name, lasts, permission, disposition)
        return f"{self._service.get_blob_client(self._container, name).url}?{signed}"

    def _signed(self, name: str, lasts: timedelta, permission: BlobSasPermissions, disposition: str | None) -> str:
        now = self._clock.now()
        key = getattr(self._service.credential, "account_key", None)
        secure = self._service.url.startswith("https:")
        return generate_blob_sas(
            account_name=str(self._service.account_name),
            container_name=self._container,
            blob_name=name,
            account_key=key,
            user_delegation_key=None if key else self._delegation_key(now, now + lasts),
            permission=permission,
            start=now - SKEW,
            expiry=now + lasts,
            protocol="https" if secure else "https,http",
            content_disposition=disposition,
        )

    def _delegation_key(self, now: datetime, until: datetime) -> UserDelegationKey:
        """The one that was given last, or a new one where that ends before ``until``."""
        if not isinstance(self._service.credential, TokenCredential):
            raise BlobStoreMisconfigured("no link can be signed: the account's key or an identity is needed for it")
        with self._lock:
            if self._delegated is None or self._delegated[0] < until:
                expiry = now + KEY_LASTS
                key = guarded(lambda: self._service.get_user_delegation_key(now - SKEW, expiry))
                self._delegated = (expiry, key)
            return self._delegated[1]
