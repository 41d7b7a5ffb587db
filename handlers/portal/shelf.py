"""What a job keeps in storage on its way, so that whoever goes on after it has died begins where it was."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from core.errors import BlobConflict, BlobNotFound
from handlers.portal.envelope import Envelope
from handlers.portal.errors import SealedError, UploadFailed
from handlers.portal.paths import derived_path, document_id_for, master_path, output_path, raw_path
from handlers.portal.sealing import Sealed, SealedStore, owner_of_job

PIECE = 1024 * 1024


class Shelf:
    """The sealed objects of one job. ``milliseconds`` is in all their names, so that each attempt makes the same.

    What is there already as it would be written is not written again, also not by another attempt that goes on for
    nobody at the same time. What is damaged is replaced.
    """

    def __init__(self, store: SealedStore, envelope: Envelope, milliseconds: int, max_bytes: int) -> None:
        self._store = store
        self._envelope = envelope
        self._milliseconds = milliseconds
        self._max_bytes = max_bytes
        self._owner = owner_of_job(envelope.user, envelope.job)

    @property
    def document_id(self) -> str:
        return document_id_for(self._envelope.job)

    @property
    def milliseconds(self) -> int:
        return self._milliseconds

    def raw_path(self, name: str) -> str:
        return raw_path(self._envelope.user, self._envelope.job, self._milliseconds, name)

    def derived_path(self, name: str) -> str:
        return derived_path(self._envelope.user, self._envelope.job, self._milliseconds, name)

    @property
    def master_path(self) -> str:
        return master_path(self._envelope.user, document_id_for(self._envelope.job))

    @property
    def package_path(self) -> str:
        return output_path(self._envelope.user, self._envelope.job, self._milliseconds)

    def read(self, path: str) -> bytes:
        """Raises as :meth:`handlers.portal.sealing.SealedStore.read`."""
        return self._store.read(path, self._owner, self._max_bytes)

    def put(self, path: str, data: bytes) -> Sealed:
        """Raises :class:`handlers.portal.errors.UploadFailed` where it is not there as it was written."""
        wanted = Sealed(path, len(data), hashlib.sha256(data).hexdigest())
        if not self._store.exists(path):
            self._put_new(wanted, data)
        elif not self.holds(wanted):
            self._store.put(path, pieces_of(data), self._owner, self._max_bytes)
        return wanted

    def _put_new(self, wanted: Sealed, data: bytes) -> None:
        try:
            self._store.put_new(wanted.path, pieces_of(data), self._owner, self._max_bytes)
        except BlobConflict:
            self.check(wanted)

    def holds(self, sealed: Sealed) -> bool:
        """Whether what is stored is ``sealed``, all of it looked at."""
        try:
            return self._store.verify(sealed.path, self._owner, self._max_bytes) == sealed
        except (BlobNotFound, SealedError):
            return False

    def check(self, sealed: Sealed) -> None:
        """Raises :class:`handlers.portal.errors.UploadFailed` where what is stored is not ``sealed``."""
        if not self.holds(sealed):
            raise UploadFailed("what was written is not in storage as it was written")

    def delete(self, path: str) -> None:
        self._store.delete(path)


def pieces_of(data: bytes) -> Iterable[bytes]:
    return (data[start : start + PIECE] for start in range(0, len(data), PIECE))
