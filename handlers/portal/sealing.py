"""The seam to what is stored encrypted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from handlers.portal.paths import DocumentId, MasterPath, PortalJobId, SealedPath, UserId, document_id_for


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose it is, and of which document: what is sealed for one opens for no other."""

    user_id: UserId
    document_id: DocumentId


@dataclass(frozen=True, slots=True)
class Sealed:
    """What is stored. ``size`` in bytes and ``sha256`` in lower-case hex are those of the plain bytes."""

    path: str
    size: int
    sha256: str


def owner_of_job(user_id: UserId, job_id: PortalJobId) -> Owner:
    """Of all that a job reads and writes: its user, and its one document."""
    return Owner(user_id, document_id_for(job_id))


def owner_of_path(path: SealedPath) -> Owner:
    """Who can open what is stored there."""
    if isinstance(path, MasterPath):
        return Owner(path.user_id, path.document_id)
    return owner_of_job(path.user_id, path.job_id)


class SealedStore(Protocol):
    """Encrypted objects, under the paths of :mod:`handlers.portal.paths` that end in ``.enc``. For any number of
    threads.

    Each call that takes a path raises :class:`handlers.portal.errors.StoragePathInvalid` for one that is not of that
    kind, and what :class:`core.ports.BlobStore` raises. Each that takes an owner raises
    :class:`handlers.portal.errors.SealedOwnerWrong`, before anything is read or written, where the path is not the
    owner's.
    """

    def put(self, path: str, pieces: Iterable[bytes], owner: Owner, max_bytes: int) -> Sealed:
        """Write whole, replacing what was there. No more than some pieces are held at a time.

        With nothing written, what ``pieces`` raises is passed on, and more than ``max_bytes`` of them is
        :class:`core.errors.CapacityExceeded`. Raises :class:`handlers.portal.errors.SealingKeyMissing` and
        :class:`handlers.portal.errors.SealingKeyUnavailable`.
        """
        ...

    def put_new(self, path: str, pieces: Iterable[bytes], owner: Owner, max_bytes: int) -> Sealed:
        """As :meth:`put`, and what is there stays: :class:`core.errors.BlobConflict`, as of
        :meth:`core.ports.BlobStore.put_new`.
        """
        ...

    def open(self, path: str, owner: Owner, max_bytes: int) -> AbstractContextManager[Iterator[bytes]]:
        """The plain bytes in pieces, none of them empty. Entering checks the whole object, before the first is given.

        Memory is that of some pieces; what is large waits encrypted in a file without a name. Raises, when it is
        entered, :class:`core.errors.BlobNotFound`, :class:`handlers.portal.errors.SealedFormatUnknown`,
        :class:`handlers.portal.errors.SealedDamaged`, :class:`handlers.portal.errors.SealedTooLarge` for more than
        ``max_bytes``, :class:`handlers.portal.errors.SealingKeyUnknown` and
        :class:`handlers.portal.errors.SealingKeyUnavailable`.
        """
        ...

    def read(self, path: str, owner: Owner, max_bytes: int) -> bytes:
        """The plain bytes at once, as :meth:`open` has them."""
        ...

    def verify(self, path: str, owner: Owner, max_bytes: int) -> Sealed:
        """What is stored, all of it checked, as :meth:`open` does."""
        ...

    def exists(self, path: str) -> bool:
        """Whether something is stored there; it is not looked at."""
        ...

    def delete(self, path: str) -> None:
        """What is not there is no error."""
        ...
