"""HTTP/1.1, as much as an administration client needs: one request a connection, small, and its answer.

https://www.rfc-editor.org/rfc/rfc9112
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

MAX_HEAD = 16 * 1024
"""Bytes of a request's line and headers."""

MAX_BODY = 64 * 1024
"""Bytes of its body, which is read and not looked at."""

_METHODS = (b"GET ", b"HEAD", b"POST", b"PUT ", b"DELE", b"PATC", b"OPTI")
_LINE = re.compile(r"([A-Z]{1,10}) (/[\x21-\x7e]*) HTTP/1\.[01]")
_HEADER = re.compile(r"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\x20-\x7e\t]*)")
_HOST = re.compile(r"[A-Za-z0-9.\-_\[\]:]{1,255}")


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """``target`` begins with a slash; ``headers`` have names in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    scheme: str = "http"

    @property
    def host(self) -> str:
        return self.headers["host"]

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}{self.target}"


@dataclass(frozen=True, slots=True)
class HttpResponse:
    status: int
    body: bytes
    content_type: str = "text/plain; charset=utf-8"

    def encode(self) -> bytes:
        """The connection ends with it."""
        phrase = HTTPStatus(self.status).phrase
        head = (
            f"HTTP/1.1 {self.status} {phrase}\r\n"
            f"Server: service-bus-emulator\r\n"
            f"Content-Type: {self.content_type}\r\n"
            f"Content-Length: {len(self.body)}\r\n"
            "Connection: close\r\n\r\n"
        )
        return head.encode("ascii") + self.body


class HttpRefused(Exception):
    """What came is no request that is answered otherwise than by ``status``."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.response = HttpResponse(status, text.encode())


def is_http(start: bytes) -> bool:
    """Whether a connection that begins with these four bytes or more speaks HTTP."""
    return start[:4] in _METHODS


class HttpReader:
    """Takes one request in any pieces, and holds no more than a head and a body may have."""

    def __init__(self, scheme: str) -> None:
        self._scheme = scheme
        self._data = bytearray()
        self._request: HttpRequest | None = None
        self._body_left = 0

    def feed(self, data: bytes) -> HttpRequest | None:
        """The request, once all of it is there. Raises :class:`HttpRefused`."""
        if self._request is None:
            self._data += data
            end = self._data.find(b"\r\n\r\n")
            if max(end, len(self._data) if end < 0 else 0) > MAX_HEAD:
                raise HttpRefused(431, f"a request's head has at most {MAX_HEAD} bytes")
            if end < 0:
                return None
            self._request = _head(bytes(self._data[:end]), self._scheme)
            self._body_left = _body_length(self._request)
            data = bytes(self._data[end + 4 :])
            self._data.clear()
        self._body_left -= len(data)
        return self._request if self._body_left <= 0 else None


def _head(head: bytes, scheme: str) -> HttpRequest:
    first, *lines = head.decode("latin-1").split("\r\n")
    line = _LINE.fullmatch(first)
    fields = [_HEADER.fullmatch(text) for text in lines]
    if line is None or not all(fields):
        raise HttpRefused(400, "this is no request of HTTP/1.1")
    headers = {field[1].lower(): field[2].strip() for field in fields if field is not None}
    if _HOST.fullmatch(headers.get("host", "")) is None:
        raise HttpRefused(400, "a request names its host")
    return HttpRequest(line[1], line[2], headers, scheme)


def _body_length(request: HttpRequest) -> int:
    if "transfer-encoding" in request.headers:
        raise HttpRefused(411, "a body comes with its length")
    text = request.headers.get("content-length", "0")
    if re.fullmatch(r"\d{1,9}", text, re.ASCII) is None:
        raise HttpRefused(400, "a content-length that is no number")
    if int(text) > MAX_BODY:
        raise HttpRefused(413, f"a body has at most {MAX_BODY} bytes")
    return int(text)
