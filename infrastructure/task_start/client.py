"""Calls ``POST /task/start`` of the worker."""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from ipaddress import ip_address
from typing import Self
from urllib.parse import SplitResult, urlsplit

import httpx
from pydantic import ValidationError

from core.errors import MessageVersionUnsupported, UnknownTaskType
from core.messages import TaskQueueMessage
from core.ports import Clock
from infrastructure.hosts import is_loopback
from infrastructure.settings import Settings, SettingsInvalid
from infrastructure.task_start.bodies import PATH, StartAnswer, TaskStart
from infrastructure.task_start.calls import CallAnswer, CallFailed, Calls
from infrastructure.task_start.errors import StartRefused, WorkerBusy, WorkerMisconfigured, WorkerUnavailable
from infrastructure.task_start.signature import SigningKeys

_log = logging.getLogger(__name__)

REFUSED = frozenset({400, 413, 415, 422})
"""Statuses of a worker that understood the call and will never take it."""

NOT_OURS = frozenset({401, 403})
"""Statuses of a worker with other keys, or another time: nothing is wrong with the task."""

OLDER = frozenset({MessageVersionUnsupported.code, UnknownTaskType.code})
"""Codes of a worker that may be older than who calls it, as during a deploy."""

PRIVATE_NAMES = (".internal", ".local")


class TaskStartClient:
    """For any number of threads."""

    def __init__(self, url: str, keys: SigningKeys, clock: Clock, calls: Calls | None = None) -> None:
        """Raises :class:`SettingsInvalid` for a ``url`` that is no worker's."""
        self._url = _start_url(url)
        self._keys = keys
        self._clock = clock
        self._calls = calls or Calls()

    @classmethod
    def from_settings(cls, settings: Settings, clock: Clock) -> Self:
        """Raises :class:`WorkerMisconfigured`."""
        try:
            return cls(settings.docker_worker_url, SigningKeys.from_settings(settings), clock)
        except SettingsInvalid as error:
            raise WorkerMisconfigured(error.message) from error

    def start(self, message: TaskQueueMessage, callback_url: str | None = None) -> StartAnswer:
        """What the worker says, which has the attempt now, or knows that it is not wanted.

        Raises :class:`WorkerBusy`, :class:`WorkerUnavailable`, with :class:`WorkerMisconfigured` where keys, clocks or
        versions differ, and, for what will not pass, :class:`StartRefused`.
        """
        body = TaskStart(message=message, callback_url=callback_url).model_dump_json().encode()
        headers = self._keys.sign("POST", PATH, body, self._clock.now())
        try:
            answer = self._calls.post(self._url, body, headers)
        except CallFailed as error:
            raise WorkerUnavailable(f"the worker was not reached: {error}") from error
        return _told(answer)

    def close(self) -> None:
        self._calls.close()


def _start_url(text: str) -> httpx.URL:
    try:
        return httpx.URL(worker_url(text) + PATH)
    except httpx.InvalidURL as error:
        raise SettingsInvalid(f"DOCKER_WORKER_URL: {error}") from error


def worker_url(text: str) -> str:
    """``text`` without a slash at its end: https, or http where the way is private. It may have a path.

    Raises :class:`SettingsInvalid`.
    """
    with suppress(ValueError):
        parts = urlsplit(text)
        if _is_worker(parts):
            return text.rstrip("/")
    raise SettingsInvalid(
        "DOCKER_WORKER_URL: https://HOST, or http where the host is this machine, a private address or a private name; "
        "no user, no query"
    )


def _is_worker(parts: SplitResult) -> bool:
    """Raises ValueError for a port that is none."""
    if not parts.hostname or "@" in parts.netloc or parts.query or parts.fragment or parts.port == 0:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_private(parts.hostname))


def _is_private(host: str) -> bool:
    if is_loopback(host):
        return True
    try:
        return ip_address(host).is_private
    except ValueError:
        return "." not in host or host.lower().endswith(PRIVATE_NAMES)


def _told(answer: CallAnswer) -> StartAnswer:
    if answer.status in (200, 202):
        try:
            return StartAnswer.model_validate_json(answer.content)
        except ValidationError as error:
            raise WorkerUnavailable("what answered is not the worker") from error
    code = _error_code(answer.content)
    if answer.status == 409 and code == WorkerBusy.code:
        raise WorkerBusy("another task runs on the worker")
    if code in OLDER or (answer.status in NOT_OURS and code):
        _log.error("worker_refuses", extra={"status": answer.status, "code": code})
        raise WorkerMisconfigured(f"the worker refuses calls: {code}")
    if answer.status in REFUSED and code:
        raise StartRefused(f"the worker refused the call: {code}", status=answer.status, worker_code=code)
    raise WorkerUnavailable(f"the worker answered {answer.status} {code}".rstrip())


def _error_code(content: bytes) -> str:
    """Of the one shape of an error; empty where it is another, as a gateway's."""
    with suppress(ValueError, RecursionError):
        told = json.loads(content)
        error = told.get("error") if isinstance(told, dict) else None
        code = error.get("code") if isinstance(error, dict) else None
        if isinstance(code, str):
            return code[:100]
    return ""
