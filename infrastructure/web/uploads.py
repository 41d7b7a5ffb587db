"""A document comes in: kept while it arrives, then as a blob that is named for its content, and its job submitted."""

from __future__ import annotations

import re
from contextlib import aclosing
from functools import partial

from starlette.datastructures import Headers

from core.errors import BlobConflict, BlobNotFound
from core.ports import BlobStore
from handlers.document.errors import DocumentTooLarge, UnsupportedFormat
from handlers.document.job import OcrDocumentJob
from handlers.document.password import MAX_PASSWORD
from handlers.document.source import uploaded_source
from infrastructure.web.answers import AnyAnswer
from infrastructure.web.body import declared_length
from infrastructure.web.errors import EmptyDocument, InvalidHeader, UploadsBusy
from infrastructure.web.jobs import idempotency_key, submitted_answer
from infrastructure.web.models import NoBody
from infrastructure.web.multipart import OVERHEAD_BYTES, FilePart
from infrastructure.web.parts import WebParts
from infrastructure.web.query import DocumentQuery
from infrastructure.web.routes import Call, Service
from infrastructure.web.spool import Spool, too_large

MULTIPART = "multipart/form-data"

PASSWORD = "X-Document-Password"  # noqa: S105 - the header's name
_PASSWORD = re.compile(rf"[ -~]{{1,{MAX_PASSWORD}}}")

UploadCall = Call[DocumentQuery, NoBody]


async def upload(service: Service, call: UploadCall) -> AnyAnswer:
    """What can be refused without the body is refused before it is read."""
    parts = await service.parts()
    parts.machine.jobs.find(OcrDocumentJob.job_type)
    key, password = idempotency_key(call.headers), document_password(call.headers)
    if not service.upload_place(parts.settings.document_max_uploads):
        raise UploadsBusy("every place for an upload is taken; try again")
    spool = Spool(parts.settings.document_max_bytes)
    try:
        await _receive(service, call, spool, parts.settings.document_max_bytes)
        return await service.threads.run(lambda: _submit(parts, call, spool, key, password))
    finally:
        service.leave_upload_place()
        spool.close()


async def _receive(service: Service, call: UploadCall, spool: Spool, limit: int) -> None:
    """Raises :class:`DocumentTooLarge`, :class:`UnsupportedFormat` and :class:`EmptyDocument`, each with the file's
    name, and what reading raises.
    """
    content_type = call.headers.get("content-type", "")
    part = FilePart(content_type) if content_type.lower().startswith(MULTIPART) else None
    try:
        await _read(service, call, spool, part, limit)
        spool.finish()
    except (DocumentTooLarge, UnsupportedFormat, EmptyDocument) as error:
        name = call.query.filename or (part.filename if part is not None else None)
        error.details = {**error.details, **({"filename": name} if name else {})}
        raise


async def _read(service: Service, call: UploadCall, spool: Spool, part: FilePart | None, limit: int) -> None:
    room = limit + (OVERHEAD_BYTES if part is not None else 0)
    if (declared_length(call.headers) or 0) > room:
        raise too_large(limit)
    async with aclosing(call.stream()) as pieces:
        async for piece in pieces:
            room -= len(piece)
            if room < 0:
                raise too_large(limit)
            data = part.feed(piece) if part is not None else piece
            if data:
                await service.threads.run(partial(spool.add, data))
    if part is not None:
        part.finish()


def document_password(headers: Headers) -> str | None:
    """In a header, since addresses are logged on their way. Raises :class:`InvalidHeader`."""
    given = headers.getlist(PASSWORD)
    if not given:
        return None
    if len(given) > 1 or not _PASSWORD.fullmatch(given[0]):
        raise InvalidHeader(f"{PASSWORD}: once, 1 to {MAX_PASSWORD} printable ASCII characters", header=PASSWORD)
    return given[0]


def _submit(parts: WebParts, call: UploadCall, spool: Spool, key: str | None, password: str | None) -> AnyAnswer:
    source = uploaded_source(spool.sha256)
    _keep(parts.blobs, source.blob, spool)
    asked = call.query.model_dump(mode="json", exclude={"filename", "tenant"})
    params = {"source": {"blob": source.blob}, **asked, "password": password}
    submitted = parts.machine.submit(OcrDocumentJob.job_type, params, tenant=call.query.tenant, idempotency_key=key)
    return submitted_answer(parts, submitted)


def _keep(blobs: BlobStore, name: str, spool: Spool) -> None:
    """Where somebody else keeps the same document at the same time, theirs is as good."""
    try:
        blobs.put_stream(name, spool.pieces(), spool.finish().value, spool.size)
    except BlobConflict:
        if not _is_kept(blobs, name, spool.size):
            raise


def _is_kept(blobs: BlobStore, name: str, size: int) -> bool:
    try:
        return blobs.size(name) == size
    except BlobNotFound:
        return False
