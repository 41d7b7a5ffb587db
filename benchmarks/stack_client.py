"""A client of the stack's HTTP API that outlives its absences."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import httpx

ENDED = frozenset({"completed", "completed_with_errors", "failed", "cancelled"})
PAUSE_SECONDS = 0.1
BUSY = frozenset({429, 500, 502, 503, 504})


class StackFailed(Exception):
    """The stack did not do in time what was waited for, or refused it."""


class StackClient:
    """``patience`` is how long, in seconds, a call is tried again that was not answered. For one thread."""

    def __init__(self, url: str, key: str, patience: float = 120.0) -> None:
        headers = {"x-functions-key": key} if key else {}
        self._client = httpx.Client(base_url=f"{url}/api", headers=headers, timeout=30.0)
        self._patience = patience
        self.repeated = 0
        """Calls that were made again."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._client.close()

    def submit(self, job_type: str, params: Mapping[str, object], key: str) -> str:
        """The job's id. Raises :class:`StackFailed`, as the others do."""
        answer = self._call("POST", f"/jobs/submit/{job_type}", json={"params": params}, headers=_keyed(key))
        return str(answer["job_id"])

    def upload(self, name: str, content: bytes, key: str) -> str:
        answer = self._call("POST", "/documents", params={"filename": name}, content=content, headers=_keyed(key))
        return str(answer["job_id"])

    def status(self, job_id: str) -> Mapping[str, Any]:
        return self._call("GET", f"/jobs/status/{job_id}")

    def events(self, job_id: str) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = self._call("GET", f"/jobs/{job_id}/events", params={"limit": 1000})["items"]
        return found

    def dead_letters(self) -> int:
        return len(self._call("GET", "/deadletters", params={"limit": 1000})["items"])

    def wait(self, job_id: str, pause: float, seconds: float) -> Mapping[str, Any]:
        """The status of a job that has ended. Looks every ``pause`` seconds."""
        until = time.monotonic() + seconds
        while (found := self.status(job_id))["status"] not in ENDED:
            if time.monotonic() > until:
                raise StackFailed(f"job {job_id[:8]} is {found['status']} after {seconds:.0f} s")
            time.sleep(pause)
        return found

    def _call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        return _patiently(lambda: self._answer(method, path, options), self._patience, self._again)

    def _answer(self, method: str, path: str, options: Mapping[str, Any]) -> dict[str, Any] | None:
        try:
            answer = self._client.request(method, path, **options)
        except httpx.TransportError:
            return None
        if answer.status_code in BUSY:
            return None
        if answer.is_error:
            raise StackFailed(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
        found: dict[str, Any] = answer.json()
        return found

    def _again(self) -> None:
        self.repeated += 1
        time.sleep(PAUSE_SECONDS)


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _keyed(key: str) -> dict[str, str]:
    return {"Idempotency-Key": key}


def _patiently(ask: Callable[[], dict[str, Any] | None], patience: float, again: Callable[[], None]) -> dict[str, Any]:
    until = time.monotonic() + patience
    while (found := ask()) is None:
        if time.monotonic() > until:
            raise StackFailed(f"no answer in {patience:.0f} s")
        again()
    return found
