"""The files that a job made."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain

from core.blobnames import check_blob_name
from core.errors import BlobConflict
from core.ids import parse_job_id
from handlers.document.source import job_area
from infrastructure.web.answers import ASK_AGAIN, AnyAnswer, StreamedAnswer
from infrastructure.web.models import NoBody
from infrastructure.web.parts import WebParts
from infrastructure.web.query import NoQuery
from infrastructure.web.routes import Call

INERT = {"Content-Security-Policy": "sandbox; default-src 'none'", "X-Content-Type-Options": "nosniff"}
"""A browser that opens a file shows it and runs nothing of it."""

BYTES = "application/octet-stream"
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+(; ?[A-Za-z0-9-]+=[A-Za-z0-9._-]+)*")


def download(parts: WebParts, call: Call[NoQuery, NoBody]) -> AnyAnswer:
    """``name`` is the file's within the job's area, or its whole name as results have it.

    The job is asked for first, so that the blobs of nothing else can be named.
    """
    job_id = parse_job_id(call.path["job_id"])
    parts.operations.status(job_id)
    area = job_area(job_id)
    name = area + call.path.get("name", "").removeprefix(area)
    check_blob_name(name)
    length, media_type = parts.blobs.size(name), parts.blobs.content_type(name)
    return StreamedAnswer(
        _begun(parts.blobs.get_stream(name), length),
        length,
        media_type if _MEDIA_TYPE.fullmatch(media_type) else BYTES,
        {
            **ASK_AGAIN,
            "Content-Disposition": f'inline; filename="{name.rpartition("/")[2]}"',
            **INERT,
        },
    )


def _begun(pieces: Iterator[bytes], length: int) -> Iterator[bytes]:
    """The same pieces, of which the first has been read: what fails at the beginning fails before the answer."""
    first = next(pieces, b"")
    return _exactly(chain([first] if first else [], pieces), length)


def _exactly(pieces: Iterator[bytes], length: int) -> Iterator[bytes]:
    """Raises :class:`BlobConflict` where the blob was replaced, after its length was told, by one of another length."""
    for piece in pieces:
        length -= len(piece)
        if length < 0:
            break
        yield piece
    if length:
        raise BlobConflict("the file was replaced while it was sent")
