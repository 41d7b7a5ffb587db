"""The service's HTTP API, a method a route."""

from __future__ import annotations

import mimetypes
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, urlencode

from pydantic import BaseModel, TypeAdapter, ValidationError

from local.client.errors import ServiceNotReached
from local.client.http import Answer, Http
from local.client.records import EventLine, JobLine, JobStatus, Letter, Page, RunResult, TaskLine

ModelT = TypeVar("ModelT", bound=BaseModel)
T = TypeVar("T")

MAX_FILE_NAME = 255
NEW_RUN = frozenset({"resubmit", "replay"})


@dataclass(frozen=True, slots=True)
class Submitted:
    """``created`` is false where the same was submitted before."""

    status: JobStatus
    created: bool


@dataclass(frozen=True, slots=True)
class Polled:
    """``status`` is ``None`` where it is as it was at ``etag``; ``retry_after`` is in seconds."""

    status: JobStatus | None
    etag: str
    retry_after: float | None


@dataclass(frozen=True, slots=True)
class Api:
    http: Http

    def submit(self, job_type: str, params: Mapping[str, object], tenant: str | None, key: str | None) -> Submitted:
        body = {"params": params} | ({} if tenant is None else {"tenant": tenant})
        return _submitted(self.http.post(f"jobs/submit/{quote(job_type, safe='')}", body, _idempotency(key)), self)

    def upload(self, file: Path, options: Mapping[str, object], key: str | None) -> Submitted:
        content_type = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        path = f"documents?{_query({'filename': sent_name(file.name), **options})}"
        return _submitted(self.http.upload(path, file, content_type, _idempotency(key)), self)

    def status(self, job_id: str, run: int | None = None, etag: str = "") -> Polled:
        headers = {"if-none-match": etag} if etag else {}
        answer = self.http.get(f"jobs/status/{_id(job_id)}?{_query({'run': run})}", headers)
        if answer.status == 304:
            return Polled(None, etag, answer.retry_after)
        return Polled(self._read(JobStatus, answer), answer.headers.get("etag", ""), answer.retry_after)

    def jobs(self, filters: Mapping[str, object], cursor: object, limit: int) -> Page[JobLine]:
        path = f"jobs?{_query({**filters, 'cursor': cursor, 'limit': limit})}"
        return self._read(Page[JobLine], self.http.get(path))

    def events(self, job_id: str, run: int | None, after: object, limit: int) -> Page[EventLine]:
        path = f"jobs/{_id(job_id)}/events?{_query({'run': run, 'after': after, 'limit': limit})}"
        return self._read(Page[EventLine], self.http.get(path))

    def tasks(self, job_id: str, filters: Mapping[str, object], cursor: object, limit: int) -> Page[TaskLine]:
        path = f"jobs/{_id(job_id)}/tasks?{_query({**filters, 'cursor': cursor, 'limit': limit})}"
        return self._read(Page[TaskLine], self.http.get(path))

    def result(self, job_id: str, run: int) -> RunResult:
        return self._read(RunResult, self.http.get(f"jobs/{_id(job_id)}/result?{_query({'run': run})}"))

    def act(self, job_id: str, action: str, body: Mapping[str, object]) -> JobStatus:
        """``action`` is cancel, pause, resume, resubmit or replay; the last two make a new run each time."""
        repeat = action not in NEW_RUN
        return self._read(JobStatus, self.http.post(f"jobs/{_id(job_id)}/{action}", body, repeat=repeat))

    def file(self, job_id: str, name: str, save: Callable[[Iterator[bytes]], T]) -> T:
        return self.http.download(f"jobs/{_id(job_id)}/files/{quote(name)}", save)

    def letters(self, after: object, limit: int) -> Page[Letter]:
        return self._read(Page[Letter], self.http.get(f"deadletters?{_query({'after': after, 'limit': limit})}"))

    def replay_letters(self, ids: Sequence[int], actor: str) -> Answer:
        return self.http.post("deadletters/replay", {"ids": list(ids), "actor": actor}, repeat=False)

    def _read(self, model: type[ModelT], answer: Answer) -> ModelT:
        """Raises :class:`ServiceNotReached` for the answer of somebody else."""
        try:
            return TypeAdapter(model).validate_json(answer.body)
        except ValidationError as error:
            field = ".".join(map(str, error.errors(include_url=False, include_input=False)[0]["loc"])) or "the answer"
            message = f"{self.http.service.url} does not answer as CoreMachine does ({field}); is the address right?"
            raise ServiceNotReached(message) from None


def sent_name(name: str) -> str:
    """A file's name as the service takes it: 255 characters at most, none of them a control or no character at all."""
    kept = (c if c.isprintable() and c not in "/\\" else "_" for c in name)
    return "".join(kept)[-MAX_FILE_NAME:]


def _submitted(answer: Answer, api: Api) -> Submitted:
    return Submitted(api._read(JobStatus, answer), answer.status == 202)  # noqa: SLF001 - this module's own


def _idempotency(key: str | None) -> dict[str, str]:
    return {} if key is None else {"idempotency-key": key}


def _id(job_id: str) -> str:
    return quote(job_id, safe="")


def _query(values: Mapping[str, object]) -> str:
    given = {name: value for name, value in values.items() if value is not None}
    return urlencode({name: _text(value) for name, value in given.items()})


def _text(value: object) -> str:
    """A flag as JSON has it, several values with commas."""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
