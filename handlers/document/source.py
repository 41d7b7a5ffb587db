"""Where documents come from, and what of it is allowed."""

from __future__ import annotations

import base64
import binascii
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, assert_never

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
)

from core.errors import BlobNotFound
from core.ids import JobId
from core.ports import BlobStore
from handlers.document.errors import DocumentTooLarge, FetchNotAllowed, SourceNotAllowed, SourceNotFound
from handlers.document.fetching import Fetcher

OWN_AREA = "documents/"
"""The part of the blob store where the pipeline keeps what it makes, a folder a job."""

UPLOADS = "uploads/"
"""The part of the blob store where documents wait that were uploaded before their job was there."""

_CLOSED = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class ContentSource(BaseModel):
    """The document itself, as standard base64 with padding."""

    model_config = _CLOSED

    content_base64: str = Field(min_length=1)

    @field_validator("content_base64")
    @classmethod
    def _decodes(cls, text: str) -> str:
        _decode(text)
        return text


class BlobSource(BaseModel):
    """The name of a blob."""

    model_config = _CLOSED

    blob: str = Field(min_length=1, max_length=512)


class PathSource(BaseModel):
    """A file under one of the allowed roots; a relative path starts at the first."""

    model_config = _CLOSED

    path: str = Field(min_length=1, max_length=4_096)


class UrlSource(BaseModel):
    """An address of one of the hosts that documents are fetched from. It may hold a signature, and is shown nowhere."""

    model_config = _CLOSED

    url: str = Field(min_length=1, max_length=2_048, repr=False)


_KINDS: dict[str, type[BaseModel]] = {
    "content_base64": ContentSource,
    "blob": BlobSource,
    "path": PathSource,
    "url": UrlSource,
}


def _kind(value: Any) -> str | None:
    """The one key of a mapping, or the kind of a model; ``None`` where it is not exactly one known key."""
    if isinstance(value, dict):
        keys = list(value)
        return keys[0] if len(keys) == 1 and keys[0] in _KINDS else None
    return next((name for name, model in _KINDS.items() if isinstance(value, model)), None)


def _of_its_kind(value: Any, union: ValidatorFunctionWrapHandler) -> Any:
    """The union's tag, which no client wrote, would be in the place of each error."""
    kind = _kind(value)
    return union(value) if kind is None else _KINDS[kind].model_validate(value)


Source = Annotated[
    Annotated[ContentSource, Tag("content_base64")]
    | Annotated[BlobSource, Tag("blob")]
    | Annotated[PathSource, Tag("path")]
    | Annotated[UrlSource, Tag("url")],
    Discriminator(
        _kind,
        custom_error_type="source_kind",
        custom_error_message="source must be an object with exactly one of content_base64, blob, path and url",
    ),
    WrapValidator(_of_its_kind),
]


class SourceReader:
    """Reads sources within ``max_bytes``; paths only under ``roots``, which are resolved once, here; URLs through
    ``fetcher``, within ``fetch_seconds``.
    """

    def __init__(
        self,
        roots: Sequence[Path] = (),
        max_bytes: int = 64 * 1024 * 1024,
        fetcher: Fetcher | None = None,
        fetch_seconds: float = 60.0,
    ) -> None:
        self._roots = tuple(root.resolve() for root in roots)
        self._max_bytes = max_bytes
        self._fetcher = fetcher
        self._fetch_seconds = fetch_seconds

    def read(
        self, source: Source, blobs: BlobStore, job_id: JobId, should_stop: Callable[[], bool] = lambda: False
    ) -> bytes:
        """The document's bytes, for the job ``job_id``. ``should_stop`` is asked while a document is fetched.

        Raises :class:`SourceNotAllowed`, :class:`SourceNotFound`, :class:`DocumentTooLarge` before more than
        the limit is in memory, what the blob store raises, and what :class:`Fetcher` does.
        """
        match source:
            case ContentSource(content_base64=text):
                self._check_size(len(text) // 4 * 3 - text[-2:].count("="))
                return _decode(text)
            case BlobSource(blob=name):
                return self._read_blob(name, blobs, job_id)
            case PathSource(path=path):
                return self._read_file(self._allowed(path))
            case UrlSource(url=url):
                return self._fetch(url, should_stop)
            case _:
                assert_never(source)

    def _read_blob(self, name: str, blobs: BlobStore, job_id: JobId) -> bytes:
        if name.startswith(OWN_AREA) and not name.startswith(job_area(job_id)):
            raise SourceNotAllowed(f"blobs under {OWN_AREA} belong to the job that made them")
        try:
            self._check_size(blobs.size(name))
            return blobs.get(name)
        except BlobNotFound as error:
            raise SourceNotFound("there is no such blob") from error

    def _fetch(self, url: str, should_stop: Callable[[], bool]) -> bytes:
        if self._fetcher is None:
            raise FetchNotAllowed(
                "documents are fetched from no host; the setting DOCUMENT_FETCH_HOSTS lists those that may be"
            )
        return self._fetcher.fetch(url, self._max_bytes, self._fetch_seconds, should_stop)

    def _allowed(self, path: str) -> Path:
        """The real path behind ``path``, symbolic links followed. Nothing outside the roots is looked at twice."""
        if not self._roots:
            raise SourceNotAllowed("no folder is allowed for documents by path")
        try:
            real = (self._roots[0] / path).resolve()
        except (OSError, RuntimeError, ValueError) as error:
            raise SourceNotFound("there is no such file") from error
        if not any(real.is_relative_to(root) for root in self._roots):
            raise SourceNotAllowed("the path is outside the folders that are allowed")
        return real

    def _read_file(self, path: Path) -> bytes:
        # Opening a FIFO would wait for its writer; the last part of a resolved path is no link unless it was swapped.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        try:
            descriptor = os.open(path, flags)
        except PermissionError as error:
            raise SourceNotAllowed("the file cannot be opened for reading") from error
        except OSError as error:
            raise SourceNotFound("there is no such file") from error
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise SourceNotAllowed("the path is not a regular file")
            self._check_size(status.st_size)
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                data = file.read(self._max_bytes + 1)
        finally:
            os.close(descriptor)
        self._check_size(len(data))
        return data

    def _check_size(self, size: int) -> None:
        if size > self._max_bytes:
            raise DocumentTooLarge(
                f"the document has {size} bytes or more, over the limit of {self._max_bytes}", limit=self._max_bytes
            )


def job_area(job_id: JobId) -> str:
    """The prefix of all blobs that the pipeline makes for a job."""
    return f"{OWN_AREA}{job_id}/"


def uploaded_source(sha256: str) -> BlobSource:
    """Where a document that was uploaded is: a name of its content, outside any job's area, so that the same document
    again is the same job.
    """
    return BlobSource(blob=f"{UPLOADS}{sha256}")


def stored_source(source: Source, job_id: JobId) -> BlobSource:
    """Where later stages find the document: a blob stays where it is, anything else is copied to the job's area."""
    return source if isinstance(source, BlobSource) else BlobSource(blob=f"{job_area(job_id)}source")


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("not base64") from error
