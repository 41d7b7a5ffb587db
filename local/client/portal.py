"""``python -m local portal PHOTO --schema NAME``: a photo goes in, the file that the portal takes comes out, and how it
was measured by each rule of the portal.
"""

from __future__ import annotations

import http.client
import io
import mimetypes
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, ValidationError

from handlers.portal.naming import safe_name
from local.client.api import Api
from local.client.board import Board, Row
from local.client.errors import ALL_WELL, SOME_FAILED, ClientError, FileUnusable, ServiceNotReached
from local.client.follow import follow
from local.client.http import Http, Wait
from local.client.reading import READ, check_file
from local.client.records import JobStatus
from local.client.results import write_whole
from local.client.text import printable

DEFAULT_OUTPUT = Path("build/portal")
JOB_TYPE = "process_document"
MAX_PACKAGE = 256 * 1024 * 1024
LINK_SECONDS = 60.0


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


AnswerT = TypeVar("AnswerT", bound=_Answer)


class UploadLink(_Answer):
    raw_path: str
    upload_url: str
    upload_headers: dict[str, str]


class DownloadLink(_Answer):
    download_url: str


class Rule(_Answer):
    rule: str
    required: str
    measured: str
    passed: bool


class Found(_Answer):
    name: str
    status: str
    value: str | None = None
    confidence: float | None = None


class Told(_Answer):
    code: str
    value: float | str | None = None


class Image(_Answer):
    name: str
    bytes: int


class Artifacts(_Answer):
    package_path: str
    image: Image


class Made(_Answer):
    """What a job came to, as far as it is shown."""

    quality_score: float
    rules: tuple[Rule, ...]
    fields: tuple[Found, ...] = ()
    warnings: tuple[Told, ...] = ()
    artifacts: Artifacts


@dataclass(frozen=True, slots=True)
class Portal:
    """``version`` is the newest active one where it is ``None``."""

    schema: str
    version: int | None = None
    text: bool = False


def adapt_photo(api: Api, photo: Path, portal: Portal, output: Path, board: Board, wait: Wait) -> int:
    """The exit code: whether every rule is met. Raises :class:`ClientError`."""
    check_file(photo)
    user_id, job_id = str(uuid4()), str(uuid4())
    with board:
        status = _submit(api, photo, portal, user_id, job_id)
        for seen in follow(api, status, wait):
            status = seen.status
            board.show(_row(photo, status))
    if status.status not in READ:
        raise ClientError(f"{printable(photo)}: {status.error or f'the job ended as {status.status}'}")
    made = _read(Made, api.result(status.job_id, status.run).result)
    path = _saved(api, made, user_id, output)
    for record, line, bad in _lines(made, path):
        board.tell(record, line, bad=bad)
    return ALL_WELL if all(rule.passed for rule in made.rules) else SOME_FAILED


def _submit(api: Api, photo: Path, portal: Portal, user_id: str, job_id: str) -> JobStatus:
    name = safe_name(photo.name)
    begun = api.http.post("portal/uploads", {"user_id": user_id, "job_id": job_id, "filename": name})
    link = _json(UploadLink, begun.body)
    _put(api.http, link, photo)
    api.http.post("portal/uploads/confirm", {"user_id": user_id, "raw_path": link.raw_path})
    schema = {"name": portal.schema} | ({} if portal.version is None else {"version": portal.version})
    params = {
        "job_id": job_id,
        "user_id": user_id,
        "portal_schema": schema,
        "input": {
            "raw_path": link.raw_path,
            "mime_type": mimetypes.guess_type(photo.name)[0] or "application/octet-stream",
            "original_filename": photo.name[-255:],
        },
        "storage": {},
        "options": {"text": portal.text},
    }
    return api.submit(JOB_TYPE, params, None, None).status


def _saved(api: Api, made: Made, user_id: str, output: Path) -> Path:
    """Where the finished picture is now. Nothing of the package but its own name becomes part of a path."""
    body = {"user_id": user_id, "path": made.artifacts.package_path}
    link = _json(DownloadLink, api.http.post("portal/downloads", body).body)
    image = made.artifacts.image
    with zipfile.ZipFile(io.BytesIO(_linked(api.http, link.download_url))) as package:
        data = package.read(image.name)
    path = output / safe_name(image.name)
    try:
        write_whole(path, [data])
    except OSError as error:
        raise FileUnusable(f"{printable(path)} cannot be written: {error.strerror}") from error
    return path


def _lines(made: Made, path: Path) -> Iterator[tuple[dict[str, object], str, bool]]:
    widest = max((len(rule.rule) for rule in made.rules), default=0)
    for rule in made.rules:
        verdict = "pass" if rule.passed else "FAIL"
        line = f"{verdict}  {printable(rule.rule):{widest}}  {printable(rule.measured)}  ({printable(rule.required)})"
        yield {"event": "rule", **rule.model_dump()}, line, not rule.passed
    for field in made.fields:
        value = "" if field.value is None else f": {printable(field.value)}"
        yield {"event": "field", **field.model_dump()}, f"field {printable(field.name)}, {field.status}{value}", False
    for warning in made.warnings:
        value = "" if warning.value is None else f" {printable(str(warning.value))}"
        yield {"event": "warning", **warning.model_dump()}, f"note  {printable(warning.code)}{value}", False
    record = {"event": "file", "path": str(path), "bytes": made.artifacts.image.bytes, "quality": made.quality_score}
    yield record, f"{printable(path)}: {made.artifacts.image.bytes} bytes", False


def _row(photo: Path, status: JobStatus) -> Row:
    return Row(
        key=str(photo),
        name=str(photo),
        state=status.status,
        percent=100.0 if status.status in READ else status.percent,
        job_id=status.job_id,
        run=status.run,
        ended=status.ended,
        well=status.status not in ("failed", "cancelled"),
    )


def _put(calls: Http, link: UploadLink, photo: Path) -> None:
    try:
        data = photo.read_bytes()
    except OSError as error:
        raise FileUnusable(f"{printable(photo)}: {error.strerror}") from error
    _linked(calls, link.upload_url, data, link.upload_headers)


def _linked(calls: Http, url: str, data: bytes | None = None, headers: Mapping[str, str] | None = None) -> bytes:
    """What storage answers to a link, of which nothing is told: it is a secret. ``data`` are put there."""
    if urlsplit(url).scheme not in ("http", "https"):
        raise ServiceNotReached("the service gave a link that is none")
    method = "GET" if data is None else "PUT"
    request = urllib.request.Request(url, data, dict(headers or {}), method=method)  # noqa: S310 - http and https alone
    try:
        with calls.opener.open(request, timeout=LINK_SECONDS) as response:
            content: bytes = response.read(MAX_PACKAGE + 1)
    except urllib.error.HTTPError as error:
        with suppress(OSError):
            error.close()
        raise ClientError(f"the storage answered {error.code}") from None
    except (OSError, http.client.HTTPException) as error:
        raise ServiceNotReached(f"the storage was not reached: {type(error).__name__}") from None
    if len(content) > MAX_PACKAGE:
        raise ClientError(f"the package has more than {MAX_PACKAGE} bytes")
    return content


def _json(model: type[AnswerT], body: bytes) -> AnswerT:
    try:
        return model.model_validate_json(body)
    except ValidationError:
        raise ServiceNotReached("the service does not answer as CoreMachine does; is the address right?") from None


def _read(model: type[Made], value: Mapping[str, Any] | None) -> Made:
    try:
        return model.model_validate(value)
    except ValidationError:
        raise ServiceNotReached("the result is not one that this client knows") from None
