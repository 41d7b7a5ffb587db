"""One HTTP call out: no redirects, nothing from the environment, bounded in time and in what is read."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import httpx

from infrastructure.outbound.network import BoundedTransport, authorities, ends_at

CONNECT_SECONDS = 5.0
SILENT_SECONDS = 20.0
WHOLE_SECONDS = 30.0
MAX_ANSWER_BYTES = 64 * 1024


class CallFailed(Exception):
    """There was no whole answer; the message says which kind of failure, and nothing of the address."""


class CallAnswer(NamedTuple):
    status: int
    content: bytes


class Calls:
    """For any number of threads. Over a transport that is pinned, :meth:`post` may raise
    :class:`infrastructure.outbound.addresses.LeadsInside`.
    """

    def __init__(
        self,
        transport: httpx.BaseTransport | None = None,
        *,
        silent_seconds: float = SILENT_SECONDS,
        whole_seconds: float = WHOLE_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic = monotonic
        self._whole = whole_seconds
        self._client = httpx.Client(
            transport=transport or BoundedTransport(authorities(), monotonic),
            trust_env=False,
            follow_redirects=False,
            timeout=httpx.Timeout(silent_seconds, connect=CONNECT_SECONDS),
        )

    def post(self, url: httpx.URL, body: bytes, headers: Mapping[str, str]) -> CallAnswer:
        """Raises :class:`CallFailed`."""
        until = self._monotonic() + self._whole
        sent = {"content-type": "application/json", "accept-encoding": "identity", **headers}
        try:
            with ends_at(until), self._client.stream("POST", url, content=body, headers=sent) as response:
                return CallAnswer(response.status_code, self._read(response, until))
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL) as error:
            raise CallFailed(type(error).__name__) from error

    def close(self) -> None:
        self._client.close()

    def _read(self, response: httpx.Response, until: float) -> bytes:
        if response.headers.get("content-encoding", "identity") != "identity":
            raise CallFailed("answered in an encoding that was not asked for")
        content = bytearray()
        for piece in response.iter_bytes():
            content += piece
            if len(content) > MAX_ANSWER_BYTES:
                raise CallFailed(f"answered with more than {MAX_ANSWER_BYTES} bytes")
            if self._monotonic() > until:
                raise CallFailed(f"the answer took more than {self._whole:g} seconds")
        return bytes(content)
