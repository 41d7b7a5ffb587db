"""Uploads and downloads by link, of the files of portals."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field

from handlers.portal.paths import MAX_NAME, NAME_PATTERN, UUID4_PATTERN, job_id_of, user_id_of
from infrastructure.web.answers import AnyAnswer, json_answer
from infrastructure.web.models import Reply, Request
from infrastructure.web.parts import WebParts
from infrastructure.web.query import NoQuery
from infrastructure.web.routes import Call

MAX_PATH = 512

Id = Annotated[str, Field(pattern=rf"^{UUID4_PATTERN}$", description="A version 4 UUID in lower case")]
Name = Annotated[
    str,
    Field(
        pattern=rf"^{NAME_PATTERN}$",
        description=f"1 to {MAX_NAME} of A-Z a-z 0-9 . _ - that start with neither a dot nor a hyphen",
    ),
]
Path = Annotated[str, Field(min_length=1, max_length=MAX_PATH, description="A storage path that this API gave")]

UPLOAD_HEADERS = {"x-ms-blob-type": "BlockBlob"}
"""What the storage asks for beside a link's own signature."""


class UploadRequest(Request):
    user_id: Id
    job_id: Id = Field(description="The id of the job to come, as its payload will have it")
    filename: Name


class ConfirmRequest(Request):
    user_id: Id
    raw_path: Path


class DownloadRequest(Request):
    user_id: Id
    path: Path
    filename: Name | None = Field(default=None, description="What a browser is to save the file as")


class UploadLinkReply(Reply):
    """``upload_url`` is a secret: who has it can write this one file, by PUT with ``upload_headers``, until
    ``expires_at``. ``raw_path`` is what to confirm, and then what the job's payload names.
    """

    raw_path: str
    upload_url: str
    upload_headers: dict[str, str]
    expires_at: datetime


class ConfirmedReply(Reply):
    """``size``, in bytes, and ``sha256`` are those of the file that came in, which is encrypted now."""

    raw_path: str
    size: int
    sha256: str


class DownloadLinkReply(Reply):
    """``download_url`` is a secret: who has it can read this one file, ``size`` bytes, until ``expires_at``."""

    download_url: str
    size: int
    expires_at: datetime


def begin_upload(parts: WebParts, call: Call[NoQuery, UploadRequest]) -> AnyAnswer:
    asked = call.body
    link = parts.transfers.begin_upload(user_id_of(asked.user_id), job_id_of(asked.job_id), asked.filename)
    reply = UploadLinkReply(
        raw_path=link.raw_path, upload_url=link.url, upload_headers=UPLOAD_HEADERS, expires_at=link.expires_at
    )
    return json_answer(reply, 201)


def confirm_upload(parts: WebParts, call: Call[NoQuery, ConfirmRequest]) -> AnyAnswer:
    sealed = parts.transfers.confirm_upload(user_id_of(call.body.user_id), call.body.raw_path)
    return json_answer(ConfirmedReply(raw_path=sealed.path, size=sealed.size, sha256=sealed.sha256))


def begin_download(parts: WebParts, call: Call[NoQuery, DownloadRequest]) -> AnyAnswer:
    asked = call.body
    link = parts.transfers.begin_download(user_id_of(asked.user_id), asked.path, asked.filename)
    return json_answer(DownloadLinkReply(download_url=link.url, size=link.size, expires_at=link.expires_at), 201)
