"""HTTP calls: one answer or one error a call, with bounds on time and bytes.

Calls that may be repeated are repeated here, and nowhere else: where the service says that it is busy, when it wants,
and where one that has answered before is away, as during a restart.
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import IO, Any, TypeVar
from urllib.parse import urlsplit

from infrastructure.hosts import is_loopback
from local.client.address import START_HINT, Service
from local.client.errors import CallRefused, FileUnusable, KeyRefused, ServiceNotReached
from local.client.text import printable

KEY_HEADER = "x-functions-key"
REQUEST_ID_HEADER = "x-request-id"
MAX_ANSWER = 256 * 1024 * 1024
PIECE = 1024 * 1024
BUSY = frozenset({429, 502, 503, 504})
LONGEST_WAIT = 60.0
SHORTEST_WAIT = 1.0
PATIENCE = 120.0
"""Seconds that a call is repeated for."""

T = TypeVar("T")

Wait = Callable[[float], bool]
"""Waits some seconds; true where the command is to end, and then at once."""


@dataclass(frozen=True, slots=True)
class Answer:
    """``status`` is below 400. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def retry_after(self) -> float | None:
        return _retry_after(self.headers)


@dataclass(frozen=True, slots=True)
class Http:
    """Any number of threads may use it. ``silent_seconds`` is how long the service may say nothing."""

    service: Service
    wait: Wait
    clock: Callable[[], float] = time.monotonic
    silent_seconds: float = 60.0
    _met: threading.Event = field(default_factory=threading.Event, repr=False)
    opener: urllib.request.OpenerDirector = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "opener", _opener(self.service))

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        return self._patiently(lambda: self._send("GET", path, None, headers or {}))

    def post(
        self, path: str, content: object, headers: Mapping[str, str] | None = None, *, repeat: bool = True
    ) -> Answer:
        """``content`` as JSON. ``repeat`` is false for what does something else the second time."""
        body = json.dumps(content, allow_nan=False).encode()
        more = {"content-type": "application/json", **(headers or {})}

        def send() -> Answer:
            return self._send("POST", path, body, more)

        return self._patiently(send) if repeat else send()

    def upload(self, path: str, file: Path, content_type: str, headers: Mapping[str, str] | None = None) -> Answer:
        """The file as the body, from the disk. Raises :class:`FileUnusable` where it cannot be read."""

        def send() -> Answer:
            with _opened(file) as (content, size):
                more = {"content-type": content_type, "content-length": str(size), **(headers or {})}
                return self._send("POST", path, content, more)

        return self._patiently(send)

    def download(self, path: str, save: Callable[[Iterator[bytes]], T]) -> T:
        """What ``save`` makes of a file's bytes, in pieces; from the beginning again, where they break off."""
        return self._patiently(lambda: save(self._pieces(path)))

    def _pieces(self, path: str) -> Iterator[bytes]:
        with self._answering(self._request("GET", path, None, {})) as response:
            yield from iter(lambda: response.read(PIECE), b"")
            _check_whole(response)

    def _patiently(self, call: Callable[[], T]) -> T:
        until: float | None = None
        while True:
            try:
                return call()
            except (CallRefused, ServiceNotReached) as error:
                delay = self._delay(error)
                now = self.clock()
                until = until or now + PATIENCE
                if delay is None or now + delay > until or self.wait(delay):
                    raise

    def _delay(self, error: CallRefused | ServiceNotReached) -> float | None:
        """``None`` for what does not pass. Who was never there is not waited for."""
        if isinstance(error, ServiceNotReached):
            return SHORTEST_WAIT if self._met.is_set() else None
        if error.status not in BUSY:
            return None
        return SHORTEST_WAIT if error.retry_after is None else max(error.retry_after, 0.1)

    def _send(self, method: str, path: str, body: bytes | IO[bytes] | None, headers: Mapping[str, str]) -> Answer:
        with self._answering(self._request(method, path, body, headers)) as response:
            content = response.read(MAX_ANSWER + 1)
            if len(content) > MAX_ANSWER:
                raise ServiceNotReached(f"{self.service.url} answered with more than {MAX_ANSWER} bytes")
            _check_whole(response)
            return Answer(response.status, _lower(response.headers), content)

    def _request(
        self, method: str, path: str, body: bytes | IO[bytes] | None, headers: Mapping[str, str]
    ) -> urllib.request.Request:
        key = {KEY_HEADER: self.service.key} if self.service.key else {}
        url = f"{self.service.url}/api/{path}"
        return urllib.request.Request(  # noqa: S310 - http and https alone, by find_service
            url, data=body, headers={"accept": "application/json", **key, **headers}, method=method
        )

    @contextmanager
    def _answering(self, request: urllib.request.Request) -> Iterator[Any]:
        """The response. Raises :class:`CallRefused` for an error, and :class:`ServiceNotReached`."""
        try:
            with closing(self.opener.open(request, timeout=self.silent_seconds)) as response:
                self._met.set()
                yield response
        except urllib.error.HTTPError as error:
            self._met.set()
            if error.code == 304:
                error.close()
                yield _NotModified(error.code, _lower(error.headers))
                return
            raise _refusal(error, self.service) from error
        except ssl.SSLError as error:
            raise ServiceNotReached(f"{self.service.url}: TLS failed: {printable(error.reason)}") from error
        except (OSError, http.client.HTTPException) as error:
            raise ServiceNotReached(_why(error, self.service)) from error


@dataclass(frozen=True, slots=True)
class _NotModified:
    status: int
    headers: Mapping[str, str]
    length: int = 0

    def read(self, _: int) -> bytes:
        return b""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """The key goes to the service that was named and to nobody whom an answer names."""

    def redirect_request(self, *_: object, **__: object) -> None:
        return None


class _EarlyAnswer:
    """An upload that is refused ends with a broken pipe, and why it was is there to be read."""

    def request(self, *arguments: Any, **options: Any) -> None:
        try:
            super().request(*arguments, **options)  # type: ignore[misc]
        except (BrokenPipeError, ConnectionResetError):
            if self.sock is None:  # type: ignore[attr-defined]
                raise


class _Connection(_EarlyAnswer, http.client.HTTPConnection):
    pass


class _TlsConnection(_EarlyAnswer, http.client.HTTPSConnection):
    pass


class _Handler(urllib.request.HTTPHandler):
    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Connection, request)


class _TlsHandler(urllib.request.HTTPSHandler):
    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_TlsConnection, request, context=ssl.create_default_context())


def _check_whole(response: Any) -> None:
    """``http.client`` takes the end of the connection for the end of the body where it reads in pieces."""
    if response.length:
        raise http.client.IncompleteRead(b"", response.length)


def _opener(service: Service) -> urllib.request.OpenerDirector:
    handlers: list[urllib.request.BaseHandler] = [_NoRedirects(), _Handler(), _TlsHandler()]
    if is_loopback(urlsplit(service.url).hostname or ""):
        handlers.append(urllib.request.ProxyHandler({}))
    return urllib.request.build_opener(*handlers)


@contextmanager
def _opened(file: Path) -> Iterator[tuple[IO[bytes], int]]:
    try:
        content = file.open("rb")
    except OSError as error:
        raise FileUnusable(f"{printable(file)}: {error.strerror}") from error
    with content:
        size = content.seek(0, os.SEEK_END)
        content.seek(0)
        yield content, size


def _lower(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _refusal(error: urllib.error.HTTPError, service: Service) -> CallRefused:
    headers = _lower(error.headers)
    with closing(error):
        code, message, request_id = _envelope(error)
    request_id = request_id or headers.get(REQUEST_ID_HEADER, "")
    if error.code in (401, 403):
        advice = "the service wants another function key; give it with --key or COREMACHINE_KEY"
        return KeyRefused(error.code, code or "UNAUTHORIZED", message or advice, printable(request_id))
    if not code:
        message = f"{service.url} answered {error.code} without saying why"
    return CallRefused(
        error.code,
        printable(code or f"HTTP_{error.code}"),
        printable(message),
        printable(request_id),
        _retry_after(headers),
    )


def _envelope(error: urllib.error.HTTPError) -> tuple[str, str, str]:
    """``code``, ``message`` and ``request_id`` of the service's envelope; empty where it is not one."""
    try:
        found = json.loads(error.read(PIECE))["error"]
        return str(found["code"]), str(found.get("message", "")), str(found.get("request_id") or "")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, http.client.HTTPException):
        return "", "", ""


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds. A date counts from the ``Date`` of the same answer, so that our own clock does not matter."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value), LONGEST_WAIT)
    try:
        until, now = parsedate_to_datetime(value), parsedate_to_datetime(headers.get("date", ""))
        return min(max((until - now).total_seconds(), 0.0), LONGEST_WAIT)
    except (ValueError, TypeError):
        return None


def _why(error: Exception, service: Service) -> str:
    reason = getattr(error, "reason", error)
    if isinstance(reason, ConnectionRefusedError):
        return f"nobody answers at {service.url}; {START_HINT}"
    if isinstance(reason, TimeoutError):
        return f"{service.url} did not answer in time"
    text = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
    return f"{service.url} was not reached: {printable(text)}"
