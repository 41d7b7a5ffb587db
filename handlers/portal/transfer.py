"""Uploads and downloads by link: plain files on their way in and out, for as long as a link lasts.

An upload goes to an incoming path, which no job reads. Confirming it seals it under the raw path and removes what came
in, in that order: killed in between, the same call again finds what is sealed. A download is a copy of what was sealed,
under an outgoing path.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from core.errors import BlobConflict, BlobNotFound
from core.ports import BlobStore, Clock
from handlers.document.errors import DocumentTooLarge
from handlers.portal.errors import SealedOwnerWrong, StoragePathInvalid, UploadEmpty, UploadMissing
from handlers.portal.paths import (
    IncomingPath,
    OutgoingPath,
    PlainPath,
    PortalJobId,
    RawPath,
    UserId,
    area,
    build,
    check_name,
    check_path,
    check_raw_path,
    check_sealed_path,
    file_name,
    incoming_of,
    outgoing_of,
)
from handlers.portal.sealing import Sealed, SealedStore, owner_of_path

_log = logging.getLogger(__name__)

PLAIN_TYPE = "application/octet-stream"

CONFIRM_WITHIN = timedelta(days=1)
"""After the end of its link an upload that nobody confirmed is removed."""

COPY_OUTLIVES = timedelta(minutes=1)
"""After the end of its link a copy is removed, so that a download that began in time may end."""


class Links(Protocol):
    """Signs links to one blob each, with no right but the one that it is for. For any number of threads.

    Each raises :class:`core.errors.BlobNameInvalid`, :class:`core.errors.BlobStoreMisconfigured` where there is nothing
    to sign with, and :class:`core.errors.BlobStoreUnavailable`. A URL is a secret.
    """

    def write_url(self, name: str, seconds: float) -> str:
        """To create the blob, or write it, for ``seconds`` from now."""
        ...

    def read_url(self, name: str, seconds: float, filename: str | None = None) -> str:
        """To read it, whether it is there or not; a browser saves it as ``filename``."""
        ...


@dataclass(frozen=True, slots=True)
class UploadLink:
    raw_path: str
    url: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class DownloadLink:
    """``size`` is that of what the link leads to, in bytes."""

    url: str
    expires_at: datetime
    size: int


class Transfers:
    """``link_seconds`` is how long each link lasts, ``max_bytes`` the largest file. For any number of threads."""

    def __init__(
        self,
        blobs: BlobStore,
        sealed: SealedStore,
        links: Links,
        clock: Clock,
        link_seconds: float = 900.0,
        max_bytes: int = 64 * 1024 * 1024,
    ) -> None:
        self._blobs = blobs
        self._sealed = sealed
        self._links = links
        self._clock = clock
        self._lasts = timedelta(seconds=link_seconds)
        self._max_bytes = max_bytes

    def begin_upload(self, user_id: UserId, job_id: PortalJobId, name: str) -> UploadLink:
        """Raises :class:`StoragePathInvalid`, and what :class:`Links` does."""
        now = self._clock.now()
        raw = RawPath(user_id, job_id, _milliseconds(now), name)
        url = self._links.write_url(build(incoming_of(raw)), self._lasts.total_seconds())
        return UploadLink(build(raw), url, now + self._lasts)

    def confirm_upload(self, user_id: UserId, raw_path: str) -> Sealed:
        """What came in, sealed; the same again for whoever asks again.

        Raises :class:`StoragePathInvalid`, :class:`SealedOwnerWrong`, :class:`UploadMissing`, :class:`UploadEmpty`,
        :class:`handlers.document.errors.DocumentTooLarge`, and what :class:`SealedStore` does.
        """
        raw = check_raw_path(raw_path)
        _check_user(raw.user_id, user_id)
        incoming = build(incoming_of(raw))
        found = self._found(raw_path, raw) or self._seal(raw_path, raw, incoming)
        self._blobs.delete(incoming)
        return found

    def begin_download(self, user_id: UserId, path: str, name: str | None = None) -> DownloadLink:
        """``name`` is what the file is to be saved as, one that :func:`handlers.portal.paths.check_name` takes.

        Raises :class:`StoragePathInvalid`, :class:`SealedOwnerWrong`, what :meth:`SealedStore.open` does, and what
        :class:`Links` does.
        """
        sealed = check_sealed_path(path)
        _check_user(sealed.user_id, user_id)
        owner = owner_of_path(sealed)
        saved_as = file_name(sealed) if name is None else check_name(name)
        expires_at = self._clock.now() + self._lasts
        copy = build(outgoing_of(sealed, owner.document_id, _milliseconds(expires_at)))
        with self._sealed.open(path, owner, self._max_bytes) as pieces:
            size = self._blobs.put_stream(copy, pieces, PLAIN_TYPE, self._max_bytes)
        url = self._links.read_url(copy, self._lasts.total_seconds(), saved_as)
        return DownloadLink(url, expires_at, size)

    def sweep(self) -> int:
        """Remove uploads that nobody confirmed in time, and copies whose links have ended; how many."""
        now = self._clock.now()
        removed = self._swept(IncomingPath, lambda at: at + self._lasts + CONFIRM_WITHIN < now)
        removed += self._swept(OutgoingPath, lambda at: at + COPY_OUTLIVES < now)
        if removed:
            _log.info("transfers_swept", extra={"removed": removed})
        return removed

    def _found(self, raw_path: str, raw: RawPath) -> Sealed | None:
        if not self._sealed.exists(raw_path):
            return None
        return self._sealed.verify(raw_path, owner_of_path(raw), self._max_bytes)

    def _seal(self, raw_path: str, raw: RawPath, incoming: str) -> Sealed:
        try:
            self._check_size(self._blobs.size(incoming))
            pieces = self._blobs.get_stream(incoming)
            return self._sealed.put_new(raw_path, pieces, owner_of_path(raw), self._max_bytes)
        except BlobConflict:
            found = self._found(raw_path, raw)
            if found is None:  # it was what came in that changed
                raise
        except BlobNotFound:
            found = self._found(raw_path, raw)
        if found is None:
            raise UploadMissing("nothing has been uploaded there, or too long ago")
        return found

    def _check_size(self, size: int) -> None:
        if size == 0:
            raise UploadEmpty("the upload has no bytes")
        if size > self._max_bytes:
            raise DocumentTooLarge(
                f"the upload has {size} bytes, over the limit of {self._max_bytes}", limit=self._max_bytes
            )

    def _swept(self, kind: type[PlainPath], is_over: Callable[[datetime], bool]) -> int:
        removed = 0
        for name in self._blobs.names(area(kind)):
            try:
                found = check_path(name)
            except StoragePathInvalid:
                continue
            if isinstance(found, kind) and is_over(datetime.fromtimestamp(found.milliseconds / 1_000, UTC)):
                self._blobs.delete(name)
                removed += 1
        return removed


def _check_user(owner: UserId, user_id: UserId) -> None:
    if owner != user_id:
        raise SealedOwnerWrong("the path is another user's, or of another document")


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000)
